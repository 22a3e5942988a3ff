"""What every test stands on: markers off unless asked for, one fuzz seed, the recorded data, no network."""

import os
import random
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# Tests run side by side: a student with threads = 0 takes one core.
os.environ.setdefault("TUITION_RUNS_AT_ONCE", str(os.cpu_count()))

MARKERS = ("slow", "gpu", "network")
ROOT = Path(__file__).parents[1]
_PLACES = (ROOT.parent / "shared" / "data", ROOT / "data")
DATA = Path(os.environ.get("TUITION_DATA") or next(filter(Path.is_dir, _PLACES), _PLACES[-1])).resolve()


def pytest_addoption(parser):
    for marker in MARKERS:
        parser.addoption(f"--{marker}", action="store_true", help=f"also run the tests marked {marker}")
    told = "seed of all generated inputs; by default always the same ones, and with --slow a fresh seed"
    parser.addoption("--fuzz-seed", type=int, help=told)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.option.fuzz_seed = config.workerinput["fuzz_seed"]
    elif config.option.slow and config.option.fuzz_seed is None:
        config.option.fuzz_seed = random.SystemRandom().randrange(2**32)
    # The environment of the real server's tests is without Hypothesis.
    if config.pluginmanager.hasplugin("hypothesispytest"):
        from hypothesis import settings

        is_fixed = config.option.fuzz_seed is None
        settings.register_profile("tuition", derandomize=is_fixed, database=None, deadline=None)
        settings.load_profile("tuition")
        config.option.hypothesis_seed = config.option.fuzz_seed


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """All processes of one start draw with the same seed, the one that is printed."""
    node.workerinput["fuzz_seed"] = node.config.option.fuzz_seed


def pytest_report_header(config):
    seed = config.option.fuzz_seed
    return None if seed is None else f"fuzz seed: {seed}; --fuzz-seed {seed} generates the same inputs again"


def pytest_collection_modifyitems(config, items):
    for item in items:
        for marker in MARKERS:
            if marker in item.keywords and not config.getoption(f"--{marker}"):
                item.add_marker(pytest.mark.skip(reason=f"marked {marker}: run with --{marker}"))


@pytest.fixture(autouse=True)
def loopback_only(request, monkeypatch):
    """Refuse every connection that would leave this machine."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise OSError(f"tests talk to loopback only, not to {address[0]}; mark the test 'network'")
        return connect(self, address)

    if "network" not in request.keywords:
        monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def fuzz_seed(request) -> int:
    """The seed of generated inputs, for tests that draw them by other means than Hypothesis."""
    return request.config.option.fuzz_seed or 0


@pytest.fixture
def data() -> Path:
    """The folder of recorded rationales; the test is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no recorded data at {DATA}; set TUITION_DATA to its folder")
    return DATA


@pytest.fixture(scope="session")
def real_student() -> Path:
    """The folder of a real pretrained student; the test is skipped where none is named."""
    folder = os.environ.get("TUITION_STUDENT")
    if not folder:
        pytest.skip("no real student is named; run `make real-student` and set TUITION_STUDENT to its folder")
    if not (Path(folder) / "config.json").is_file():
        pytest.fail(f"TUITION_STUDENT names {folder!r}, which holds no student; run `make real-student`")
    return Path(folder)
