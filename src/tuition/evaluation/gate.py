"""Whether to trust an answer or to ask somebody better: thresholds, and what they bring and cost.

Knows scores, right and wrong, and money; knows no student and no teacher.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuition.core.records import Json, Record
from tuition.evaluation.accuracy import wilson

__all__ = [
    "CascadePoint",
    "Isotonic",
    "Threshold",
    "cascade_points",
    "cheapest_point",
    "isotonic",
    "judge",
    "known_score",
    "override_rows",
    "point_at",
    "recall",
    "threshold_for",
]

_BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Bounds of the bins of confidence; a bin holds its lower one, and the last one both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isotonic(Record):
    """How likely an item is right, as a step function of its score that never falls."""

    edges: tuple[float, ...]
    """The least score of each step, rising."""
    shares: tuple[float, ...]
    """Share of right items on each step, rising."""

    def __call__(self, score: float | None) -> float:
        """Give the probability that an item of this score is right; one without a score is wrong."""
        if score is None:
            return 0.0
        return self.shares[max(0, bisect_right(self.edges, score) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(Record):
    """From which score on an answer is kept, and what that came to where it was chosen."""

    value: float | None
    """The least score that is kept; None: no score reaches the target, so nothing is kept."""
    target: float
    """Wanted accuracy of what is kept."""
    n: int
    """Items it was chosen on."""
    kept: int
    """Those at or above it."""
    accuracy: float | None
    """Share of right ones among the kept; None: nothing is kept."""
    ci95: tuple[float, float] | None
    """Wilson interval of that share; it does not know that the threshold was chosen on the same items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadePoint(Record):
    """What a cascade of student and teacher does at one threshold."""

    threshold: float | None
    """The student's answer is kept from this score on; None: the teacher is always asked."""
    asked: float
    """Share of the requests that the teacher gets."""
    accuracy: float
    usd_per_1000: float
    """What the teacher costs for 1,000 requests."""


def isotonic(scores: Sequence[float | None], right: Sequence[bool | int]) -> Isotonic:
    """Fit the probability of being right as a function of the score that never falls; no score: left out.

    Source: pool adjacent violators (Ayer et al. 1955).
    """
    pairs = sorted((s, int(r)) for s, r in zip(scores, right, strict=True) if s is not None)
    if not pairs:
        raise ValueError("no item has a score, so there is nothing to calibrate")
    blocks: list[list[float]] = []  # of each: least score, right ones, items
    for score, hit in pairs:
        if blocks and blocks[-1][0] == score:
            blocks[-1][1:] = [blocks[-1][1] + hit, blocks[-1][2] + 1]
        else:
            # Equal scores are one block before it is compared, for their order says nothing.
            _pool(blocks)
            blocks.append([score, hit, 1])
    _pool(blocks)
    return Isotonic(
        edges=tuple(block[0] for block in blocks), shares=tuple(block[1] / block[2] for block in blocks)
    )


def _pool(blocks: list[list[float]]) -> None:
    """Join the last blocks as long as a later one is no better than the one before."""
    while len(blocks) > 1 and blocks[-1][1] * blocks[-2][2] <= blocks[-2][1] * blocks[-1][2]:
        _, hits, n = blocks.pop()
        blocks[-1][1:] = [blocks[-1][1] + hits, blocks[-1][2] + n]


def threshold_for(
    scores: Sequence[float | None], right: Sequence[bool | int], *, target: float, least: int = 1
) -> Threshold:
    """Choose the lowest score from which on answers are right as often as wanted.

    Candidates are the steps of the isotonic fit alone, so that a lucky run of neighbours chooses nothing.
    """
    known = np.array([math.nan if score is None else score for score in scores])
    hits = np.asarray(right, dtype=bool)
    for edge in isotonic(scores, right).edges:
        kept = known >= edge
        n, share = int(kept.sum()), float(hits[kept].mean())
        if share >= target and n >= least:
            ends = wilson(int(hits[kept].sum()), n)
            return Threshold(value=edge, target=target, n=len(hits), kept=n, accuracy=share, ci95=ends)
    return Threshold(value=None, target=target, n=len(hits), kept=0, accuracy=None, ci95=None)


