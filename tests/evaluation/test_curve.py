import math

import numpy as np
import pytest

from tuition.evaluation.curve import (
    Point,
    accuracy_at,
    area,
    common_range,
    learning_curve,
    mean_interval,
    money_to_reach,
)


def points(*pairs):
    return [
        Point(usd=usd, accuracy=share, low=max(0.0, share - 0.1), high=min(1.0, share + 0.1))
        for usd, share in pairs
    ]


def test_a_sum_of_money_has_the_last_student_it_pays_for():
    found = accuracy_at(points((3, 0.7), (1, 0.4), (2, 0.6)), np.array([0.5, 1, 1.9, 2, 9]))
    assert math.isnan(found[0])
    assert found[1:].tolist() == [0.4, 0.4, 0.6, 0.7]


def test_of_two_points_at_equal_cost_the_later_counts():
    run = points((0, 0.1), (1, 0.4), (1, 0.5))
    assert accuracy_at(run, np.array([1.0])).tolist() == [0.5]
    assert learning_curve([run]).accuracy == (0.1, 0.5)


def test_one_run_has_the_interval_of_its_accuracy_and_says_so():
    curve = learning_curve([points((0, 0.05), (1, 0.4), (2, 0.95))])
    assert (curve.seeds, curve.interval) == (1, "items")
    assert curve.usd == (0, 1, 2)
    assert curve.low == pytest.approx((0.0, 0.3, 0.85))
    assert curve.high == pytest.approx((0.15, 0.5, 1.0))


def test_the_mean_of_two_seeds_by_hand():
    # steps at 1 (where both have begun), 2, 3 and 4; t with one degree of freedom is 12.7062
    curve = learning_curve([points((0, 0.2), (2, 0.5), (4, 0.6)), points((1, 0.4), (3, 0.6))])
    assert curve.usd == (1, 2, 3, 4)
    assert curve.accuracy == pytest.approx((0.3, 0.45, 0.55, 0.6))
    assert (curve.seeds, curve.interval, curve.shortest_usd) == (2, "seeds", 3)
    # at 2: 0.5 and 0.4, standard deviation 0.1 / sqrt(2), half width 12.7062 * 0.05, cut at 0 and 1
    assert curve.low[1] == 0.0
    assert curve.high[1] == 1.0
    assert (curve.low[3], curve.high[3]) == pytest.approx((0.6, 0.6))


def test_the_interval_of_three_seeds_by_hand():
    # mean 0.5, standard deviation 0.1, t with two degrees of freedom 4.3027, root of three
    mean, low, high = mean_interval([0.4, 0.5, 0.6])
    half = 4.3027 * 0.1 / math.sqrt(3)
    assert (mean, low, high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def quantile_used(freedom):
    """The quantile that the interval of so many values and one is made with."""
    values = [0.0] * freedom + [1.0]
    mean, _, high = mean_interval(values)
    return (high - mean) * math.sqrt(len(values)) / np.std(values, ddof=1)


def student(freedom, quantile):
    """Student's t: the probability of less than a quantile above 0, by Simpson's rule over its density."""
    x = np.linspace(0, quantile, 4001)
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    density = np.exp(log_scale - (freedom + 1) / 2 * np.log1p(x**2 / freedom))
    weights = np.tile([2.0, 4.0], 2001)[:-1]
    weights[[0, -1]] = 1
    return 0.5 + quantile / 4000 / 3 * float(weights @ density)


@pytest.mark.parametrize("freedom", range(1, 31))
def test_every_quantile_of_the_table_is_right_in_its_last_digit(freedom):
    found = quantile_used(freedom)
    assert student(freedom, found - 6e-5) < 0.975 < student(freedom, found + 6e-5)


@pytest.mark.parametrize(("freedom", "error"), [(31, 9e-5), (60, 2e-5), (200, 4e-7), (1000, 1e-8)])
def test_the_quantile_behind_the_table_comes_nearer_the_more_values_there_are(freedom, error):
    found = quantile_used(freedom)
    assert student(freedom, found - error) < 0.975 < student(freedom, found + error)


def test_the_area_is_the_mean_accuracy_over_money():
    curve = learning_curve([points((0, 0.2), (1, 0.4), (3, 0.8))])
    # from 0 to 3: 1 * 0.2 + 2 * 0.4, by 3; from 0.5 to 2: 0.5 * 0.2 + 1 * 0.4, by 1.5
    assert area(curve, (0, 3)) == pytest.approx(1 / 3)
    assert area(curve, (0.5, 2)) == pytest.approx(0.5 / 1.5)
    assert area(learning_curve([points((0, 1), (2, 1))]), (0, 2)) == 1.0


def test_no_area_outside_what_a_curve_covers():
    curve = learning_curve([points((1, 0.2), (2, 0.4))])
    assert area(curve, (0, 2)) is None
    assert area(curve, (1, 3)) is None
    assert area(learning_curve([points((1, 0.5))]), (1, 2)) is None
    with pytest.raises(ValueError, match="is empty"):
        area(curve, (2, 2))


def test_the_common_range_is_covered_by_every_run_and_single_points_do_not_count():
    left = learning_curve([points((0, 0.1), (5, 0.2)), points((1, 0.1), (4, 0.2))])
    right = learning_curve([points((2, 0.1), (9, 0.2))])
    assert common_range([left, right, learning_curve([points((0, 0.9))])]) == (2, 4)
    assert common_range([right, learning_curve([points((10, 0.1), (12, 0.2))])]) is None
    assert common_range([learning_curve([points((0, 0.9))])]) is None
    behind = learning_curve([points((9, 0.1), (12, 0.2))])
    assert common_range([right, behind]) is None, "one sum of money is no range"


def test_the_price_of_an_accuracy():
    curve = learning_curve([points((0, 0.2), (1, 0.6), (2, 0.5), (3, 0.7))])
    assert money_to_reach(curve, 0.1) == 0
    assert money_to_reach(curve, 0.6) == 1
    assert money_to_reach(curve, 0.65) == 3
    assert money_to_reach(curve, 0.71) is None


def test_a_mean_of_equal_seeds_reaches_their_accuracy():
    curve = learning_curve([points((0, 0.1), (1, 0.7))] * 3)
    assert money_to_reach(curve, 0.7) == 1


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="there is no run to draw"):
        learning_curve([])
    with pytest.raises(ValueError, match="a run without points has no curve"):
        learning_curve([points((0, 0.1)), []])
    with pytest.raises(ValueError, match="1 values have no interval over seeds"):
        mean_interval([0.5])
