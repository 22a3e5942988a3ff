"""Score what a student recalls, how it uses it, and its answer apart. Knows texts and grades, no student.

Source: FAC²E (arXiv 2403.00126), in its abstract and summaries: a question is answered in three steps, and
the first two are scored by their likeness to reference texts.

Differs: likeness is the F1 of words, which can be checked by hand; the paper's is a trained measure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tuition.core.records import Record
from tuition.core.texts.nearest import words
from tuition.evaluation.compare import mcnemar

__all__ = ["Stepped", "StepwiseRow", "advice_of", "stepwise_rows", "token_f1"]


def token_f1(text: str, reference: str) -> float:
    """Give the F1 of the words that two texts share, each as often as it stands in both; in [0, 1]."""
    said, wanted = Counter(words(text)), Counter(words(reference))
    shared = (said & wanted).total()
    return 2 * shared / (said.total() + wanted.total()) if shared else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped(Record):
    """One question in three steps."""

    example_id: str
    domain: str
    recalled: str
    """What the student says one must know."""
    used: str
    """How it gets from there to an answer."""
    recall: float
    """Likeness of the first to the reference knowledge."""
    use: float | None
    """Likeness of the second to the reference steps; None: there are none."""
    is_right: bool
    """Its answer behind its own two texts."""
    is_right_told: bool
    """The same where the reference knowledge stands in the place of what it recalled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepwiseRow(Record):
    """What the questions of a domain come to; `all` is every question."""

    domain: str
    n: int
    recall: float
    use: float | None
    answer: float
    """Share of right answers."""
    told: float
    """The same with the reference knowledge."""
    gain: float
    """The second less the first."""
    p: float
    """Exact McNemar of the two."""


def stepwise_rows(items: Sequence[Stepped]) -> list[StepwiseRow]:
    """Average over all questions and over those of each domain."""
    groups = {"all": list(items)}
    for item in items:
        if item.domain:
            groups.setdefault(item.domain, []).append(item)
    rows: list[StepwiseRow] = []
    for name, group in groups.items():
        used = [item.use for item in group if item.use is not None]
        own, told = sum(item.is_right for item in group), sum(item.is_right_told for item in group)
        both = sum(item.is_right and item.is_right_told for item in group)
        rows.append(
            StepwiseRow(
                domain=name,
                n=len(group),
                recall=sum(item.recall for item in group) / len(group),
                use=sum(used) / len(used) if used else None,
                answer=own / len(group),
                told=told / len(group),
                gain=(told - own) / len(group),
                p=mcnemar(own - both, told - both),
            )
        )
    return rows


def advice_of(row: StepwiseRow) -> str:
    """Say in one sentence what the injected knowledge speaks for."""
    if row.gain > 0 and row.p <= 0.05:
        return "It answers better once it is told what it must know: it lacks knowledge, which passages give."
    if row.told < 1:
        return (
            "Knowledge alone does not mend its answers: it lacks practice in using it, which rationales give."
        )
    return "It answers every question once it is told what it must know, and hardly fewer by itself."
