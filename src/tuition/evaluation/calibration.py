"""Does a score know which answers are wrong: rank correlation and area under the ROC curve, with intervals.

Knows numbers: a score and what turned out wrong, be it answers or steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuition.core.records import Json, Record

__all__ = ["Calibration", "auroc", "average_ranks", "calibration", "calibration_rows", "rank_correlation"]

_AT_ONCE = 250
"""Resamples drawn together, so that thousands of items stay small in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration(Record):
    """How well one score orders items by whether they are wrong."""

    score: str
    n: int
    """Items that have a score."""
    without_score: int
    """Items left out, for they have none: the student gave nothing to score."""
    wrong: int
    """Wrong ones of the n."""
    auroc: float | None
    """How often a wrong item scores higher than a right one, a tie counting half; 0.5 is chance. None: all
    are right, all are wrong, or there are none."""
    auroc_ci95: tuple[float, float] | None
    """Percentile bootstrap over items; None also where half of the resamples hold right or wrong items
    only."""
    rank_correlation: float | None
    """Spearman's, of score and wrongness, in [-1, 1]; None also where all scores are equal."""
    rank_correlation_ci95: tuple[float, float] | None
    student_tokens_per_item: float | None
    """What the student wrote for it, in the mean; None: not counted."""


def average_ranks(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Rank values from 1; equal ones share the mean of their ranks."""
    _, place, counts = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Give Spearman's rank correlation: Pearson's, of the ranks, ties with their average rank.

    None: one of them does not vary, or there are fewer than two.
    """
    _check(left, right)
    if len(left) < 2:
        return None
    a, b = average_ranks(left), average_ranks(right)
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return min(1.0, max(-1.0, float(a @ b) / size)) if size > 0 else None


def auroc(scores: Sequence[float], wrong: Sequence[int]) -> float | None:
    """Give the share of pairs of a wrong and a right item where the wrong one scores higher; None: no pair.

    Ties count half; it is the Mann-Whitney statistic, from average ranks.
    """
    _check(scores, wrong)
    is_wrong = _booleans(wrong)
    n_wrong, n_right = int(is_wrong.sum()), int((~is_wrong).sum())
    if n_wrong == 0 or n_right == 0:
        return None
    rank_sum = float(average_ranks(scores)[is_wrong].sum())
    return (rank_sum - n_wrong * (n_wrong + 1) / 2) / (n_wrong * n_right)


def calibration(
    score: str,
    values: Sequence[float | None],
    *,
    wrong: Sequence[int],
    student_tokens: float | None = None,
    seed: int = 0,
    resamples: int = 2000,
) -> Calibration:
    """Measure one score."""
    if len(values) != len(wrong):
        raise ValueError(f"score {score!r} has {len(values)} values for {len(wrong)} items; give one an item")
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    has_score = ~np.isnan(numbers)
    kept, is_wrong = numbers[has_score], _booleans(wrong)[has_score]
    ranked = auroc(kept.tolist(), is_wrong.astype(int).tolist())
    correlated = rank_correlation(kept.tolist(), is_wrong.astype(float).tolist())
    drawn = None if ranked is None else _resampled(kept, is_wrong, seed=seed, resamples=resamples)
    return Calibration(
        score=score,
        n=len(kept),
        without_score=len(values) - len(kept),
        wrong=int(is_wrong.sum()),
        auroc=ranked,
        auroc_ci95=None if drawn is None else _ends(drawn[0]),
        rank_correlation=correlated,
        rank_correlation_ci95=None if drawn is None or correlated is None else _ends(drawn[1]),
        student_tokens_per_item=None
        if student_tokens is None or not values
        else student_tokens / len(values),
    )


def calibration_rows(
    scores: Mapping[str, Sequence[float | None]],
    wrong: Sequence[int],
    *,
    student_tokens: Mapping[str, float] | None = None,
    seed: int = 0,
) -> list[dict[str, Json]]:
    """Make the rows of a table that holds many scores against the same items.

    Args:
        scores: The values by name, one an item; see `calibration`.
        wrong: One an item, 0 or 1.
        student_tokens: By score, over all items; a score that is absent was not counted.
        seed: Of the bootstrap, the same resamples' seed for every score.

    Returns:
        One row a score, in the given order; the entries are the fields of `Calibration`.
    """
    tokens = student_tokens or {}
    return [
        calibration(name, values, wrong=wrong, student_tokens=tokens.get(name), seed=seed).to_json()
        for name, values in scores.items()
    ]


def _check(left: Sequence[float], right: Sequence[float]) -> None:
    if len(left) != len(right):
        raise ValueError(f"{len(left)} and {len(right)} values are not pairs; give one of each an item")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError("a value is not finite and has no rank; leave such items out, and say how many")


def _booleans(wrong: Sequence[int]) -> np.ndarray:
    found = np.asarray(wrong, dtype=float)
    if not np.isin(found, (0, 1)).all():
        raise ValueError("wrongness is 0 or 1 for each item; an unreadable answer is wrong")
    return found == 1


def _resampled(
    values: np.ndarray, is_wrong: np.ndarray, *, seed: int, resamples: int
) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and rank correlation of resamples; NaN where a resample has none.

    Drawing items comes to drawing how many there are of each value, right and wrong.
    """
    _, place = np.unique(values, return_inverse=True)
    levels, n = int(place.max()) + 1, len(values)
    cells, of_cell = np.unique(place * 2 + is_wrong, return_inverse=True)
    share = np.bincount(of_cell) / n  # (cells, )
    rng = np.random.default_rng(seed)
    found = []
    for start in range(0, resamples, _AT_ONCE):
        drawn = rng.multinomial(n, share / share.sum(), size=min(_AT_ONCE, resamples - start))  # (R, cells)
        table = np.zeros((len(drawn), levels * 2))
        table[:, cells] = drawn
        found.append(_from_counts(table[:, 0::2], table[:, 1::2]))
    return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])


def _from_counts(right: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both figures of each row of counts by level, each of shape (R, levels)."""
    n_right, n_wrong = right.sum(1), wrong.sum(1)  # (R, )
    both = right + wrong
    rank = np.cumsum(both, axis=1) - (both - 1) / 2  # (R, levels), of an item at each level
    n = n_right + n_wrong
    rank_sum = (wrong * rank).sum(1)
    spread = (both * (rank - (n[:, None] + 1) / 2) ** 2).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ranked = (rank_sum - n_wrong * (n_wrong + 1) / 2) / (n_wrong * n_right)
        # Ranks of a 0/1 vector lie on a line through it, so wrongness itself stands for its ranks.
        correlated = (rank_sum - n_wrong * (n + 1) / 2) / np.sqrt(spread * n_wrong * n_right / n)
    has_pair = (n_wrong > 0) & (n_right > 0)
    return np.where(has_pair, ranked, np.nan), np.where(has_pair & (spread > 0), correlated, np.nan)


def _ends(drawn: np.ndarray) -> tuple[float, float] | None:
    usable = drawn[~np.isnan(drawn)]
    if len(usable) < len(drawn) / 2:
        return None
    low, high = np.quantile(usable, [0.025, 0.975])
    return float(low), float(high)
