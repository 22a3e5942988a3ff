"""A tiny student in a folder, and its server."""

import gc
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from loopback import served

sys.path.insert(0, str(Path(__file__).parent))

from asked import save_student

from tuition.operate.serve import StudentWriter
from tuition.serving import Limits, app


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports():
    """Keep the modules out of the collector's way."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session", params=["llama-nano", "t5-nano"])
def writer(request, tmp_path_factory):
    """The tiny student as the server knows it."""
    folder = save_student(tmp_path_factory.mktemp(request.param), request.param)
    return StudentWriter(folder, name=request.param)


@contextmanager
def serving():
    """Serve writers, with limits; a client of httpx2 comes back."""
    with ExitStack() as opened:

        def start(writer, *, token=None, **limits):
            address = opened.enter_context(served(app(writer, Limits(**limits), token=token), path=""))
            return opened.enter_context(httpx2.Client(base_url=address, timeout=60))

        yield start


@pytest.fixture
def serve():
    """Serves writers as long as a test runs."""
    with serving() as start:
        yield start


@pytest.fixture(scope="module")
def serve_module():
    """Serves writers to all tests of a file."""
    with serving() as start:
        yield start
