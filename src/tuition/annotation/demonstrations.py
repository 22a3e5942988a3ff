"""The in-context example generator: which training examples a teacher is shown before the question.

Sees the training split alone, so that nothing of validation or test can reach a prompt.
"""

from __future__ import annotations

import logging
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from tuition.core.records import Example, content_id
from tuition.core.splits import fingerprint

if TYPE_CHECKING:
    from bm25s import BM25

__all__ = ["Choice", "Demonstrations", "Nearest"]

_WORD = re.compile(r"\w+")


class Nearest:
    """Finds the nearest among a fixed list of texts.

    Words are compared without regard to case; nothing is stemmed and no word is left out, for a rare word
    counts more anyway. A script that puts no spaces between words gives one long word, which seldom matches.

    Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), in the form
    of Lucene (k1 = 1.5, b = 0.75), computed by bm25s.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Index the texts."""
        words = [_words(text) for text in texts]
        # Numbered here by first sight: a set's order would change from process to process.
        distinct = dict.fromkeys(word for text in words for word in text)
        self._number = {word: i for i, word in enumerate(distinct)}
        self._n = len(words)
        # Without a single word there is no mean length to divide by, and nothing that could be found.
        self._index = _index(words, self._number) if self._number else None

    def find(self, text: str, n: int) -> list[tuple[int, float]]:
        """Find the texts nearest to one."""
        if n < 0:
            raise ValueError(f"cannot find {n} texts; ask for 0 or more")
        known = [self._number[word] for word in _words(text) if word in self._number]
        scores = np.zeros(self._n)
        if self._index is not None and known:
            scores = self._index.get_scores_from_ids(known)
        best = np.argsort(-scores, kind="stable")[:n]
        return [(int(i), float(scores[i])) for i in best]


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _index(words: Sequence[Sequence[str]], number: dict[str, int]) -> BM25:
    # Here, for most runs look nothing up.
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)
    # 64 bits and plain numpy: equal scores on every machine, whatever else is installed there.
    index = bm25s.BM25(dtype="float64", backend="numpy", csc_backend="numpy")
    ids = [[number[word] for word in text] for text in words]
    index.index((ids, dict(number)), show_progress=False)
    return index


Choice = Literal["random", "nearest", "fixed"]
"""How demonstrations are chosen: drawn anew for each question; those whose questions share the most telling
words with it; or the same for all."""


class Demonstrations:
    """Chooses k labelled examples of the training split for each question.

    Source: TinyLLM (arXiv 2402.04616), section on the in-context example generator, which draws at random;
    the nearest are as in What Makes Good In-Context Examples for GPT-3? (arXiv 2101.06804).

    Differs: repeats of a question in the training split are never shown to it either; nearness is BM25 over
    the questions' words, where that paper compares sentence embeddings.
    """

    def __init__(self, train: Sequence[Example], *, k: int, seed: int, by: Choice = "random") -> None:
        """Prepare the training split."""
        by_print = (
            {fingerprint(item): item for item in reversed(train) if item.answer is not None} if k else {}
        )
        self._pool = list(reversed(by_print.items()))
        self._ids = Counter(item.id for _, item in self._pool)
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
        n = min(self._k + self._ids[example.id] + 1, len(self._pool))
        match self._by:
            case "random":
                chosen = random.Random(content_id([self._seed, own])).sample(self._pool, n)
            case "nearest":
                chosen = [self._pool[i] for i, _ in self._index.find(example.question, n)] if n else []
            case "fixed":
                chosen = self._fixed[:n]
        fit = [item for mark, item in chosen if mark != own and item.id != example.id]
        return tuple(fit[: self._k])

    @cached_property
    def _index(self) -> Nearest:
        return Nearest([item.question for _, item in self._pool])
