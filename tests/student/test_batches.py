import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.student.batches import Item, plan_steps, shares, split_step


def items_of(lengths):
    """Two targets an example: an answer and a longer rationale."""
    return [
        Item(example_id=f"q{i}", objective=objective, weight=1.0, length=length + more, terms=1 + more)
        for i, length in enumerate(lengths)
        for objective, more in (("answer", 0), ("why", 5))
    ]


def plan(lengths, **settings):
    defaults = {"batch_examples": 4, "steps": None, "epochs": None, "seed": 0}
    return plan_steps(items_of(lengths), **(defaults | settings))


def test_one_epoch_sees_every_target_once_and_examples_stay_together():
    steps = plan(range(1, 11))
    assert [len(step) for step in sorted(steps, key=len)] == [4, 8, 8]
    assert sorted(i for step in steps for i in step) == list(range(20))
    for step in steps:
        assert all(step.count(i) == 1 and (i ^ 1) in step for i in step)


@pytest.mark.parametrize(
    ("settings", "n"), [({"epochs": 2}, 6), ({"epochs": 0.5}, 2), ({"epochs": 1.2}, 4), ({"steps": 7}, 7)]
)
def test_the_number_of_steps(settings, n):
    assert len(plan(range(1, 11), **settings)) == n


def test_examples_repeat_only_after_all_were_seen():
    drawn = Counter(i for step in plan([5] * 10, steps=7) for i in step)
    assert set(drawn.values()) == {2, 3} and len(drawn) == 20


def test_few_examples_fill_every_step_without_doubles():
    assert all(sorted(step) == list(range(6)) for step in plan([1, 2, 3], steps=3, batch_examples=16))


def test_the_seed_decides_the_order():
    assert plan(range(1, 50)) == plan(range(1, 50))
    assert plan(range(1, 50)) != plan(range(1, 50), seed=1)


def test_no_step_holds_an_example_twice():
    for step in plan([5] * 11, steps=30):
        assert len(set(step)) == len(step)


def test_the_examples_of_a_step_have_similar_lengths():
    lengths = [(37 * i) % 101 for i in range(64)]
    spread = [max(step) - min(step) for step in ([lengths[i // 2] for i in s] for s in plan(lengths))]
    assert max(spread) < 40


def test_the_steps_of_a_window_come_in_no_order_of_length():
    means = [sum(step) / len(step) for step in plan(range(1, 65))]
    assert means != sorted(means) and means != sorted(means, reverse=True)


def test_no_targets_no_plan():
    with pytest.raises(ValueError, match="no targets"):
        plan([])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 200))
def test_a_split_holds_every_target_once_and_keeps_the_budget(lengths, budget):
    items = items_of(lengths)
    step = list(range(len(items)))
    passes = split_step(items, step, token_budget=budget, pass_tokens=20)
    assert sorted(i for part in passes for i in part) == step
    for part in passes:
        assert len(part) == 1 or len(part) * max(items[i].length for i in part) <= budget


@given(st.lists(st.integers(1, 900), min_size=1, max_size=4), st.integers(1, 3000))
def test_no_other_split_into_passes_of_similar_lengths_is_cheaper(lengths, budget):
    items = items_of(lengths)
    widths = [item.length for item in items]
    parts = split_step(items, range(len(items)), token_budget=budget, pass_tokens=256)

    def cost(passes):
        return sum(256 + len(part) * part[0] for part in passes)

    falling = sorted(widths, reverse=True)
    others = []
    for cuts in itertools.product((False, True), repeat=len(falling) - 1):
        others.append([falling[:1]])
        for length, is_cut in zip(falling[1:], cuts, strict=True):
            others[-1].append([length]) if is_cut else others[-1][-1].append(length)
    allowed = [o for o in others if all(len(part) == 1 or len(part) * part[0] <= budget for part in o)]
    assert cost([[widths[i] for i in part] for part in parts]) == min(map(cost, allowed))


def test_passes_that_cost_a_budget_each_are_as_few_as_can_be():
    items = items_of([10, 10, 400, 400])
    assert len(split_step(items, range(8), token_budget=10**5, pass_tokens=10**5)) == 1
    assert len(split_step(items, range(8), token_budget=10**5, pass_tokens=256)) == 2


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_the_shares_of_an_objective_sum_to_its_weight(lengths):
    items = items_of(lengths)
    for normaliser in ("item", "batch"):
        factors = shares(items, range(len(items)), normaliser=normaliser)
        total = sum(factor * item.terms for factor, item in zip(factors, items, strict=True))
        assert total == pytest.approx(2.0)
