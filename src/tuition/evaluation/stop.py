"""Whether more rounds would pay: rules on what the rounds so far have reached, each with its numbers.

Source: after ELAD (arXiv 2402.13098), which stops when the budget is spent or the transfer suffices; its rule
could not be had, and the definitions are ours. The budget is no rule of this room: it ends a run by itself.
Knows numbers; asks nobody and trains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tuition.core.config import Section
from tuition.core.records import Json, Record

__all__ = [
    "Finding",
    "Rule",
    "Stop",
    "StopConfig",
    "certain",
    "extrapolation",
    "plateau",
    "predicted_gain",
    "should_stop",
    "upper_gain",
]

Rule = Literal["plateau", "extrapolation", "certain"]

_Z95 = 1.6448536269514722
"""Standard normal quantile of 0.95: one end of an interval."""
_POWERS = np.geomspace(0.125, 8.0, 25)
"""How fast a curve may saturate: from almost a logarithm to almost at once; 1 is among them."""
_PARAMETERS = 3
"""Of the family of curves; it is not fitted to fewer rounds than one more."""


class StopConfig(Section):
    """When rounds end before the budget does.

    Each rule that has a number is on; the first that holds ends it. Only the plateau is on by default: it
    looks at what was measured, and where the validation part is small its bound is wide, so that it errs
    towards going on. With 200 items of which 20 changed sides it holds only after a loss; with 1,000 of
    which 100 did it holds at a measured gain of 0. The extrapolation trusts a family of curves, and a score
    below a threshold means something else for every score: both are yours to turn on.
    """

    plateau_points: Annotated[float, Field(ge=0, le=100)] = 2.0
    """Stop when the last `plateau_rounds` rounds together surely gained less than this, in points of
    validation accuracy (upper 95 % bound of the paired gain). 0: off."""
    plateau_rounds: Annotated[int, Field(ge=1)] = 2
    """How many rounds together must have gained so little."""
    extrapolation_points: Annotated[float, Field(gt=0, le=100)] | None = None
    """Stop when the next round's money surely buys less than this, in points (upper 90 % bound of the gain a
    fitted curve predicts). None: off; 1 is a value to start with."""
    extrapolation_usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """How much money that is. None: as much as the last round took."""
    certain_below: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Stop when no example left in the pool scores as high as this. None: off; the scale is the score's."""
    least_rounds: Annotated[int, Field(ge=1)] = 3
    """Rounds, the cold start included, before any rule may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Record):
    """What one rule came to."""

    rule: Rule
    holds: bool
    """Whether it says stop."""
    value: float | None
    """What was held against the threshold; None: too little is known, and the rule does not hold."""
    threshold: float
    """The rule holds below it; points, or the score's unit."""
    because: str
    """The same as a sentence."""
    numbers: Mapping[str, Json]
    """What it was computed from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Record):
    """What all rules that are on came to."""

    rule: Rule | None
    """The first that holds; None: go on."""
    findings: tuple[Finding, ...]
    """One a rule that is on."""


def should_stop(
    config: StopConfig,
    *,
    hits: Sequence[Sequence[int]],
    usd: Sequence[float | None],
    largest_score: float | None = None,
    seed: int = 0,
) -> Stop:
    """Ask every rule that is on whether the rounds should end.

    It is asked after every round, so that a rule which errs in 5 of 100 cases errs more often over many.

    Args:
        config: Which rules, with their thresholds.
        hits: By round, the cold start first: shape (rounds, items), 1 where the student answers that
            validation item rightly, the same items in the same order.
        usd: By round: cost of every answer used up to its end, dollars; None: a price is unknown, and the
            extrapolation does not hold.
        largest_score: Of the examples left in the pool; None: not known.
        seed: Of the extrapolation's bootstrap.

    Returns:
        The first rule that holds, and what each came to.

    Raises:
        ValueError: The rounds were not examined on the same items, a hit is not 0 or 1, or money falls.
    """
    table = _table(hits)
    if len(usd) != len(table):
        raise ValueError(f"{len(usd)} sums of money for {len(table)} rounds; give one a round")
    findings: list[Finding] = []
    if config.plateau_points:
        findings.append(plateau(hits, last=config.plateau_rounds, points=config.plateau_points))
    if config.extrapolation_points is not None:
        points, more = config.extrapolation_points, config.extrapolation_usd
        findings.append(extrapolation(hits, usd, points=points, next_usd=more, seed=seed))
    if config.certain_below is not None:
        findings.append(certain(largest_score, below=config.certain_below))
    is_late = len(table) >= config.least_rounds
    rule = next((finding.rule for finding in findings if finding.holds and is_late), None)
    return Stop(rule=rule, findings=tuple(findings))


def plateau(hits: Sequence[Sequence[int]], *, last: int, points: float) -> Finding:
    """Say whether the last rounds together surely gained little.

    The bound covers which items there were, not the luck of a training: where students of equal data differ
    by more than the items' noise, it errs more often than in 5 of 100.
    """
    table = _table(hits)
    if len(table) <= last:
        return _unknown("plateau", points, f"{len(table)} rounds, and a gain over {last} needs {last + 1}")
    before, now = table[-1 - last], table[-1]
    won, lost, n = int((now & ~before).sum()), int((before & ~now).sum()), len(now)
    gain, bound = 100 * (won - lost) / n, 100 * upper_gain(won, lost, n=n)
    return Finding(
        rule="plateau",
        holds=bound < points,
        value=bound,
        threshold=points,
        because=f"the last {last} rounds gained {gain:+.1f} points on {n} items, at most {bound:.1f} at 95 %",
        numbers={"rounds": last, "n": n, "won": won, "lost": lost, "gain_points": gain},
    )


def upper_gain(won: int, lost: int, *, n: int) -> float:
    """Give the upper 95 % bound (one-sided) of a paired difference of shares.

    Half an item is added to each of the four cells of right and wrong, before and now, so that few items
    without any change are not taken for certainty.

    Source: Agresti and Min, Simple improved confidence intervals for comparing matched proportions (2005).
    """
    total, difference = n + 2, won - lost
    variance = (won + lost + 1 - difference**2 / total) / total**2
    return min(1.0, difference / total + _Z95 * math.sqrt(variance))


def extrapolation(
    hits: Sequence[Sequence[int]],
    usd: Sequence[float | None],
    *,
    points: float,
    next_usd: float | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Finding:
    """Say whether the next round's money surely buys little, by a curve through the rounds so far.

    The curve is that of `predicted_gain`. It is fitted anew to resamples: validation items drawn with
    replacement, the same ones for all rounds, and each round weighted by chance (exponential weights, the
    Bayesian bootstrap), for which items and which rounds there were are both luck. No resample leaves a round
    out, so that the fit never hangs on two of them. A curve that is not of the family, such as a jump and
    then a straight line, is taken for flatter than it is, and the rule then holds too often.
    """
    table, known = _table(hits), [sum_ for sum_ in usd if sum_ is not None]
    if len(known) < len(usd):
        return _unknown("extrapolation", points, "the price of an answer is unknown")
    if len(table) <= _PARAMETERS:
        reason = f"{len(table)} rounds, and a curve of {_PARAMETERS} parameters needs {_PARAMETERS + 1}"
        return _unknown("extrapolation", points, reason)
    if known[-1] == 0:
        return _unknown("extrapolation", points, "no round cost anything, so there is no curve in money")
    more = known[-1] - known[-2] if next_usd is None else next_usd
    if more <= 0:
        return _unknown(
            "extrapolation", points, "the last round cost nothing, so the next one's is not known"
        )
    rng, n = np.random.default_rng(seed), table.shape[1]
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples)  # (R, items)
    shares = drawn @ table.T.astype(float) / n  # (R, rounds)
    weights = rng.exponential(size=shares.shape)
    gains = 100 * predicted_gain(known, shares, next_usd=more, weights=weights)  # (R, )
    fitted = 100 * float(predicted_gain(known, table.mean(1)[None], next_usd=more)[0])
    bound = float(np.quantile(gains, 0.9))
    return Finding(
        rule="extrapolation",
        holds=bound < points,
        value=bound,
        threshold=points,
        because=f"the next ${more:.4g} buys {fitted:.1f} points by the curve, at most {bound:.1f} at 90 %",
        numbers={
            "next_usd": more,
            "rounds": len(table),
            "n": n,
            "gain_points": fitted,
            "resamples": resamples,
        },
    )


def predicted_gain(
    usd: Sequence[float], shares: np.ndarray, *, next_usd: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Fit saturating curves and say how much higher each is after some more money.

    A curve is a − b·u^−c with u = 1 + usd / s, where s is the first sum above 0, so that the unit of money
    changes nothing and a first round without cost has its place. For each c of a grid from 1/8 to 8 the
    weighted least squares over a and b has a closed form, kept within 0 ≤ b and a ≤ 1; the c with the
    smallest sum counts.
    """
    money = np.asarray(usd, dtype=float)
    if (np.diff(money) < 0).any() or money[-1] <= 0 or money[0] < 0:
        raise ValueError(
            f"cumulative money {list(usd)!r} must not fall nor stay 0; give it in order of rounds"
        )
    scale = money[money > 0][0]
    grown = 1 + np.append(money, money[-1] + next_usd) / scale  # (rounds + 1, )
    bases = grown ** -_POWERS[:, None]  # (powers, rounds + 1)
    weights = np.ones_like(shares) if weights is None else weights
    weights = weights / weights.sum(1, keepdims=True)
    x, y = bases[:, :-1], shares  # (powers, rounds), (R, rounds)
    mean_x, mean_y = weights @ x.T, (weights * y).sum(1, keepdims=True)  # (R, powers), (R, 1)
    cross = (weights * y) @ x.T - mean_x * mean_y  # (R, powers)
    square = weights @ (x**2).T - mean_x**2
    slope = np.maximum(0.0, -cross / np.maximum(square, 1e-15))  # (R, powers), of the free fit
    top = mean_y + slope * mean_x
    # Where the free fit would end above 1, the best one of those that end at 1.
    at_one = np.maximum(0.0, (mean_x - (weights * y) @ x.T) / np.maximum(weights @ (x**2).T, 1e-15))
    slope, top = np.where(top > 1, at_one, slope), np.minimum(top, 1.0)
    residual = y[:, None] - (top[:, :, None] - slope[:, :, None] * x[None])  # (R, powers, rounds)
    best = (weights[:, None] * residual**2).sum(2).argmin(1)  # (R, )
    rise = bases[:, -2] - bases[:, -1]  # (powers, )
    return slope[np.arange(len(y)), best] * rise[best]


