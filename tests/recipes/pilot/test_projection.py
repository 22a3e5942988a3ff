"""What plans cost, from what a pilot measured: the length of replies, and the share that filters dropped."""

import dataclasses

import pytest
from test_advice import tried
from tiny import experiment, teachers

from tuition.annotation import RoutingConfig
from tuition.core.records import Example
from tuition.experiment.checks import make_ready
from tuition.operate.pilot.pilot import project, similar_choice

PROMPT = "rationale/1"


def plans(folder, *settings, tokens=20, kept=50, judge="", **changed):
    config = experiment(folder, "annotation.filters=['empty', 'contradicts']", *settings, **changed)
    measured = [
        dataclasses.replace(tried(table.name, kept=kept), tokens={PROMPT: tokens, "solve/1": tokens})
        for table in config.writers
    ]
    found = project(config, make_ready(config), measured, judge=judge)
    return {plan["plan"]: (plan["calls"], plan["usd"]) for plan in found}


def test_the_measured_length_is_what_is_paid_for(tmp_path):
    short, long = (plans(tmp_path, tokens=n) for n in (20, 30))
    assert {name: calls for name, (calls, _) in short.items()} == {
        **{"ada": 12, "bela": 12, "all": 24, "random": 12, "similarity": 14, "familiar": 24, "vote": 24},
    }
    # Twelve replies, ten tokens longer, at 1.5 dollars a million.
    assert long["ada"][1] - short["ada"][1] == pytest.approx(12 * 10 * 1.5e-6)
    assert short["all"][1] == pytest.approx(short["ada"][1] + short["bela"][1])


def test_a_judge_is_paid_for_a_verdict_an_example(tmp_path):
    found = plans(tmp_path, judge="bela")
    assert found["judge (bela)"][0] == found["all"][0] + 12
    assert not any(name.startswith("judge") for name in plans(tmp_path))


def test_what_filters_drop_is_asked_again(tmp_path):
    whole, half = (plans(tmp_path, "route=random", "routing.tries=2", kept=n) for n in (50, 25))
    assert whole["random"][0] == 12 < half["random"][0] < 24


def test_a_teacher_whose_every_reply_is_dropped_has_a_plan_all_the_same(tmp_path):
    found = plans(tmp_path, kept=0)
    assert found["ada"][0] == 12 and found["all"][0] == 24 and found["all"][1] > 0


def test_samples_count(tmp_path):
    found = plans(tmp_path, teacher=[*teachers("ada", samples=2), *teachers("bela")])
    assert found["ada"][0] == 24 and found["all"][0] == 36


def test_one_unknown_price_makes_a_sum_unknown(tmp_path):
    far = {"kind": "chat", "name": "far", "model": "no-such-model", "base_url": "http://127.0.0.1:9/v1"}
    found = plans(tmp_path, teacher=[*teachers("ada"), far])
    assert found["ada"][1] > 0
    assert [found[name][1] for name in ("far", "all")] == [None, None]


def test_one_teacher_has_no_routes(tmp_path):
    assert list(plans(tmp_path, teacher=teachers("ada"))) == ["ada"]


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
