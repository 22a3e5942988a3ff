"""A server of an application on a free port of this machine, for as long as a test needs it."""

import socket
import threading
import time
from contextlib import contextmanager

import uvicorn


@contextmanager
def served(application, path="/v1", lifespan="off"):
    """Serve in a thread; give the address, with the path behind it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="critical", lifespan=lifespan))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{path}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
