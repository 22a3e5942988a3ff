import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuition.evaluation.calibration import (
    auroc,
    average_ranks,
    calibration,
    calibration_rows,
    rank_correlation,
)


def test_equal_values_share_the_mean_of_their_ranks():
    assert average_ranks([3.0, 1.0, 3.0, 7.0]).tolist() == [2.5, 1.0, 2.5, 4.0]


def test_rank_correlation_by_hand():
    assert rank_correlation([1, 2, 3], [10, 100, 1000]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    # ranks 1, 2, 3, 4 against 1, 3, 2, 4: 1 - 6 * 2 / (4 * 15)
    assert rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    # ties: ranks 1.5, 1.5, 3, 4 and 1.5, 3.5, 1.5, 3.5, each less their mean
    left, right = np.array([-1.0, -1.0, 0.5, 1.5]), np.array([-1.0, 1.0, -1.0, 1.0])
    by_hand = float(left @ right) / math.sqrt(float(left @ left) * float(right @ right))
    assert by_hand == pytest.approx(1 / math.sqrt(4.5 * 4))
    assert rank_correlation([5, 5, 6, 7], [0, 1, 0, 1]) == pytest.approx(by_hand)


def test_auroc_by_hand():
    # wrong 0.9 and 0.4, right 0.4 and 0.1: pairs 1, 1, 0.5, 1
    assert auroc([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0]) == pytest.approx(3.5 / 4)
    assert auroc([0.1, 0.9], [1, 0]) == 0.0
    assert auroc([0.5] * 4, [1, 0, 1, 0]) == 0.5


@pytest.mark.parametrize("wrong", [[0, 0, 0], [1, 1, 1]])
def test_without_a_right_and_a_wrong_item_there_is_no_number(wrong):
    found = calibration("entropy", [0.1, 0.2, 0.3], wrong=wrong)
    assert (found.auroc, found.auroc_ci95) == (None, None)
    assert (found.rank_correlation, found.rank_correlation_ci95) == (None, None)
    assert (found.n, found.wrong) == (3, sum(wrong))


def test_equal_scores_are_chance_and_have_no_rank_correlation():
    found = calibration("entropy", [0.5] * 40, wrong=[0, 1] * 20)
    assert (found.auroc, found.auroc_ci95) == (0.5, (0.5, 0.5))
    assert (found.rank_correlation, found.rank_correlation_ci95) == (None, None)


def test_items_without_a_score_are_left_out_and_counted():
    values = [None, 0.9, float("nan"), 0.1, 0.2]
    found = calibration("egss", values, wrong=[1, 1, 0, 0, 0], student_tokens=50)
    assert (found.n, found.without_score, found.wrong) == (3, 2, 1)
    assert found.auroc == 1.0
    assert found.student_tokens_per_item == 10
    nothing = calibration("egss", [None, None], wrong=[1, 0])
    assert (nothing.n, nothing.auroc, nothing.rank_correlation) == (0, None, None)
    assert calibration("egss", [], wrong=[], student_tokens=0).student_tokens_per_item is None


def test_one_wrong_item_has_a_figure_and_no_trust_in_it():
    found = calibration("margin", [0.9, 0.1], wrong=[1, 0])
    assert found.auroc == 1.0
    # half of the resamples of two items hold one item twice
    assert found.auroc_ci95 in (None, (1.0, 1.0))


def test_the_interval_holds_the_figure_and_narrows_with_items():
    rng = np.random.default_rng(0)

    def width(n):
        wrong = rng.integers(0, 2, n)
        found = calibration("x", (rng.normal(size=n) + wrong).round(1).tolist(), wrong=wrong.tolist())
        low, high = found.auroc_ci95
        assert low < found.auroc < high
        assert found.rank_correlation_ci95[0] < found.rank_correlation < found.rank_correlation_ci95[1]
        return high - low

    assert width(1000) < 0.5 * width(60)


def test_the_interval_agrees_with_resampling_items_one_by_one():
    rng = np.random.default_rng(1)
    wrong = rng.integers(0, 2, 80)
    values = (rng.normal(size=80) + 0.7 * wrong).round(1)
    drawn = [rng.integers(0, 80, 80) for _ in range(2000)]
    plain = [auroc(values[one].tolist(), wrong[one].tolist()) for one in drawn]
    ranks = [rank_correlation(values[one].tolist(), wrong[one].tolist()) for one in drawn]
    found = calibration("x", values.tolist(), wrong=wrong.tolist())
    assert found.auroc_ci95 == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.015)
    assert found.rank_correlation_ci95 == pytest.approx(np.quantile(ranks, [0.025, 0.975]), abs=0.025)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=12))
def test_ranks_agree_with_the_plain_count_of_pairs(items):
    scores, wrong = [float(score) for score, _ in items], [mark for _, mark in items]
    pairs = [
        0.5 * (a == b) + (a > b)
        for a, of_a in zip(scores, wrong, strict=True)
        for b, of_b in zip(scores, wrong, strict=True)
        if of_a and not of_b
    ]
    assert auroc(scores, wrong) == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_rows_of_a_table():
    scores = {"entropy": [0.9, 0.1, 0.8, 0.3], "random": [0.5, 0.6, 0.1, 0.2]}
    rows = calibration_rows(scores, [1, 0, 1, 0], student_tokens={"entropy": 40})
    assert [row["score"] for row in rows] == ["entropy", "random"]
    assert [row["student_tokens_per_item"] for row in rows] == [10, None]
    assert [row["auroc"] for row in rows] == [1.0, 0.25]
    assert rows == calibration_rows(scores, [1, 0, 1, 0], student_tokens={"entropy": 40})
    assert set(rows[0]) >= {"n", "wrong", "auroc_ci95", "rank_correlation"}


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="score 'x' has 1 values for 2 items"):
        calibration("x", [1.0], wrong=[0, 1])
    with pytest.raises(ValueError, match="wrongness is 0 or 1"):
        calibration("x", [1.0], wrong=[2])
    with pytest.raises(ValueError, match="not finite"):
        calibration("x", [1.0, float("inf")], wrong=[0, 1])
    with pytest.raises(ValueError, match="1 and 2 values are not pairs"):
        rank_correlation([1.0], [1.0, 2.0])
