import gc
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))

from tiny import tables

from tuition.cli.main import main


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports():
    """Keep the modules out of the collector's way: every Trainer collects garbage once."""
    gc.freeze()
    yield
    gc.unfreeze()


class Said:
    """What a command left: its exit code, and the two streams."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def error(self):
        """The error in one line, however the terminal broke it."""
        return " ".join(self.err.split())


@pytest.fixture
def tuition(tmp_path, monkeypatch, capsys):
    """Runs a command as the console script does, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tuition", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def write(tmp_path):
    """Writes a configuration of the tiny run beside the command."""
    import tomli_w

    def make(name="tiny.toml", **changed):
        config = tables(tmp_path, **{"out": "run", "store": "tuition.db", **changed})
        (tmp_path / name).write_text(tomli_w.dumps(config))
        return name

    return make
