import pytest

from tuition.core.errors import DataError
from tuition.core.records import Example
from tuition.core.splits import SealedTest, fingerprint

ITEMS = [Example(id=f"t{i}", question=f"what is {i}?", answer=str(i)) for i in range(3)]


def test_it_can_be_counted_but_not_looked_at():
    sealed = SealedTest(ITEMS)
    assert len(sealed) == 3
    with pytest.raises(DataError, match="the test split is sealed"):
        list(sealed)
    with pytest.raises(DataError, match="the test split is sealed"):
        sealed[0]
    assert not [value for value in vars(sealed).values() if value == ITEMS]


def test_it_opens_once():
    sealed = SealedTest(ITEMS)
    assert list(sealed.open("run-a")) == ITEMS
    with pytest.raises(DataError, match="read already, by 'run-a'"):
        sealed.open("run-b")


def test_overlap_shows_by_fingerprint_alone():
    sealed = SealedTest(ITEMS)
    assert fingerprint(Example(id="x", question="What  is 2?")) in sealed.fingerprints
    assert fingerprint(Example(id="x", question="what is 7?")) not in sealed.fingerprints


def test_a_fingerprint_does_not_see_the_order_of_choices():
    left = Example(id="a", question="which?", choices=("x", "y"))
    right = Example(id="b", question="Which?", choices=("Y", "x"))
    assert fingerprint(left) == fingerprint(right)
