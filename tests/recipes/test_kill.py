"""A run that is killed goes on to the same end, and two at once buy nothing twice."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli_w
from tiny import attempts, experiment, lines, rows, tables

import tuition
from tuition.core.config import read_toml
from tuition.core.errors import ConfigError
from tuition.experiment.config import resolve
from tuition.operate.execute import execute

HERE, SOURCE = Path(__file__).parent, Path(tuition.__file__).parents[1]
SLOW = [{"kind": "slow_teacher:SlowTeacher", "name": "slow", "concurrency": 2}]
PASSING = {"wall_s", "spend", "health", "versions"}
"""What money and time may change in the metrics; health is compared by itself."""


def start(folder, *settings):
    """Begin a run in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{SOURCE}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tuition", "run", "tiny.toml", "--trust", "--json", *settings]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **quiet)


def kill_when(process, is_time):
    """Kill without warning as soon as something holds."""
    wait_until(process, is_time)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()


def wait_until(process, is_time):
    """Wait for something to hold while a run goes on; a run that ends before is too fast for its test."""
    deadline = time.monotonic() + 90
    while not is_time():
        assert process.poll() is None, f"it ended before it could be killed: {process.stderr.read()}"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def soft_rows(store, query):
    """The rows of a store that another process may just be making."""
    try:
        return rows(store, query)
    except sqlite3.Error:
        return []


def written(folder, **changed):
    """The tiny run as a file for a process, and as a configuration for this one."""
    config = tables(folder, **changed)
    (folder / "tiny.toml").write_text(tomli_w.dumps(config))
    return resolve(read_toml(folder / "tiny.toml"), where="tiny.toml", trust=True)


def same_figures(left, right):
    for name in set(left) - PASSING:
        assert left[name] == right[name], name
    assert left["health"] == right["health"]


@pytest.fixture
def apart(tmp_path):
    """A second workspace, for the run that nobody disturbs."""
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    return folder


def test_a_run_killed_while_asking_buys_no_answer_twice(tmp_path, apart, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    config = written(tmp_path, teacher=SLOW)
    store = tmp_path / "tuition.db"
    kept = "SELECT key FROM attempts WHERE state = 'kept'"
    kill_when(start(tmp_path), lambda: store.exists() and len(soft_rows(store, kept)) >= 4)
    bought = rows(store, kept)
    made = attempts(store)
    assert 4 <= len(bought) < 12
    assert not (tmp_path / "run" / "metrics.json").exists()

    finished = execute(config)
    later = rows(store, "SELECT key FROM attempts WHERE id > ?", made)
    assert not set(bought) & set(later)
    assert rows(store, "SELECT COUNT(*) FROM attempts WHERE state = 'kept' GROUP BY key") == [(1,)] * 12
    unknown = rows(store, "SELECT key FROM attempts WHERE state = 'unknown'")
    assert len(unknown) == finished.metrics["spend"]["unknown"] == attempts(store) - 12 <= 2
    assert finished.metrics["spend"]["paid_usd"] > finished.metrics["spend"]["usd"] * (len(unknown) > 0)

    undisturbed = execute(experiment(apart, teacher=SLOW))
    assert lines(tmp_path / "run" / "annotations.jsonl") == lines(apart / "run" / "annotations.jsonl")
    assert lines(tmp_path / "run" / "predictions.jsonl") == lines(apart / "run" / "predictions.jsonl")
    same_figures(finished.metrics, undisturbed.metrics)
    assert finished.metrics["spend"]["usd"] == undisturbed.metrics["spend"]["usd"]


def test_a_run_killed_while_training_goes_on_from_its_checkpoint(tmp_path, apart):
    from safetensors.torch import load_file

    training = {"steps": 60, "save_every": 2, "batch_examples": 4, "lr": 1e-3}
    config = written(tmp_path, training=training)
    state = tmp_path / "run" / "checkpoints" / "checkpoint-6" / "trainer_state.json"
    kill_when(start(tmp_path), state.exists)
    made = attempts(tmp_path / "tuition.db")
    assert not (tmp_path / "run" / "student").exists()

    finished = execute(config)
    events = {row["event"]: row for row in lines(tmp_path / "run" / "events.jsonl")}
    assert events["trained"]["resumed_from"] >= 4
    assert attempts(tmp_path / "tuition.db") == made == 24

    undisturbed = execute(experiment(apart, training=training))
    same_figures(finished.metrics, undisturbed.metrics)
    left, right = (
        load_file(folder / "run" / "student" / "model.safetensors") for folder in (tmp_path, apart)
    )
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].allclose(right[name], rtol=1e-4, atol=1e-6), name


def test_a_run_killed_between_the_students_of_a_grid_trains_the_finished_one_once(tmp_path, apart):
    changed = {"alpha_grid": [0.5, 1.0], "training": {"steps": 24, "save_every": 2, "batch_examples": 4}}
    config = written(tmp_path, **changed)
    first, second = (tmp_path / "run" / f"student-alpha-{alpha}" for alpha in (0.5, 1.0))
    state = tmp_path / "run" / f"checkpoints-{second.name}" / "checkpoint-4" / "trainer_state.json"
    kill_when(start(tmp_path), state.exists)
    assert first.exists() and not second.exists()

    finished = execute(config)
    trained = [row for row in lines(tmp_path / "run" / "events.jsonl") if row["event"] == "trained"]
    assert [row["resumed_from"] is not None for row in trained] == [False, True]
    assert attempts(tmp_path / "tuition.db") == 24
    same_figures(finished.metrics, execute(experiment(apart, **changed)).metrics)


def test_two_runs_at_once_on_one_store_buy_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    written(tmp_path, recipe="ask_teacher", teacher=SLOW)
    store = tmp_path / "tuition.db"
    first = start(tmp_path, "out=left")
    wait_until(first, lambda: store.exists() and soft_rows(store, "SELECT key FROM attempts"))
    right = execute(experiment(tmp_path, f"out={tmp_path / 'right'}", recipe="ask_teacher", teacher=SLOW))
    _, error = first.communicate(timeout=60)
    assert first.returncode == 0, error
    assert rows(store, "SELECT COUNT(*) FROM attempts GROUP BY key") == [(1,)] * 12
    assert right.metrics["spend"]["reused_calls"] + right.metrics["spend"]["calls"] == 12
    assert right.metrics["spend"]["reused_calls"] > 0
    left, right = (lines(tmp_path / name / "predictions.jsonl") for name in ("left", "right"))
    assert left == right


def test_one_folder_is_held_by_one_process(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    config = written(tmp_path, recipe="ask_teacher", teacher=SLOW)
    first = start(tmp_path)
    wait_until(first, (tmp_path / "run" / "run_id").exists)
    with pytest.raises(ConfigError, match="is being run by another process; wait for it, or choose another"):
        execute(config)
    _, error = first.communicate(timeout=60)
    assert first.returncode == 0, error
