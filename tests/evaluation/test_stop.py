import math

import numpy as np
import pytest

from tuition.core.config import parse
from tuition.core.errors import ConfigError
from tuition.evaluation.stop import (
    StopConfig,
    certain,
    extrapolation,
    plateau,
    predicted_gain,
    should_stop,
    upper_gain,
)


def rounds(*rights, n=1000):
    """One row of hits a round: the first so many items are right."""
    return [[1] * right + [0] * (n - right) for right in rights]


def test_the_upper_bound_of_a_gain_by_hand():
    # won 3, lost 1 of 8: total 10, difference 2, variance (5 - 0.4) / 100, bound 0.2 + 1.64485 * sqrt(0.046)
    assert upper_gain(3, 1, n=8) == pytest.approx(0.2 + 1.6448536 * math.sqrt(0.046))
    # won 4, lost 1 of 8: difference 3, variance (6 - 0.9) / 100
    assert upper_gain(4, 1, n=8) == pytest.approx(0.3 + 1.6448536 * math.sqrt(0.051))
    # nothing changed: 0 + 1.64485 * 1 / total
    assert upper_gain(0, 0, n=98) == pytest.approx(0.016448536)
    assert upper_gain(8, 0, n=8) == 1.0


def test_a_plateau_holds_once_the_bound_is_below_the_points():
    # the last two rounds: 600 → 600 of 1000, none changed sides: 100 * 1.64485 / 1002
    found = plateau(rounds(500, 600, 600, 600), last=2, points=2.0)
    assert found.holds
    assert found.value == pytest.approx(164.48536 / 1002)
    assert found.numbers == {"rounds": 2, "n": 1000, "won": 0, "lost": 0, "gain_points": 0.0}
    assert "the last 2 rounds gained +0.0 points on 1000 items, at most 0.2 at 95 %" in found.because
    assert not plateau(rounds(500, 580, 590, 600), last=2, points=2.0).holds


def test_a_plateau_looks_back_so_many_rounds_and_no_further():
    hits = rounds(500, 580, 600, 601, 603)
    gains = {last: plateau(hits, last=last, points=2.0).numbers["won"] for last in (1, 2, 3, 4)}
    assert gains == {1: 2, 2: 3, 3: 23, 4: 103}


def test_few_items_without_change_are_no_certainty():
    found = plateau(rounds(5, 5, 5, 5, n=10), last=2, points=2.0)
    assert found.value == pytest.approx(164.48536 / 12)
    assert not found.holds


def test_the_gain_is_paired_by_item():
    before, now = [1, 1, 0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 0, 0, 0]
    found = plateau([before, now], last=1, points=5)
    assert found.numbers == {"rounds": 1, "n": 8, "won": 3, "lost": 1, "gain_points": 25.0}
    assert found.because.startswith("the last 1 rounds gained +25.0 points on 8 items, at most ")
    assert found.value == pytest.approx(100 * (0.2 + 1.6448536 * math.sqrt(0.046)))


def test_the_default_speaks_as_its_docstring_says():
    small = [[1] * 100 + [0] * 100, [0] * 10 + [1] * 100 + [0] * 90]
    assert not plateau(small, last=1, points=2.0).holds
    large = [[1] * 500 + [0] * 500, [0] * 50 + [1] * 500 + [0] * 450]
    assert plateau(large, last=1, points=2.0).holds


def test_a_bound_at_the_points_is_not_below_them():
    hits, usd = rounds(500, 600, 600, 600), [1.0, 2.0, 3.0, 4.0]
    bound = plateau(hits, last=2, points=2.0).value
    assert not plateau(hits, last=2, points=bound).holds
    assert plateau(hits, last=2, points=bound + 1e-9).holds
    bound = extrapolation(hits, usd, points=2.0).value
    assert not extrapolation(hits, usd, points=bound).holds
    assert extrapolation(hits, usd, points=bound + 1e-9).holds


@pytest.mark.parametrize("n_rounds", [1, 2])
def test_a_plateau_needs_a_round_to_be_held_against(n_rounds):
    found = plateau(rounds(*[600] * n_rounds), last=2, points=100)
    assert (found.holds, found.value) == (False, None)
    assert found.because == f"not decided: {n_rounds} rounds, and a gain over 2 needs 3"


