"""What plans cost, worked out by hand: a of 0.01 dollars a call keeps 80 %, b of 0.03 keeps 60 %."""

import pytest
from test_advice import tried

from tuition.annotation import RoutingConfig
from tuition.core.records import Example
from tuition.recipes.pilot.projection import project, similar_choice

PAIR = [tried("a", kept=40, usd=0.01), tried("b", kept=30, usd=0.03)]


def plans(rows, **more):
    found = project(rows, n=1000, **{"routing": RoutingConfig(), **more})
    return {plan.plan: (plan.calls, plan.usd) for plan in found}


def test_by_hand():
    found = plans(PAIR, chosen=["a"] * 30 + ["b"] * 20, verdict_usd=0.002, judge="a")
    assert found == {
        "a": (1000, pytest.approx(10)),
        "b": (1000, pytest.approx(30)),
        "all": (2000, pytest.approx(40)),
        "random": (1000, pytest.approx(20)),
        # 200 of the probe at both: 8; 800 others, of them 480 at a and 320 at b: 4.8 + 9.6
        "similarity": (1200, pytest.approx(22.4)),
        "vote": (2000, pytest.approx(40)),
        "judge (a)": (3000, pytest.approx(42)),
    }


def test_a_second_try_where_the_first_was_dropped():
    found = plans(PAIR, routing=RoutingConfig(tries=2))
    # both keep 70 % on average, so 30 % are asked again
    assert found["random"] == (pytest.approx(1300), pytest.approx(26))
    assert plans(PAIR, routing=RoutingConfig(tries=9))["random"] == found["random"]


def test_samples_count():
    rows = [tried("a", usd=0.01, samples=2), tried("b", usd=0.03)]
    found = plans(rows, chosen=["a", "b"])
    assert found["a"] == (2000, pytest.approx(20))
    assert found["all"] == (3000, pytest.approx(50))
    assert found["similarity"] == (pytest.approx(600 + 400 * 3), pytest.approx(10 + 400 * 0.05))


def test_one_unknown_price_makes_a_sum_unknown():
    found = plans([*PAIR, tried("c", usd=None)], chosen=["a", "b"])
    assert found["a"][1] == pytest.approx(10)
    assert [found[name][1] for name in ("c", "all", "random", "similarity", "vote")] == [None] * 5


def test_one_teacher_has_no_routes():
    assert list(plans(PAIR[:1])) == ["a"]
    assert "similarity" not in plans(PAIR)
    assert not any(name.startswith("judge") for name in plans(PAIR))
    assert "vote" in plans(PAIR) and "vote" not in plans(PAIR, votes=False)


def test_whom_similar_questions_choose():
    examples = [
        Example(id=f"e{i}", question=f"{'coins heads tails' if i % 2 else 'month day week'} {i}?")
        for i in range(20)
    ]
    success = {"a": [float(i % 2) for i in range(20)], "b": [float(1 - i % 2) for i in range(20)]}
    chosen = similar_choice(examples, success, {"a": 1.0, "b": 1.0}, routing=RoutingConfig())
    assert chosen == ["b", "a"] * 10


def test_an_example_does_not_choose_by_itself():
    """One teacher is right in one example alone, which shares its words with none."""
    examples = [Example(id="e0", question="zebra")]
    examples += [Example(id=f"e{i}", question=f"coins {i}") for i in range(1, 6)]
    success = {"a": [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], "b": [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]}
    chosen = similar_choice(examples, success, {"a": 0.0, "b": 1.0}, routing=RoutingConfig())
    assert chosen == ["b"] * 6
