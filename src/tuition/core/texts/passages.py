"""Passages that stand beside questions: found by the words they share with a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tuition.core.texts.nearest import Nearest, words

__all__ = ["Passages"]


class Passages:
    """Finds passages, and tells the one that gives an answer away."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Index the passages, each once."""
        self.texts = list(dict.fromkeys(texts))
        self._nearest = Nearest(self.texts)

    def scores(self, text: str) -> np.ndarray:
        """Score every passage, (passages, )."""
        return self._nearest.scores(text)

    def find(self, text: str, n: int) -> list[int]:
        """Find the passages nearest to a text, the nearest first; of equals the first, and none at 0."""
        return [i for i, score in self._nearest.find(text, n) if score]

    def holding(self, text: str, others: Sequence[str]) -> str | None:
        """Find a passage that holds a text word for word, and another one besides; None: none does."""
        wanted = f" {' '.join(words(text))} "
        for i in self.find(text, 10) if wanted.strip() else ():
            held = f" {' '.join(words(self.texts[i]))} "
            before, found, after = held.partition(wanted)
            if found and any(f" {' '.join(words(other))} " in f"{before} | {after}" for other in others):
                return self.texts[i]
        return None
