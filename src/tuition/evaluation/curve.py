"""What accuracy a given sum of money buys: learning curves over seeds, their area, the price of an accuracy.

Between two rounds there is no student, so every curve here is a step function: with so much money one has
the student of the last round that is paid for. Nothing is interpolated. Beyond its last round a run keeps
its last student. Knows numbers, no run folder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuition.core.records import Record

__all__ = [
    "Curve",
    "Interval",
    "Point",
    "accuracy_at",
    "area",
    "common_range",
    "learning_curve",
    "mean_interval",
    "money_to_reach",
]

Interval = Literal["seeds", "items"]
"""What an interval covers: how far seeds differ, or which items happened to be asked (one seed)."""

# fmt: off
_T = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
    2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
)
"""Quantile 0.975 of Student's t for 1 to 30 degrees of freedom."""
# fmt: on
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(Record):
    """One student of one run: what its teachers' answers had cost by then, and how good it is."""

    usd: float
    """Cost of every answer used so far, as if bought alone; dollars."""
    accuracy: float
    """Share of right answers, in [0, 1]."""
    low: float
    """Lower end of its own 95 % interval, over items."""
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve(Record):
    """The mean accuracy of one setting against money; a step function, each value valid up to the next."""

    usd: tuple[float, ...]
    """Where it steps, rising; dollars."""
    accuracy: tuple[float, ...]
    """Mean over seeds from there on, in [0, 1]."""
    low: tuple[float, ...]
    """Lower end of the 95 % interval, in [0, 1]."""
    high: tuple[float, ...]
    seeds: int
    """How many runs it is the mean of."""
    interval: Interval
    """`seeds`: Student's t over the runs, which says nothing of the items; `items`: there is one run, and the
    interval is its accuracy's own, which says nothing of other seeds."""
    shortest_usd: float
    """Money up to which every run was carried on; beyond it a run that had ended keeps its last student."""


def accuracy_at(points: Sequence[Point], usd: np.ndarray) -> np.ndarray:
    """Give the accuracy a run had for given sums of money; NaN where even the first point costs more."""
    ordered = _ordered(points)
    place = np.searchsorted([point.usd for point in ordered], usd, side="right") - 1  # (M, )
    found = np.array([point.accuracy for point in ordered])[place]  # (M, )
    return np.where(place >= 0, found, np.nan)


def learning_curve(runs: Sequence[Sequence[Point]]) -> Curve:
    """Draw together the runs of one setting that differ by seed only.

    The curve begins where every run has its first point, and steps wherever one of them does.

    Args:
        runs: The points of each run.

    Returns:
        The mean with its 95 % interval: Student's t over runs; with one run that of its accuracy over items.

    Raises:
        ValueError: There is no run, or one without points.
    """
    if not runs:
        raise ValueError("there is no run to draw; give at least one")
    first = max(_ordered(points)[0].usd for points in runs)
    grid = sorted({point.usd for points in runs for point in points if point.usd >= first})
    shortest = min(max(point.usd for point in points) for points in runs)
    if len(runs) == 1:
        by_usd = {point.usd: point for point in _ordered(runs[0])}
        kept = [by_usd[usd] for usd in grid]
        ends = [(point.accuracy, point.low, point.high) for point in kept]
    else:
        table = np.stack([accuracy_at(points, np.array(grid)) for points in runs])  # (runs, M)
        ends = [mean_interval(column) for column in table.T]
    return Curve(
        usd=tuple(grid),
        accuracy=tuple(mean for mean, _, _ in ends),
        low=tuple(max(0.0, low) for _, low, _ in ends),
        high=tuple(min(1.0, high) for _, _, high in ends),
        seeds=len(runs),
        interval="items" if len(runs) == 1 else "seeds",
        shortest_usd=shortest,
    )


def mean_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Give the mean of a few measurements and its 95 % interval by Student's t."""
    n = len(values)
    if n < 2:
        raise ValueError(f"{n} values have no interval over seeds; give two or more")
    mean = float(np.mean(values))
    half = _t(n - 1) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean, mean - half, mean + half


def common_range(curves: Sequence[Curve]) -> tuple[float, float] | None:
    """Find the money from where all curves have begun to where the first run ends; None: there is none."""
    long = [curve for curve in curves if curve.usd[0] < curve.shortest_usd]
    if not long:
        return None
    low, high = max(curve.usd[0] for curve in long), min(curve.shortest_usd for curve in long)
    return (low, high) if low < high else None


def area(curve: Curve, between: tuple[float, float]) -> float | None:
    """Give the mean accuracy over a range of money; None: the curve has one point, or does not cover it."""
    low, high = between
    if not low < high:
        raise ValueError(f"the range of money {between!r} is empty; give a lower end below the upper one")
    if len(curve.usd) < 2 or curve.usd[0] > low or curve.shortest_usd < high:
        return None
    edges = np.unique(np.clip([low, *curve.usd, high], low, high))  # (M + 1, )
    places = np.searchsorted(curve.usd, edges[:-1], side="right") - 1  # (M, )
    return float(np.diff(edges) @ np.array(curve.accuracy)[places] / (high - low))


def money_to_reach(curve: Curve, accuracy: float) -> float | None:
    """Say what it costs until the mean curve is at an accuracy for the first time.

    Args:
        curve: Whose; later points may lie lower again.
        accuracy: In [0, 1].

    Returns:
        Dollars; None: never reached.
    """
    # A mean of equal numbers may miss them by a rounding.
    return next(
        (usd for usd, mean in zip(curve.usd, curve.accuracy, strict=True) if mean >= accuracy - 1e-12), None
    )


def _ordered(points: Sequence[Point]) -> list[Point]:
    if not points:
        raise ValueError("a run without points has no curve; leave it out")
    return sorted(points, key=lambda point: point.usd)


def _t(freedom: int) -> float:
    """The quantile 0.975; behind the table the normal one with two terms of correction, good to 0.0001."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    first, second = (_Z**3 + _Z) / 4, (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96
    return _Z + first / freedom + second / freedom**2