def test_the_curve_is_found_again_and_carried_on():
    # u = 1, 2, 4, 8 and 0.9 - 0.4 / u; eight times the first sum more: u = 16, gain 0.4 * (1/8 - 1/16)
    shares = np.array([[0.5, 0.7, 0.8, 0.85]])
    found = predicted_gain([0.0, 2.0, 6.0, 14.0], shares, next_usd=16.0)
    assert found == pytest.approx([0.025])


def test_the_unit_of_money_changes_nothing():
    shares = np.array([[0.41, 0.66, 0.79, 0.81], [0.3, 0.5, 0.4, 0.6]])
    dollars = predicted_gain([1.0, 2.0, 3.0, 4.0], shares, next_usd=1.0)
    assert predicted_gain([100.0, 200.0, 300.0, 400.0], shares, next_usd=100.0) == pytest.approx(dollars)
    assert (dollars > 0).all()


def test_a_falling_curve_gains_nothing_and_none_ends_above_one():
    shares = np.array([[0.8, 0.7, 0.6, 0.5], [0.1, 0.4, 0.7, 1.0]])
    falling, rising = predicted_gain([1.0, 2.0, 3.0, 4.0], shares, next_usd=1000.0)
    assert falling == 0
    assert 0 < rising < 0.9


def test_a_bounded_fit_by_hand():
    # u = 1, 2 and 4: through (1, 0), (2, 0.5), (4, 0.75) goes 1 - 1 / u, which ends at 1 exactly
    shares = np.array([[0.0, 0.5, 0.75]])
    assert predicted_gain([0.0, 1.0, 3.0], shares, next_usd=4.0) == pytest.approx([1 / 4 - 1 / 8])


def slow_gain(usd, shares, next_usd, weights):
    """The definition of `predicted_gain` as a plain loop over powers and over the bounds that may be met."""
    scale = next(money for money in usd if money > 0)
    best = None
    for k in range(25):
        power = 2.0 ** (-3 + 6 * k / 24)
        x = [(1 + money / scale) ** -power for money in usd]
        total = sum(weights)
        mean = [
            sum(w * value for w, value in zip(weights, values, strict=True)) / total for values in (x, shares)
        ]
        cross = sum(w * (a - mean[0]) * (y - mean[1]) for w, a, y in zip(weights, x, shares, strict=True))
        square = sum(w * (a - mean[0]) ** 2 for w, a in zip(weights, x, strict=True))
        free = -cross / square
        at_one = sum(w * a * (1 - y) for w, a, y in zip(weights, x, shares, strict=True))
        at_one /= sum(w * a * a for w, a in zip(weights, x, strict=True))
        for top, slope in ((mean[1] + free * mean[0], free), (mean[1], 0.0), (1.0, max(0.0, at_one))):
            if slope >= 0 and top <= 1:
                error = sum(
                    w * (y - top + slope * a) ** 2 for w, a, y in zip(weights, x, shares, strict=True)
                )
                if best is None or error < best[0] - 1e-15:
                    rise = (1 + usd[-1] / scale) ** -power - (1 + (usd[-1] + next_usd) / scale) ** -power
                    best = (error, slope * rise)
    return best[1]


