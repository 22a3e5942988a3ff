"""An active run that is killed, whenever it is, goes on to the same end and buys nothing twice."""

import json

import pytest
from test_kill import HERE, PASSING, kill_when, soft_rows, start, written
from tiny import attempts, hashes, lines, rows
from tiny_rounds import SMALL, active

from tuition.operate.execute import execute

LONG = {
    **SMALL,
    "teacher": [{"kind": "slow_teacher:SlowTeacher", "name": "slow", "concurrency": 1}],
    "rounds": {"most": 3, "cold": {"items": 3}, "each": {"calls": 5}},
    "selection": {"strategy": "mean_token_entropy"},
    "training": {"steps": 20, "save_every": 2, "batch_examples": 4, "lr": 1e-3},
}
"""Three rounds that take their time; calls are limited, and the last one ends with the pool."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same run, left alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        execute(active(folder, **LONG))
    return folder


def json_of(folder, *place):
    return json.loads(folder.joinpath("run", *place).read_text(encoding="utf-8"))


def same(folder, undisturbed):
    """Compare what two runs chose, asked and reached; trained weights agree to a rounding."""
    for number in ("00", "01", "02"):
        chosen, expected = (
            json_of(place, "rounds", number, "chosen.json") for place in (folder, undisturbed)
        )
        assert chosen["order"] == expected["order"]
        scores = [found["highest"] or 0.0 for found in (chosen, expected)]
        assert scores[0] == pytest.approx(scores[1], rel=1e-3)
        assert json_of(folder, "rounds", number, "asked.json") == json_of(
            undisturbed, "rounds", number, "asked.json"
        )
        place = ("run", "rounds", number, "annotations.jsonl")
        assert lines(folder.joinpath(*place)) == lines(undisturbed.joinpath(*place))
    left, right = (json_of(place, "metrics.json") for place in (folder, undisturbed))
    for found in (left, right):
        for row in found["rounds"]:
            row.pop("highest")
    assert left.keys() == right.keys()
    # Rank correlations of scores may turn on a rounding; who is kept and what it is worth may not.
    for name in set(left) - PASSING - {"calibration"}:
        assert left[name] == right[name], name
    assert left["health"] == right["health"]
    assert left["spend"]["usd"] == right["spend"]["usd"]


def bought_once(store):
    """No answer twice; a call that was cut off may have been made again, one at a time."""
    assert set(rows(store, "SELECT COUNT(*) FROM attempts WHERE state = 'kept' GROUP BY key")) == {(1,)}
    [(distinct,)] = rows(store, "SELECT COUNT(DISTINCT key) FROM attempts")
    [(unknown,)] = rows(store, "SELECT COUNT(*) FROM attempts WHERE state = 'unknown'")
    assert attempts(store) - unknown == distinct == 12
    assert unknown <= 1


def kept_in(store, number):
    return len(soft_rows(store, f"SELECT id FROM attempts WHERE state = 'kept' AND round = {number}"))


CHECKPOINT = "rounds/01/checkpoints/checkpoint-6/trainer_state.json"
MOMENTS = {
    "while it asks": lambda run: kept_in(run.parent / "tuition.db", 1) >= 2,
    "while it trains": lambda run: (run / CHECKPOINT).exists(),
    "between two rounds": lambda run: (run / "rounds/01/round.json").exists(),
}
"""When to kill, by what the run folder and its store show."""


@pytest.mark.parametrize(
    "moment",
    [name if name == "while it asks" else pytest.param(name, marks=pytest.mark.slow) for name in MOMENTS],
)
def test_a_killed_run_comes_to_the_same_end(moment, tmp_path, undisturbed, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    config = written(tmp_path, **LONG)
    store = tmp_path / "tuition.db"
    kill_when(start(tmp_path), lambda: MOMENTS[moment](tmp_path / "run"))
    made = attempts(store)
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert (tmp_path / "run" / "rounds" / "01" / "round.json").exists() == (moment == "between two rounds")
    assert (tmp_path / "run" / "rounds" / "01" / "asked.json").exists() == (moment != "while it asks")

    execute(config)
    assert attempts(store) > made
    bought_once(store)
    same(tmp_path, undisturbed)

    before = hashes(tmp_path / "run")
    assert not execute(config).is_new
    assert hashes(tmp_path / "run") == before
    bought_once(store)
