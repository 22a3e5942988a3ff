"""A tiny student in a folder, and its server."""

import gc
import sys
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
    folder = save_student(tmp_path_factory.mktemp("served") / "pupil", request.param)
    return StudentWriter(folder, name="pupil")


@pytest.fixture
def serve():
    """Serves a writer, with limits; a client of httpx2 comes back."""
    opened = []

    def start(writer, *, token=None, **limits):
        running = served(app(writer, Limits(**limits), token=token), path="")
        opened.append(running)
        client = httpx2.Client(base_url=running.__enter__(), timeout=60)
        opened.append(client)
        return client

    yield start
    for one in reversed(opened):
        one.__exit__(None, None, None)