@pytest.mark.parametrize(
    "usd",
    [
        [0.0, 0.5, 1.0, 2.5],
        [0.0, 0.0, 0.25, 4.0],
        [1.0, 2.0, 2.0, 3.0, 9.0],
        [3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
    ],
    ids=str,
)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_the_fit_is_that_of_a_plain_loop(usd, is_weighted):
    rng = np.random.default_rng(len(usd) + is_weighted)
    steady = 0.9 - 0.6 * (1 + np.array(usd)) ** -rng.uniform(0.2, 4, (30, 1))
    shares = np.clip(steady + rng.normal(0, 0.1, (30, len(usd))), 0, 1)
    weights = rng.exponential(size=shares.shape) if is_weighted else np.ones(shares.shape)
    found = predicted_gain(usd, shares, next_usd=1.5, weights=weights if is_weighted else None)
    slow = [slow_gain(usd, *row, 1.5, w) for *row, w in zip(shares.tolist(), weights.tolist(), strict=True)]
    assert found == pytest.approx(slow, abs=1e-9)
    assert len({round(gain, 6) for gain in slow}) > 9, "and they are not all the same"


@pytest.mark.parametrize("usd", [[0.0] * 4, [-1.0, 1.0, 2.0, 3.0], [1.0, 2.0, 1.5, 3.0]])
def test_money_that_falls_or_is_none_has_no_curve(usd):
    with pytest.raises(ValueError, match="must not fall nor stay 0; give it in order of rounds"):
        predicted_gain(usd, np.array([[0.1, 0.2, 0.3, 0.4]]), next_usd=1.0)


def test_the_bound_is_the_ninth_decile_of_resampled_fits():
    hits, usd = rounds(30, 40, 44, 46, n=60), [0.0, 0.0, 0.5, 1.0]
    found = extrapolation(hits, usd, points=1.0, seed=4)
    rng = np.random.default_rng(4)
    items = rng.multinomial(60, [1 / 60] * 60, size=1000)
    shares = np.array([[np.dot(row, drawn) / 60 for row in hits] for drawn in items])
    weights = rng.exponential(size=(1000, 4))
    gains = np.sort(100 * predicted_gain(usd, shares, next_usd=0.5, weights=weights))
    assert gains[898] < found.value < gains[901]
    fitted = found.numbers["gain_points"]
    assert fitted == pytest.approx(
        100 * predicted_gain(usd, np.array([[30, 40, 44, 46]]) / 60, next_usd=0.5)[0]
    )
    assert found.numbers == {
        **{"next_usd": 0.5, "rounds": 4, "n": 60, "gain_points": fitted, "resamples": 1000},
    }
    assert (
        found.because
        == f"the next $0.5 buys {fitted:.1f} points by the curve, at most {found.value:.1f} at 90 %"
    )
    assert extrapolation(hits, usd, points=1.0) == extrapolation(hits, usd, points=1.0, seed=0)
    config = StopConfig(extrapolation_points=1.0)
    by_default = should_stop(config, hits=hits, usd=usd).findings[1]
    assert by_default == extrapolation(hits, usd, points=1.0, seed=0)
    assert by_default != extrapolation(hits, usd, points=1.0, seed=1)
    other = should_stop(StopConfig(extrapolation_points=1.0, extrapolation_usd=2.0), hits=hits, usd=usd)
    assert other.findings[1] == extrapolation(hits, usd, points=1.0, next_usd=2.0)


def test_extrapolation_holds_on_a_flat_curve_and_not_on_a_rising_one():
    usd = [1.0, 2.0, 3.0, 4.0, 5.0]
    flat = extrapolation(rounds(600, 800, 800, 800, 800), usd, points=1.0)
    assert flat.holds
    assert flat.numbers["next_usd"] == 1.0
    rising = extrapolation(rounds(100, 250, 400, 550, 700), usd, points=1.0)
    assert not rising.holds
    assert rising.value > rising.numbers["gain_points"] > 1
    assert rising.because.startswith("the next $1 buys ")


def test_the_bound_is_above_what_the_curve_says_and_repeats_with_the_seed():
    hits, usd = rounds(500, 700, 800, 850), [0.0, 2.0, 6.0, 14.0]
    one, again = (extrapolation(hits, usd, points=1, next_usd=16.0, seed=3) for _ in range(2))
    assert one == again
    assert one.numbers["gain_points"] == pytest.approx(2.5)
    assert one.value > 2.5


def test_extrapolation_says_what_it_does_not_know():
    usd = [1.0, 2.0, 3.0]
    three = extrapolation(rounds(5, 5, 5, n=10), usd, points=100)
    assert (three.holds, three.value) == (False, None)
    assert "3 rounds, and a curve of 3 parameters needs 4" in three.because
    unpriced = extrapolation(rounds(5, 5, 5, 5, n=10), [1.0, None, None, None], points=100)
    assert (unpriced.holds, unpriced.because) == (False, "not decided: the price of an answer is unknown")
    free = extrapolation(rounds(5, 5, 5, 5, n=10), [1.0, 2.0, 3.0, 3.0], points=100)
    assert (free.holds, "the last round cost nothing" in free.because) == (False, True)
    late = extrapolation(rounds(5, 5, 5, 8, n=10), [0.0, 0.0, 0.0, 1.0], points=1)
    assert (late.holds, late.numbers["next_usd"]) == (False, 1.0), "one round that is paid for is enough"
    gift = extrapolation(rounds(5, 5, 5, 5, n=10), [0.0] * 4, points=100, next_usd=1.0)
    assert (gift.holds, "no round cost anything" in gift.because) == (False, True)
    with pytest.raises(ValueError, match="must not fall nor stay 0"):
        extrapolation(rounds(5, 5, 5, 5, n=10), [1.0, 2.0, 3.0, 2.5], points=100, next_usd=1.0)


def test_certain_compares_and_does_not_guess():
    assert certain(0.19, below=0.2).holds
    assert not certain(0.2, below=0.2).holds
    found = certain(0.19, below=0.2)
    assert (found.rule, found.value, found.threshold, found.numbers) == (
        *("certain", 0.19, 0.2),
        {"largest_score": 0.19},
    )
    for unknown in (None, math.nan):
        found = certain(unknown, below=0.2)
        assert (found.rule, found.holds, found.value, found.numbers) == ("certain", False, None, {})
        assert found.because == "not decided: no example left in the pool has a score"


def test_every_undecided_rule_bears_its_name():
    hits = rounds(5, 5, 5, 5, n=10)
    assert plateau(hits, last=4, points=1).rule == "plateau"
    for usd in ([1.0, None, None, None], [0.0] * 4, [1.0, 2.0, 3.0, 3.0]):
        assert extrapolation(hits, usd, points=1).rule == "extrapolation"
    assert extrapolation(hits[:3], [1.0, 2.0, 3.0], points=1).rule == "extrapolation"


def test_the_first_rule_that_holds_is_named_and_all_are_told():
    config = StopConfig(extrapolation_points=1.0, certain_below=0.5)
    usd = [1.0, 2.0, 3.0, 4.0]
    found = should_stop(config, hits=rounds(600, 800, 800, 800), usd=usd, largest_score=0.1)
    assert found.rule == "plateau"
    assert [finding.rule for finding in found.findings] == ["plateau", "extrapolation", "certain"]
    assert found.to_json()["findings"][2]["value"] == 0.1
    rising = should_stop(config, hits=rounds(200, 400, 600, 800), usd=usd, largest_score=0.1)
    assert rising.rule == "certain"
    assert [finding.holds for finding in rising.findings] == [False, False, True]


def test_no_rule_ends_the_first_rounds():
    config = StopConfig(certain_below=0.5, plateau_rounds=1, least_rounds=3)
    early = should_stop(config, hits=rounds(800, 800), usd=[1.0, 2.0], largest_score=0.0)
    assert (early.rule, [finding.holds for finding in early.findings]) == (None, [True, True])
    late = should_stop(config, hits=rounds(800, 800, 800), usd=[1.0, 2.0, 3.0], largest_score=0.0)
    assert late.rule == "plateau"


def test_a_rule_without_a_number_is_off():
    off = StopConfig(plateau_points=0)
    assert should_stop(off, hits=rounds(800, 800, 800), usd=[1, 2, 3]).findings == ()
    only = should_stop(StopConfig(), hits=rounds(800, 800, 800), usd=[None] * 3)
    assert [finding.rule for finding in only.findings] == ["plateau"]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"unequal numbers of items, \[2, 3\]"):
        plateau([[1, 0], [1, 0, 1]], last=1, points=1)
    with pytest.raises(ValueError, match="a hit is 0 or 1"):
        plateau([[1, 0], [1, 2]], last=1, points=1)
    with pytest.raises(ValueError, match="needs validation items"):
        plateau([], last=1, points=1)
    with pytest.raises(ValueError, match="needs validation items"):
        plateau([[], []], last=1, points=1)
    with pytest.raises(ValueError, match="1 sums of money for 2 rounds"):
        should_stop(StopConfig(), hits=rounds(1, 2, n=3), usd=[1.0])


def test_what_holds_where_nothing_is_said():
    assert StopConfig().model_dump() == {
        **{"plateau_points": 2.0, "plateau_rounds": 2, "extrapolation_points": None},
        **{"extrapolation_usd": None, "certain_below": None, "least_rounds": 3},
    }


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("plateau_points", [0, 100], [-0.001, 100.001]),
        ("plateau_rounds", [1], [0]),
        ("extrapolation_points", [0.001, 100], [0, 100.001]),
        ("extrapolation_usd", [0.001], [0, math.inf]),
        ("certain_below", [-5.0, 0.0], [math.inf, math.nan]),
        ("least_rounds", [1], [0]),
    ],
)
def test_limits_of_settings(field, good, bad):
    for value in good:
        assert getattr(parse(StopConfig, {field: value}, where="[stop]"), field) == value
    for value in bad:
        with pytest.raises(ConfigError, match=field):
            parse(StopConfig, {field: value}, where="[stop]")
