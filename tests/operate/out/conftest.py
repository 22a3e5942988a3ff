"""A tiny run whose student goes out."""

import gc
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "recipes"))

from tiny import experiment

from tuition.operate.execute import execute


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports():
    """Keep the modules out of the collector's way: every Trainer collects garbage once."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Every test in a folder of its own, with no token and no address of the hub."""
    monkeypatch.chdir(tmp_path)
    for name in ("HF_TOKEN", "HF_ENDPOINT", "LLAMA_CPP"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def run_of():
    """Makes finished runs of so small a student that it has learnt hardly anything."""

    def make(folder, model, *, instruction="before", **changed):
        student = {"model": model, "max_output_tokens": 8, "instruction": instruction}
        return execute(experiment(folder, student=student, **changed)).path

    return make


@pytest.fixture(scope="session")
def run(run_of, tmp_path_factory):
    """Of the embedded base student, whose licence is known."""
    return run_of(tmp_path_factory.mktemp("base"), "base")


@pytest.fixture(scope="session")
def t5_run(run_of, tmp_path_factory):
    """Of an encoder-decoder with new weights."""
    return run_of(tmp_path_factory.mktemp("t5"), "fresh:t5-nano")


@pytest.fixture(scope="session")
def apart_run(run_of, tmp_path_factory):
    """Of an encoder-decoder whose decoder reads the instruction."""
    return run_of(tmp_path_factory.mktemp("apart"), "fresh:t5-nano", instruction="decoder")
