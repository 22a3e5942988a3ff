"""An application of the playground on a free port of this machine, for as long as a test needs it."""

from contextlib import contextmanager

import httpx2

from loopback import served

BODY = {
    "model": "program-chen-1",
    "messages": [{"role": "user", "content": "Question: Today is March 14. Which date is 10 days from now?"}],
    "max_tokens": 100,
    "temperature": 0,
}


@contextmanager
def running(application):
    """Serve in a thread; give a client that knows the address."""
    with served(application, path="") as url, httpx2.Client(base_url=url, timeout=5) as client:
        yield client
