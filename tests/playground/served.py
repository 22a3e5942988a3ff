"""An application of the playground on a free port of this machine, for as long as a test needs it."""

import socket
import threading
import time
from contextlib import contextmanager

import httpx2
import uvicorn

BODY = {
    "model": "program-chen-1",
    "messages": [{"role": "user", "content": "Question: Today is March 14. Which date is 10 days from now?"}],
    "max_tokens": 100,
    "temperature": 0,
}


@contextmanager
def running(application):
    """Serve in a thread; give a client that knows the address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        with httpx2.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=5) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
