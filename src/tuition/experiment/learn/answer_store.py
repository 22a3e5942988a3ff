"""A store of texts with the shares of teachers' answers, and what a student learns to find in it.

Source: in the style of RetriKT (arXiv 2310.15594); docs/recipes/related.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tuition.core.config import Section
from tuition.core.protocols import Learner
from tuition.core.records import Example, Prediction, Target
from tuition.core.texts.passages import Passages
from tuition.experiment.targets import asked_to_find, question_text, relevance, taught_to_find

__all__ = ["Retrieval", "Shares", "Store", "mixed", "retrieval_targets", "shares_of"]

Shares = Mapping[str, float]
"""What share of the teachers' answers each answer has."""


class Retrieval(Section):
    """How entries of the store are found."""

    candidates: Annotated[int, Field(ge=2)] = 8
    """Entries that the student orders, the nearest by BM25; in training half of them, others at random."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.2
    """τ of the teachers' relevance, a softmax over cosines between shares."""
    by: Literal["student", "words"] = "student"
    """What weighs them at the end: the student, or BM25 alone; the student is trained in both cases."""
    shares: Literal["teachers", "labels"] = "teachers"
    """What stands beside a text: how the teachers' answers are shared, or its label alone."""


def mixed(weights: Sequence[float] | np.ndarray, shares: Sequence[Shares]) -> dict[str, float]:
    """Give Σ ρ_j·p_j, by answer."""
    found: defaultdict[str, float] = defaultdict(float)
    for weight, one in zip(weights, shares, strict=True):
        for answer, share in one.items():
            found[answer] += float(weight) * share
    return dict(found)


class Store:
    """Texts with the shares of the teachers' answers; entries may be added without any training."""

    def __init__(self, entries: Mapping[str, Shares]) -> None:
        self.entries = dict(entries)
        self._texts = Passages(self.entries)

    def find(self, text: str, n: int, *, but: str = "") -> list[str]:
        """Find the nearest texts, without one of them."""
        near = [self._texts.texts[i] for i in self._texts.find(text, n + 1)]
        return [one for one in near if one != but][:n]

    def answers(self, student: Learner | None, examples: Sequence[Example], *, n: int) -> list[Prediction]:
        """Answer questions by the entries that a student finds; None: by BM25 alone."""
        near = [self._texts.find(question_text(one), n) for one in examples]
        found = [[self._texts.texts[j] for j in places] for places in near]
        several = [i for i, texts in enumerate(found) if len(texts) > 1]
        if student is None:
            scores = [self._texts.scores(question_text(examples[i]))[near[i]] for i in several]
        else:
            scores = student.score_options([asked_to_find(examples[i], found[i]) for i in several])
        weights = {i: relevance(row) for i, row in zip(several, scores, strict=True)}
        said: list[Prediction] = []
        for i, (one, texts) in enumerate(zip(examples, found, strict=True)):
            shares = mixed(weights.get(i, (1.0,) * len(texts)), [self.entries[text] for text in texts])
            # A question with choices gets one of them.
            known = {answer: p for answer, p in shares.items() if not one.choices or answer in one.choices}
            best = max(known, key=known.__getitem__, default=None)
            sure = None if best is None else known[best]
            said.append(Prediction(example_id=one.id, text="", answer=best, confidence=sure))
        return said


def retrieval_targets(
    examples: Sequence[Example], store: Store, *, table: Retrieval, seed: int
) -> list[Target]:
    """Make what the student learns: entries as options, softmax(cos(p_x, p_j)/τ) as soft labels."""
    targets: list[Target] = []
    texts = list(store.entries)
    for one in examples:
        text, draw = question_text(one), Random(f"{seed}/{one.id}/retrieve")
        if text not in store.entries or len(texts) < 3:
            continue
        found = dict.fromkeys(store.find(text, table.candidates // 2, but=text))
        # Without the question and those found, enough of the drawn texts are left.
        drawn = draw.sample(texts, min(len(texts), table.candidates + 1))
        rest = [other for other in drawn if other != text and other not in found]
        found |= dict.fromkeys(rest[: table.candidates - len(found)])
        options = draw.sample(list(found), len(found))
        like = [_cosine(store.entries[text], store.entries[other]) for other in options]
        targets.append(taught_to_find(one, options, like, temperature=table.temperature))
    return targets


def _cosine(one: Shares, other: Shares) -> float:
    dot = sum(share * other.get(answer, 0.0) for answer, share in one.items())
    return dot / float(np.linalg.norm(list(one.values())) * np.linalg.norm(list(other.values())))


def shares_of(answered: Sequence[tuple[Example, str | None]]) -> dict[str, Shares]:
    """Count the answers to each text; one that cannot be read counts nowhere."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example, answer in answered:
        if answer is not None:
            counts[question_text(example)][answer] += 1
    return {
        text: {answer: n / votes.total() for answer, n in votes.items()} for text, votes in counts.items()
    }
