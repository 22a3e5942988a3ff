import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.records import Grade
from tuition.evaluation.accuracy import Accuracy, accuracy, by_domain, wilson

RIGHT, WRONG, UNREADABLE = Grade.RIGHT, Grade.WRONG, Grade.UNREADABLE


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 1, 0.2065, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_wilson_against_known_values(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


def test_unreadable_counts_as_not_right_and_is_shown():
    result = accuracy([RIGHT, RIGHT, WRONG, UNREADABLE])
    assert (result.n, result.right, result.wrong, result.unreadable, result.share) == (4, 2, 1, 1, 0.5)
    assert Accuracy.from_json(result.to_json()) == result


def test_no_grades_have_no_accuracy():
    with pytest.raises(ValueError, match="there are no grades, so there is no accuracy"):
        accuracy([])


def test_domains_are_counted_apart():
    result = by_domain([RIGHT, WRONG, RIGHT], ["b", "a", "b"])
    assert list(result) == ["a", "b"]
    assert (result["a"].share, result["b"].share, result["b"].n) == (0.0, 1.0, 2)
    with pytest.raises(ValueError, match="shorter"):
        by_domain([RIGHT, WRONG], ["a"])


@given(st.lists(st.sampled_from(Grade), min_size=1))
def test_the_interval_holds_the_share(grades):
    result = accuracy(grades)
    assert 0 <= result.low <= result.share <= result.high <= 1
    assert result.right + result.wrong + result.unreadable == result.n


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_is_mirrored(right, more):
    n = right + more
    low, high = wilson(right, n)
    assert wilson(n - right, n) == pytest.approx((1 - high, 1 - low))