def certain(largest_score: float | None, *, below: float) -> Finding:
    """Say whether nothing is left in the pool that the student is unsure of."""
    if largest_score is None or math.isnan(largest_score):
        return _unknown("certain", below, "no example left in the pool has a score")
    return Finding(
        rule="certain",
        holds=largest_score < below,
        value=largest_score,
        threshold=below,
        because=f"the largest score left in the pool is {largest_score:.4g}, the threshold {below:.4g}",
        numbers={"largest_score": largest_score},
    )


def _unknown(rule: Rule, threshold: float, reason: str) -> Finding:
    because = f"not decided: {reason}"
    return Finding(rule=rule, holds=False, value=None, threshold=threshold, because=because, numbers={})


def _table(hits: Sequence[Sequence[int]]) -> np.ndarray:
    """As booleans, shape (rounds, items)."""
    lengths = sorted({len(row) for row in hits})
    if len(lengths) > 1:
        raise ValueError(
            f"the rounds were examined on unequal numbers of items, {lengths}; use the same ones"
        )
    if not lengths or lengths == [0]:
        raise ValueError(
            "there is no round that was examined on any item; a stop rule needs validation items"
        )
    table = np.asarray(hits, dtype=float)
    if not np.isin(table, (0, 1)).all():
        raise ValueError("a hit is 0 or 1 for each validation item; an unreadable answer is 0")
    return table == 1
