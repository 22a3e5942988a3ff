import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuition.core.errors import DataError
from tuition.core.records import Grade
from tuition.evaluation.compare import Comparison, compare, mcnemar

COUNTS = st.tuples(*[st.integers(0, 30)] * 4).filter(any)


def grades(both, only_a, only_b, neither):
    a = [True] * (both + only_a) + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    make = {True: Grade.RIGHT, False: Grade.UNREADABLE}
    return [{f"i{i}": make[is_right] for i, is_right in enumerate(column)} for column in (a, b)]


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 32),
        (1, 5, 2 * (1 + 6) / 64),
        (3, 3, 1.0),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_by_hand(only_a, only_b, p):
    assert mcnemar(only_a, only_b) == pytest.approx(p, abs=1e-15)


def test_mcnemar_with_thousands_is_exact_and_quick():
    start = time.perf_counter()
    assert mcnemar(5000, 5000) == 1.0
    assert mcnemar(0, 10_000) == 0.0
    # the normal approximation with continuity correction: z = (|b - c| - 1) / sqrt(b + c)
    z = (5200 - 4800 - 1) / math.sqrt(10_000)
    assert mcnemar(4800, 5200) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=5e-3)
    assert time.perf_counter() - start < 5


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_symmetric_and_a_probability(only_a, only_b):
    assert mcnemar(only_a, only_b) == mcnemar(only_b, only_a)
    assert 0 <= mcnemar(only_a, only_b) <= 1


def test_the_counts_and_the_difference():
    result = compare(*grades(40, 20, 5, 35), seed=0)
    assert (result.n, result.both_right, result.only_a, result.only_b, result.neither) == (100, 40, 20, 5, 35)
    assert result.difference == pytest.approx(0.15)
    # standard error of a paired difference: sqrt((b + c) / n - d ** 2) / sqrt(n) = 0.0477
    assert result.low == pytest.approx(0.15 - 1.96 * 0.0477, abs=0.012)
    assert result.high == pytest.approx(0.15 + 1.96 * 0.0477, abs=0.012)
    assert result.p == mcnemar(20, 5)
    assert Comparison.from_json(result.to_json()) == result


def test_the_order_of_items_does_not_matter():
    a, b = grades(10, 8, 3, 9)
    assert compare(a, dict(reversed(b.items())), seed=3) == compare(a, b, seed=3)


@settings(max_examples=50)
@given(COUNTS, st.integers(0, 5))
def test_the_interval_holds_the_difference_and_is_mirrored(counts, seed):
    a, b = grades(*counts)
    there, back = (compare(*pair, seed=seed, resamples=2000) for pair in ((a, b), (b, a)))
    assert there.low - 1e-12 <= there.difference <= there.high + 1e-12
    assert (there.difference, there.low, there.high) == pytest.approx(
        (-back.difference, -back.high, -back.low)
    )
    assert there.p == back.p


def test_the_same_grades_do_not_differ():
    a, _ = grades(3, 4, 0, 2)
    result = compare(a, a, seed=0)
    assert (result.difference, result.low, result.high, result.p) == (0.0, 0.0, 0.0, 1.0)


def test_unequal_items_are_refused_with_counts():
    a, b = grades(1, 2, 1, 0)
    b["extra"] = b.pop("i0")
    with pytest.raises(
        DataError, match=r"1 only in A \('i0'\), 1 only in B \('extra'\), 3 in both; compare runs of the same"
    ):
        compare(a, b, seed=0)
    fewer = {name: grade for name, grade in a.items() if name != "i0"}
    with pytest.raises(DataError, match=r"0 only in A \(.*\), 1 only in B \('i0'\), 3 in both"):
        compare(fewer, a, seed=0)
    with pytest.raises(DataError, match=r"1 only in A \('i0'\), 0 only in B \(.*\), 3 in both"):
        compare(a, fewer, seed=0)
    with pytest.raises(DataError, match="there are no items to compare"):
        compare({}, {}, seed=0)
