"""A short form of `benchmarks/kill.py`: killed five times, no payment is lost; and the checks have teeth."""

import json
import shutil
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package"),
]


@pytest.fixture(scope="module")
def kill():
    sys.path.insert(0, str(BENCHMARKS))
    import kill

    kill.KILLS_AT_MOST = 5
    return kill


@pytest.fixture(scope="module")
def finished(kill, tmp_path_factory):
    """A run that is over, with its server still there to be asked about its list."""
    context = kill.context_with(["kill_child", "uvicorn", "httpx2", "tuition.teachers.http.chat"])
    run = kill.Run(context, tmp_path_factory.mktemp("kill") / "run", seed=7, n=120)
    row = run.carry_out()
    return run, row


def test_killed_five_times_every_payment_is_one_attempt(finished):
    _, row = finished
    assert row["violations"] == []
    assert 1 <= row["kills"] <= 5
    assert row["payments"] > 0 and row["faults"] > 0
    assert row["nano_after"] == row["nano_listed"]


def test_the_list_and_the_store_stay_for_anyone_to_compare(kill, finished, tmp_path):
    run, _ = finished
    (tmp_path / "tuition.db").write_text("of the run before")
    kill.leave(run.folder, tmp_path)
    payments = [json.loads(line) for line in (tmp_path / "server.jsonl").read_text().splitlines()]
    assert kill.owed(payments) == kill.charged(kill.attempts_of(tmp_path / "tuition.db")) > 0


def found_in(kill, run, folder, spoil):
    """What the checks say of a run whose list was spoilt afterwards."""
    shutil.copytree(run.folder, folder)
    path = folder / "server.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in spoil(run.server.payments())))
    copy = kill.Run(run.context, folder, seed=run.seed, n=run.n)
    copy.kills = run.kills
    copy.server = type("Listed", (kill.Server,), {"__init__": lambda self: None})()
    copy.server.folder, copy.server.faults, copy.server.url = folder, run.server.faults, run.server.url
    copy.check_end()
    return " ".join(copy.wrong)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows, ""),
        (lambda rows: [*rows, {**rows[0], "tag": "nobody's"}], "a payment is not exactly one attempt"),
        (lambda rows: [*rows, rows[0]], "a tag was paid twice"),
        (lambda rows: [{**rows[0], "completion_tokens": 10**6}, *rows[1:]], "the ledger holds"),
        (lambda rows: rows[1:], "after reconciling the ledger holds"),
    ],
    ids=["nothing", "a stranger", "twice", "dearer", "one less"],
)
def test_the_checks_find_what_is_wrong(kill, finished, tmp_path, spoil, said):
    found = found_in(kill, finished[0], tmp_path / "copy", spoil)
    assert (found == "") if not said else (said in found)


@pytest.mark.parametrize("variant", ["files bounded", "store locked", "two processes", "clock set back"])
def test_disturbed_in_other_ways(kill, tmp_path, variant):
    context = kill.context_with(["kill_child", "uvicorn", "httpx2", "tuition.teachers.http.chat"])
    row = kill.Run(context, tmp_path / "run", seed=3, n=200, variant=variant).carry_out()
    assert row["violations"] == []
