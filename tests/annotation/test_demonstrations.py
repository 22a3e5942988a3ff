import dataclasses
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation import Demonstrations
from tuition.annotation.demonstrations import Choice
from tuition.core.errors import DataError
from tuition.core.records import Example
from tuition.core.splits import SealedTest, fingerprint

questions = st.builds(
    Example,
    id=st.sampled_from([f"e{i}" for i in range(12)]),
    question=st.sampled_from(["one", "two", "Two ", "three", "four", "five"]),
    choices=st.sampled_from([(), ("x", "y"), ("y", "x")]),
    answer=st.sampled_from([None, "x", "y"]),
)


choices = st.sampled_from(get_args(Choice))


@given(st.lists(questions, max_size=15), questions, st.integers(0, 5), st.integers(0, 3), choices)
def test_what_is_drawn(train, asked, k, seed, by):
    drawn = Demonstrations(train, k=k, seed=seed, by=by).draw(asked)
    prints = [fingerprint(item) for item in drawn]
    assert all(item in train for item in drawn)
    assert all(item.answer is not None for item in drawn)
    assert asked.id not in [item.id for item in drawn]
    assert fingerprint(asked) not in prints
    assert len(set(prints)) == len(prints)
    assert drawn == Demonstrations(train, k=k, seed=seed, by=by).draw(asked), "the same seed draws the same"
    first = {fingerprint(item): item for item in reversed(train) if item.answer is not None}
    fit = [item for mark, item in first.items() if mark != fingerprint(asked) and item.id != asked.id]
    assert len(drawn) == min(k, len(fit)), "k, or all there are"


def train_of(n):
    return [Example(id=f"t{i}", question=f"Question {i}?", answer=str(i)) for i in range(n)]


def test_draw_depends_on_the_question_and_the_seed_alone():
    train = train_of(50)
    source = Demonstrations(train, k=2, seed=1)
    before = source.draw(train[7])
    for item in train:
        source.draw(item)
    assert source.draw(train[7]) == before
    assert source.draw(dataclasses.replace(train[7], answer="other")) == before
    others = {Demonstrations(train, k=2, seed=seed).draw(train[7]) for seed in range(10)}
    assert len(others) > 5


def test_all_training_examples_are_drawn_about_equally_often():
    train = train_of(20)
    source = Demonstrations(train, k=2, seed=0)
    counts = dict.fromkeys((item.id for item in train), 0)
    for i in range(1000):
        for item in source.draw(Example(id=f"v{i}", question=f"Other {i}?")):
            counts[item.id] += 1
    assert sum(counts.values()) == 2000
    assert 60 < min(counts.values()) <= max(counts.values()) < 140


def test_sealed_test_split_cannot_be_drawn_from():
    with pytest.raises(DataError, match="the test split is sealed"):
        Demonstrations(SealedTest(train_of(3)), k=2, seed=0)


ANIMALS = [
    Example(id=f"a{i}", question=text, answer="x")
    for i, text in enumerate(
        [
            "Why do whales sing?",
            "How fast do horses run?",
            "Do whales sing to their young?",
            "Do whales sing to their young?",
            "Where do cats sleep?",
            "Do horses sleep?",
        ]
    )
]


def test_the_nearest_share_the_rarest_words():
    nearest = Demonstrations(ANIMALS, k=2, seed=0, by="nearest")
    asked = Example(id="v0", question="What do WHALES sing?")
    assert [item.id for item in nearest.draw(asked)] == ["a0", "a2"], "a3 repeats a2"
    assert Demonstrations(ANIMALS, k=2, seed=9, by="nearest").draw(asked) == nearest.draw(asked)
    assert nearest.draw(ANIMALS[3])[0].id == "a0", "neither a repeat, nor an own repeat"
    assert nearest.draw(ANIMALS[0])[0].id == "a2"


def test_a_question_without_a_known_word_still_gets_k():
    nearest = Demonstrations(ANIMALS, k=3, seed=0, by="nearest")
    assert len(nearest.draw(Example(id="v0", question="???"))) == 3


def test_the_fixed_are_the_same_but_for_themselves():
    train = train_of(30)
    fixed = Demonstrations(train, k=3, seed=4, by="fixed")
    usual = fixed.draw(Example(id="v0", question="Other?"))
    following = Demonstrations(train, k=4, seed=4, by="fixed").draw(Example(id="v0", question="Other?"))[3]
    for item in train:
        if item in usual:
            rest = [other for other in usual if other != item]
            assert list(fixed.draw(item)) == [*rest, following]
        else:
            assert fixed.draw(item) == usual
    seeds = {Demonstrations(train, k=3, seed=seed, by="fixed").draw(train[0]) for seed in range(10)}
    assert len(seeds) > 5
