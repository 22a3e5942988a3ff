"""With what to begin: a real tiny pilot, and every rule of the table on its numbers, changed by hand."""

from types import SimpleNamespace

import pytest
from tiny import experiment, teachers

from tuition.operate.pilot.begin import ALSO, BEGIN, advise_begin, numbers_of
from tuition.operate.pilot.pilot import pilot

TASK = {"source": "playground", "train": 24, "valid": 4, "test": 4, "domains": ["coins", "phrases"]}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A pilot of three teachers and an untrained student."""
    config = experiment(
        tmp_path_factory.mktemp("begin"),
        task=TASK,
        teacher=teachers("ada", "bela", "chen"),
        budget={"usd": 1.0},
    )
    assert advise_begin(config) == {"pilot": None, "begin": None, "also": []}
    return config, pilot(config, examples=8, with_student=True)


def test_the_numbers_are_the_pilots(told):
    config, figures = told
    it = numbers_of(figures, budget_usd=1.0)
    [name] = it.teachers
    [row] = [row for row in figures["teachers"] if row["teacher"] == name]
    assert (it.kept, it.right) == (row["kept"]["share"], row["right"]["share"])
    assert it.thousand_kept_usd == 1000 * row["usd_per_kept"]
    assert it.whole_usd == next(plan["usd"] for plan in figures["plans"] if plan["plan"] == name)
    pairs = [
        figures["agreement"][a][b] for a in ("ada", "bela", "chen") for b in ("ada", "bela", "chen") if a != b
    ]
    assert it.agreement == pytest.approx(sum(pairs) / 6)
    assert figures["student"]["n"] == 8 and it.student == figures["student"]["share"]
    found = advise_begin(config)
    assert found["numbers"] == vars(it) and found["is_simulated"]
    assert found["begin"]["advice"] == f'recipe = "step_by_step", rationale_as = "chain", with {name} alone'
    assert found["begin"]["because"].startswith(f"{name} keeps {100 * it.kept:.0f} % of its rationales")


def test_a_budget_below_the_plan_is_an_advice_for_rounds(told):
    config, _ = told
    found = advise_begin(config.model_copy(update={"budget": config.budget.model_copy(update={"usd": 1e-4})}))
    assert found["begin"]["advice"] == 'recipe = "elad", selection.strategy = "entropy"'
    assert "the whole training set costs" in found["begin"]["because"]
    assert found["begin"]["because"].endswith("budget.usd is < $0.01")


BASE = {
    **{"teachers": ["ada"], "favoured": "ada", "has_labels": True, "is_forced": True, "kept": 0.95},
    **{"right": 0.75, "some_right": 0.9, "cut": 0.0, "agreement": 0.9, "student": 0.1},
    **{"thousand_kept_usd": 0.2, "whole_usd": 0.5, "budget_usd": None},
}


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({}, "step_by_step"),
        ({"student": None, "right": None, "whole_usd": None, "thousand_kept_usd": None}, "step_by_step"),
        ({"student": 0.8}, "zero_shot"),
        ({"teachers": []}, "label_only"),
        ({"teachers": [], "has_labels": False}, "other teachers"),
        ({"budget_usd": 0.4}, '"elad"'),
        ({"budget_usd": 0.5}, "step_by_step"),
        ({"teachers": ["ada", "bela"]}, '"tinyllm", route = "similarity"'),
    ],
)
def test_the_first_rule_that_holds_says_with_what_to_begin(changed, advice):
    it = SimpleNamespace(**{**BASE, **changed})
    assert advice in next(rule for rule in BEGIN if rule.holds(it)).advice


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({}, None),
        ({"has_labels": False}, 'labels.train = "weighted"'),
        ({"has_labels": False, "agreement": None}, None),
        ({"kept": 0.7, "is_forced": False}, "annotation.forced = true"),
        ({"kept": 0.7}, None),
        ({"agreement": 0.6}, 'annotation.verify = "self"'),
        ({"cut": 0.3}, "a larger teacher.max_tokens"),
        ({"student": 0.4}, "selection.leave_known = true"),
        ({"right": 0.9}, "tuition cascade"),
        ({"right": 0.9, "thousand_kept_usd": 0.0}, None),
    ],
)
def test_every_other_rule_that_holds_is_told(changed, advice):
    it = SimpleNamespace(**{**BASE, **changed})
    held = [rule.advice for rule in ALSO if rule.holds(it)]
    assert len(held) == (advice is not None) and all(advice in one for one in held)
