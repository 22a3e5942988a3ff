"""The in-context example generator: which training examples a teacher is shown before the question.

Sees the training split alone, so that nothing of validation or test can reach a prompt.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from tuition.core.records import Example, content_id
from tuition.core.splits import fingerprint, once_a_split
from tuition.core.texts.nearest import Nearest

__all__ = ["Choice", "Demonstrations"]

Choice = Literal["random", "nearest", "fixed"]
"""How demonstrations are chosen: drawn anew for each question; those whose questions share the most telling
words with it; or the same for all."""


class _Split:
    """What may be shown of a training split: what has a label, each question once."""

    def __init__(self, train: tuple[Example, ...]) -> None:
        by_print = {fingerprint(item): item for item in reversed(train) if item.answer is not None}
        self.examples = list(reversed(by_print.values()))
        self.ids = Counter(item.id for item in self.examples)

    @cached_property
    def questions(self) -> Nearest:
        return Nearest([item.question for item in self.examples])


_split_of = once_a_split(_Split)


class Demonstrations:
    """Chooses k labelled examples of the training split for each question.

    Source: TinyLLM (arXiv 2402.04616), section on the in-context example generator, which draws at random;
    the nearest are as in What Makes Good In-Context Examples for GPT-3? (arXiv 2101.06804).

    Differs: repeats of a question in the training split are never shown to it either; nearness is BM25 over
    the questions' words, where that paper compares sentence embeddings.
    """

    def __init__(self, train: Sequence[Example], *, k: int, seed: int, by: Choice = "random") -> None:
        self._split = _split_of(train if k else ())
        self._pool = self._split.examples
        self._k = k
        self._seed = seed
        self._by = by
        shuffling = random.Random(content_id([seed, "fixed"]))
        self._fixed = shuffling.sample(self._pool, len(self._pool)) if by == "fixed" else []

    def draw(self, example: Example) -> tuple[Example, ...]:
        """Choose the demonstrations of one question.

        The choice depends on the seed and the question alone, not on what was chosen before.
        """
        own = fingerprint(example)
        # So many of the pool can be the question: those of its id, and one of its content.
        n = min(self._k + self._split.ids[example.id] + 1, len(self._pool))
        match self._by:
            case "random":
                chosen = random.Random(content_id([self._seed, own])).sample(self._pool, n)
            case "nearest":
                found = self._split.questions.find(example.question, n) if n else []
                chosen = [self._pool[i] for i, _ in found]
            case "fixed":
                chosen = self._fixed[:n]
        fit = [item for item in chosen if fingerprint(item) != own and item.id != example.id]
        return tuple(fit[: self._k])
