import pytest
from tiny import experiment, rows, teachers

from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute


def test_guess_and_bound_are_those_of_the_plan_and_the_bill_that_of_the_ledger(tmp_path):
    config = experiment(tmp_path, "annotation.longer=1", teacher=teachers("ada", "bela"))
    planned = {row.teacher: row for row in plan_of(config).teachers}
    found = {row["teacher"]: row for row in execute(config).metrics["estimates"]}
    assert list(found) == ["ada", "bela"]
    for name, row in found.items():
        assert row["calls"] == planned[name].calls == 12
        assert row["guessed_usd"] == pytest.approx(planned[name].expected_usd)
        assert row["bound_usd"] == pytest.approx(planned[name].high_usd)
        query = "SELECT SUM(cost_nano) FROM attempts WHERE teacher = ?"
        assert rows(tmp_path / "tuition.db", query, name) == [(round(row["paid_usd"] * 1e9),)]


def test_what_another_run_has_paid_is_no_call_of_this_one(tmp_path):
    execute(experiment(tmp_path))
    again = experiment(tmp_path, out=str(tmp_path / "again"))
    assert execute(again).metrics["estimates"] == []
