"""DDK: its factors by hand, what is drawn by them, and a run that weighs its domains anew."""

import math
from collections import Counter

import pytest
from tiny import experiment, lines, teachers

from tuition.evaluation.mixture import error_ratios, factors, perplexity_ratios
from tuition.operate.compare import ablations
from tuition.operate.execute import execute
from tuition.student.training.passes import Item, plan_steps

NAMES = ("a", "b", "c")


def named(values):
    return dict(zip(NAMES, values, strict=True))


def test_the_factors_by_hand():
    teacher = named([8, 8, 6])
    first = factors(perplexity_ratios(named([10, 8, 12]), teacher))
    assert list(first.values()) == pytest.approx([0.25669, 0.19991, 0.54341], abs=1e-5)
    then = factors(perplexity_ratios(named([9, 8, 9]), teacher), first)
    assert list(then.values()) == pytest.approx([0.27154, 0.23875, 0.48971], abs=1e-5)
    assert math.fsum(then.values()) == pytest.approx(1.0) and min(then.values()) >= 0.5 / 3


def test_a_plain_loop_agrees():
    ratios, shares = named([1.3, 0.7, 2.2]), named([0.2, 0.5, 0.3])
    psi = {name: shares[name] * math.exp(ratios[name]) for name in NAMES}
    for alpha in (0.0, 0.3, 1.0):
        expected = {name: alpha * psi[name] / sum(psi.values()) + (1 - alpha) / 3 for name in NAMES}
        assert factors(ratios, shares, alpha=alpha) == pytest.approx(expected)


def test_what_is_behind_by_far_overflows_nothing():
    ratios = perplexity_ratios(named([1e9, 10, 1]), named([1, 1, 1]))
    assert ratios == named([20.0, 10.0, 1.0])
    assert math.fsum(factors(ratios).values()) == pytest.approx(1.0)
    assert factors(ratios, named([1.0, 0.0, 0.0]))["c"] >= 0.5 / 3


def test_the_black_box_form_compares_errors():
    ratios = error_ratios(named([0.45, 0.15, 0.95]), named([0.05, 0.15, 0.0]))
    assert ratios == pytest.approx(named([5.0, 1.0, 20.0]))


def test_ten_thousand_draws_follow_the_factors():
    shares = factors(perplexity_ratios(named([10, 8, 12]), named([8, 8, 6])))
    items = [
        Item(example_id=f"{name}{i}", objective="chain", weight=1.0, length=5, terms=1, group=name)
        for name in NAMES
        for i in range(50)
    ]
    steps = plan_steps(items, batch_examples=10, steps=1000, epochs=None, seed=1, mixture=shares)
    drawn = Counter(items[i].group for step in steps for i in step)
    for name, share in shares.items():
        assert abs(drawn[name] / 10_000 - share) < 3 * math.sqrt(share * (1 - share) / 10_000)


def run_of(folder, **changed):
    own = {"model": "fresh:llama-nano", "max_output_tokens": 32}
    whole = {
        "recipe": "ddk",
        "teacher": teachers("ada"),
        "student": own,
        "training": {"steps": 8, "batch_examples": 6, "lr": 3e-3},
        "mentor": {"student": own, "training": {"steps": 15, "batch_examples": 6, "lr": 3e-3}},
        "intervals": 3,
    }
    return experiment(folder, **{**whole, **changed})


def test_a_run_draws_each_interval_by_what_the_last_one_left(tmp_path):
    config = run_of(tmp_path)
    metrics = execute(config).metrics
    rows = metrics["mixture"]
    shares = None
    for row in rows:
        shares = factors(row["ratios"], shares)
        assert row["shares"] == pytest.approx(shares)
    hardest = max(rows[0]["ratios"], key=rows[0]["ratios"].get)
    assert rows[-1]["ratios"][hardest] < rows[0]["ratios"][hardest], "it catches up with its mentor"
    trained = [row for row in lines(tmp_path / "run" / "events.jsonl") if row["event"] == "trained"]
    assert [row["student"] for row in trained] == ["mentor", "intervals/00", "intervals/01", "student"]
    assert all(row["steps"] == 8 for row in trained[1:])
    assert not (tmp_path / "run" / "intervals").exists() and (tmp_path / "run" / "student").exists()
    assert metrics["mentor"]["steps"] == 15 and metrics["held"] >= 1
    assert ablations(config).keys() == {"uniform", "without_mentor"}


def test_without_a_mentor_the_errors_decide(tmp_path):
    metrics = execute(run_of(tmp_path, by="errors", intervals=2)).metrics
    assert metrics["mentor"] is None
    assert all(math.fsum(row["shares"].values()) == pytest.approx(1.0) for row in metrics["mixture"])


def test_a_uniform_mixture_is_the_same_throughout(tmp_path):
    metrics = execute(run_of(tmp_path, mixture="uniform", by="errors", intervals=2)).metrics
    for row in metrics["mixture"]:
        assert len({round(share, 9) for share in row["shares"].values()}) == 1
