import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation import Demonstrations
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


@given(st.lists(questions, max_size=15), questions, st.integers(0, 5), st.integers(0, 3))
def test_what_is_drawn(train, asked, k, seed):
    drawn = Demonstrations(train, k=k, seed=seed).draw(asked)
    prints = [fingerprint(item) for item in drawn]
    assert all(item in train for item in drawn)
    assert all(item.answer is not None for item in drawn)
    assert asked.id not in [item.id for item in drawn]
    assert fingerprint(asked) not in prints
    assert len(set(prints)) == len(prints)
    assert drawn == Demonstrations(train, k=k, seed=seed).draw(asked), "the same seed draws the same"
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
