"""Code that a configuration names and no installed package has runs only with --trust."""

import json
import sys

import pytest

from tuition.core import plugins

TEACHER = """
from pathlib import Path
from tuition.playground.teachers import PlaygroundTeacher

Path("has_run").touch()


def Mine(config):
    return PlaygroundTeacher("ada", name=config.name)
"""


@pytest.fixture
def named(tuition, write, tmp_path, monkeypatch):
    """A configuration that names code in the working directory."""
    monkeypatch.setattr(plugins, "_admitted", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_code.py").write_text(TEACHER)
    yield write(
        recipe="step_by_step",
        teacher=[{"kind": "own_code:Mine", "name": "mine"}],
        evaluation={"jobs": 2, "baselines": ["teachers"]},
    )
    sys.modules.pop("own_code", None)


@pytest.mark.parametrize("command", ["check", "run", "pilot", "probe"])
def test_without_trust_it_is_named_and_does_not_run(tuition, named, tmp_path, command):
    said = tuition(command, named)
    assert said.code == 2
    assert "tiny.toml names code that no installed package has; none of it was imported" in said.error
    assert "teacher.0.kind = 'own_code:Mine'" in said.error
    assert "Read it, then add --trust" in said.error
    assert not (tmp_path / "has_run").exists()
    assert not (tmp_path / "run").exists()


def test_with_trust_it_is_planned_run_gone_on_with_and_exported(tuition, named, tmp_path):
    assert "Next: tuition run tiny.toml --trust" in " ".join(tuition("check", named, "--trust").out.split())
    said = tuition("check", named, "--trust", "--json")
    assert said.code == 0, said.err
    assert sum(row["calls"] for row in said.json["teachers"]) == 24
    assert (tmp_path / "has_run").exists()

    said = tuition("run", named, "--trust", "--json")
    assert said.code == 0, said.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["spend"]["by_teacher"]["mine"]["answers"] == 12
    assert (tmp_path / "run" / "teacher-mine" / "done").exists(), "a process of its own is trusted alike"

    assert "add --trust" in tuition("resume", "run").error
    assert tuition("resume", "run", "--trust").code == 0
    written = ("export", "run", "--form", "recorded", "--out", "out.jsonl")
    assert "run/config.toml names code" in tuition(*written).error
    assert tuition(*written, "--trust").code == 0
    assert tuition("show", "run").code == 0, "what a run wrote is shown without its code"


def test_trust_ends_with_the_command(tuition, named):
    assert tuition("check", named, "--trust").code == 0
    assert tuition("check", named).code == 2