def recall(draft: str, golds: Sequence[str]) -> float:
    """Give the share of right answers that a draft holds, word for word, but for case, signs and articles."""

    def plain(text: str) -> str:
        words = re.findall(r"\w+", text.lower())
        return f" {' '.join(word for word in words if word not in ('a', 'an', 'the'))} "

    return sum(plain(gold) in plain(draft) for gold in golds) / len(golds)


def known_score(known: float) -> float:
    """Give the judge's score of a draft, NLL(known) less NLL(unknown); below 0 it is taken for known.

    Source: SlimPLM (arXiv 2402.12052).
    """
    if known in (0.0, 1.0):
        return -math.inf if known else math.inf
    return math.log1p(-known) - math.log(known)


def judge(
    scores: Sequence[float | None],
    drafts: Sequence[str],
    *,
    golds: Sequence[Sequence[str]],
    above: float = 0.5,
) -> Isotonic:
    """Learn from labelled drafts how likely one is known, given how sure its writer was.

    Source: SlimPLM (arXiv 2402.12052): a draft is known where its recall is above a half.
    Differs: the judge reads the draft's confidence alone and is no fine-tuned language model.
    """
    return isotonic(scores, [recall(*pair) > above for pair in zip(drafts, golds, strict=True)])


def cascade_points(
    scores: Sequence[float | None],
    student_right: Sequence[bool | int],
    *,
    teacher_right: Sequence[bool | int],
    usd: Sequence[float],
) -> list[CascadePoint]:
    """Give what a cascade comes to with each score as threshold, by rising money; the last asks always."""
    known = np.array([-math.inf if score is None else score for score in scores])
    student, teacher, money = (
        np.asarray(column, dtype=float) for column in (student_right, teacher_right, usd)
    )
    points = []
    for edge in [*(float(value) for value in np.unique(known[known > -math.inf])), None]:
        asks = np.ones(len(known), dtype=bool) if edge is None else known < edge
        points.append(
            CascadePoint(
                threshold=edge,
                asked=float(asks.mean()),
                accuracy=float(np.where(asks, teacher, student).mean()),
                usd_per_1000=float((money * asks).mean() * 1000),
            )
        )
    return points


def cheapest_point(points: Sequence[CascadePoint], *, accuracy: float) -> CascadePoint | None:
    """Choose the cheapest point that is at least so accurate, of equals the best; None: none is."""
    fit = [point for point in points if point.accuracy >= accuracy - 1e-12]
    return min(fit, key=lambda point: (point.usd_per_1000, -point.accuracy), default=None)


def point_at(points: Sequence[CascadePoint], threshold: float | None) -> CascadePoint:
    """Give what a threshold comes to: between two scores it does the same as the upper one."""
    at = (one for one in points if one.threshold is not None and threshold is not None)
    return next((one for one in at if (one.threshold or 0) >= (threshold or 0)), points[-1])


def override_rows(
    confidence: Sequence[float | None],
    is_changed: Sequence[bool],
    *,
    student_right: Sequence[bool | int],
    teacher_right: Sequence[bool | int],
) -> list[dict[str, Json]]:
    """Say by bin of confidence how often a teacher departs from a student's answer, and who is right.

    The bin without bounds has the items without a confidence.
    """
    bins: dict[int, list[tuple[bool, ...]]] = {}
    for sure, *facts in zip(confidence, is_changed, student_right, teacher_right, strict=True):
        place = 0 if sure is None else min(bisect_right(_BINS, sure), len(_BINS) - 1)
        bins.setdefault(place, []).append(tuple(map(bool, facts)))
    rows: list[dict[str, Json]] = []
    for place, inside in sorted(bins.items()):
        changed, student, teacher = (sum(column) / len(inside) for column in zip(*inside, strict=True))
        low, high = (_BINS[place - 1], _BINS[place]) if place else (None, None)
        rows.append(
            {"from": low, "to": high, "n": len(inside)}
            | {"override": changed, "student": student, "teacher": teacher}
        )
    return rows
