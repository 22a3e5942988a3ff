"""The two processes of `kill.py`: a server with faults, and whoever asks it and is killed."""

import random
import resource
import socket
import sqlite3
import sys
import threading
import time

import uvicorn

from tuition.annotation import Account, ask_all
from tuition.annotation.config import AnnotationConfig
from tuition.core.budget import Budget
from tuition.core.errors import StoreError
from tuition.core.records import Message, Request
from tuition.core.store import Place, Store
from tuition.playground.serving import Faults, ServerConfig, app
from tuition.teachers import TeacherConfig, make_teacher

CONCURRENCY = 16
PRICE = {"price_prompt": 0.5, "price_completion": 1.5}
TIMEOUT_S = 3.0
STORE_FAILED = 3
"""Exit code of one whose store could not be written."""
_CONFIG = AnnotationConfig(backoff_s=0.01, backoff_most_s=0.1, max_attempts=8)


def serve(pipe, folder, faults, latency_s):
    """Serve on a free port, which goes into the pipe; note the tag of each call in order of arrival."""
    application = app(Faults(**faults), folder / "server.jsonl", ServerConfig(latency_s=latency_s))
    arrivals = (folder / "arrivals").open("a", buffering=1)

    async def noting(scope, receive, send):
        tag = dict(scope["headers"]).get(b"x-client-request-id", b"")
        arrivals.write(tag.decode() + "\n")
        await application(scope, receive, send)

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    pipe.close()
    uvicorn.Server(uvicorn.Config(noting, log_level="critical", lifespan="off")).run(sockets=[listener])


def requests_of(url, n):
    """The questions, all different."""
    texts = [f"Today is March {1 + i % 28}. Which date is {10 + i // 28} days from now?" for i in range(n)]
    return [
        Request(
            endpoint=url,
            model="program-ada-1",
            messages=(Message(role="user", content=f"Question: {text}"),),
            parameters={"max_tokens": 100},
            teacher="ada",
            role="solve",
            example_id=str(i),
        )
        for i, text in enumerate(texts)
    ]


def ask(path, url, *, said, n, run="r", bytes_at_most=None, clock_back_s=0.0, clock_jump_s=0.0):
    """Ask everything through the store, and end with 0 where all of it is answered.

    A fault of the store is written to the file `said`. `bytes_at_most` bounds every file; the wall clock goes
    behind by `clock_back_s` from the beginning, and by `clock_jump_s` after a moment.
    """
    if bytes_at_most is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_at_most, resource.RLIM_INFINITY))
    _set_clock(clock_back_s, clock_jump_s)
    random.seed()
    wire = TeacherConfig(
        name="ada",
        model="program-ada-1",
        base_url=url,
        concurrency=CONCURRENCY,
        timeout_s=TIMEOUT_S,
        **PRICE,
    )
    try:
        with Store(path) as store:
            account = Account(store=store, place=Place(run=run), budget=Budget(on_unknown="ask_again"))
            asked = ask_all(requests_of(url, n), make_teacher(wire), account=account, config=_CONFIG)
    except StoreError as error:
        said.write_text(str(error))
        sys.exit(STORE_FAILED)
    failures = [reply.failure for reply in asked.replies if reply.failure]
    sys.exit(1 if failures or asked.refused else 0)


def hold(path, pipe, for_s):
    """Lock the store as another program would."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    pipe.send(True)
    time.sleep(for_s)
    connection.execute("ROLLBACK")
    connection.close()


def _set_clock(back_s, jump_s):
    """Set the wall clock of this process back; the steady clock goes on, as it does on a real machine."""
    real = time.time
    behind = [back_s]
    time.time = lambda: real() - behind[0]
    if jump_s:
        timer = threading.Timer(0.3, lambda: behind.__setitem__(0, back_s + jump_s))
        timer.daemon = True
        timer.start()
