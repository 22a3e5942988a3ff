import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.evaluation.gate import (
    cascade_points,
    cheapest_point,
    isotonic,
    override_rows,
    point_at,
    threshold_for,
)

items = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=12)


def test_isotonic_fit_by_hand():
    # 0.1 wrong; 0.2 right and 0.3 wrong pool to a half; 0.8 and 0.9 right
    fit = isotonic([0.9, 0.1, 0.3, 0.2, 0.8], [1, 0, 0, 1, 1])
    assert fit.edges == (0.1, 0.2, 0.8)
    assert fit.shares == (0.0, 0.5, 1.0)
    assert [fit(score) for score in (0.0, 0.1, 0.25, 0.79, 0.8, 2.0)] == [0, 0, 0.5, 0.5, 1, 1]
    assert fit(None) == 0.0


def test_equal_scores_are_one_step_whatever_their_order():
    for right in ([1, 0, 1], [0, 1, 1], [1, 1, 0]):
        assert isotonic([0.5] * 3, right).shares == (pytest.approx(2 / 3),)


@given(items)
def test_isotonic_fit_is_the_best_one_that_never_falls(pairs):
    """The least squares of a fit over blocks are those of the slow min-max formula."""
    scores, right = zip(*sorted(pairs, key=lambda pair: pair[0]), strict=True)
    levels = sorted(set(scores))
    by_level = [[hit for score, hit in zip(scores, right, strict=True) if score == level] for level in levels]

    def mean(low, high):
        inside = [hit for part in by_level[low : high + 1] for hit in part]
        return sum(inside) / len(inside)

    n = len(levels)
    slow = [max(min(mean(low, high) for high in range(i, n)) for low in range(i + 1)) for i in range(n)]
    fit = isotonic(scores, right)
    assert [fit(level) for level in levels] == pytest.approx(slow)


def test_threshold_by_hand():
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, None]
    right = [1, 1, 0, 1, 0, 0]
    found = threshold_for(scores, right, target=0.75)
    # kept from 0.6 on: three of four; from 0.5 on it is three of five
    assert (found.value, found.kept, found.accuracy) == (0.6, 4, 0.75)
    assert found.ci95[0] < 0.75 < found.ci95[1]
    assert threshold_for(scores, right, target=1.0).value == 0.8
    assert threshold_for(scores, right, target=1.0, least=3).value is None
    nothing = threshold_for([0.9, 0.8], [0, 0], target=0.5)
    assert (nothing.value, nothing.kept, nothing.accuracy) == (None, 0, None)
    with pytest.raises(ValueError, match="no item has a score, so there is nothing to calibrate"):
        threshold_for([None], [1], target=0.5)


@given(items, st.floats(0, 1, allow_subnormal=False))
def test_what_is_kept_reaches_the_target(pairs, target):
    scores, right = zip(*pairs, strict=True)
    found = threshold_for(scores, right, target=target)
    if found.value is not None:
        kept = [hit for score, hit in pairs if score >= found.value]
        assert len(kept) == found.kept
        assert np.mean(kept) >= target


def test_a_cascade_by_hand():
    points = cascade_points(
        [0.9, 0.5, None, 0.7], [1, 0, 0, 1], teacher_right=[1, 1, 1, 0], usd=[0.004, 0.002, 0.002, 0.008]
    )
    assert [point.threshold for point in points] == [0.5, 0.7, 0.9, None]
    assert [point.asked for point in points] == [0.25, 0.5, 0.75, 1.0]
    # the third item has no answer; then the second one; then 0.7, where the teacher errs; then all
    assert [point.accuracy for point in points] == [0.75, 1.0, 0.75, 0.75]
    assert [point.usd_per_1000 for point in points] == pytest.approx([0.5, 1.0, 3.0, 4.0])
    assert cheapest_point(points, accuracy=0.75) == points[0]
    assert cheapest_point(points, accuracy=0.8) == points[1]
    assert cheapest_point(points[2:], accuracy=0.8) is None
    assert [point_at(points, value) for value in (0.6, 0.7, 0.95, None)] == [
        *points[1:2] * 2,
        *points[3:] * 2,
    ]


def test_overrides_by_bin_of_confidence():
    rows = override_rows(
        [0.95, 1.0, 0.9, 0.2, None],
        [False, True, False, True, True],
        student_right=[1, 0, 1, 0, 0],
        teacher_right=[1, 1, 1, 0, 1],
    )
    assert rows == [
        {"from": None, "to": None, "n": 1, "override": 1.0, "student": 0.0, "teacher": 1.0},
        {"from": 0.0, "to": 0.5, "n": 1, "override": 1.0, "student": 0.0, "teacher": 0.0},
        {"from": 0.9, "to": 1.0, "n": 3}
        | {"override": pytest.approx(1 / 3), "student": pytest.approx(2 / 3), "teacher": 1.0},
    ]
    assert math.fsum(row["n"] for row in rows) == 5
