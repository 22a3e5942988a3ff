"""Find the nearest of a list of texts by the words they share."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bm25s import BM25

__all__ = ["Nearest", "words"]

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
        found = [words(text) for text in texts]
        # Numbered here by first sight: a set's order would change from process to process.
        distinct = dict.fromkeys(word for text in found for word in text)
        self._number = {word: i for i, word in enumerate(distinct)}
        self._n = len(found)
        # Without a single word there is no mean length to divide by, and nothing that could be found.
        self._index = _index(found, self._number) if self._number else None

    def find(self, text: str, n: int) -> list[tuple[int, float]]:
        """Find the texts nearest to one."""
        if n < 0:
            raise ValueError(f"cannot find {n} texts; ask for 0 or more")
        known = [self._number[word] for word in words(text) if word in self._number]
        scores = np.zeros(self._n)
        if self._index is not None and known:
            scores = self._index.get_scores_from_ids(known)
        best = np.argsort(-scores, kind="stable")[:n]
        return [(int(i), float(scores[i])) for i in best]


def words(text: str) -> list[str]:
    """Take the words of a text, without regard to case and to forms of characters."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _index(texts: Sequence[Sequence[str]], number: dict[str, int]) -> BM25:
    # Here, for most runs look nothing up.
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)
    # 64 bits and plain numpy: equal scores on every machine, whatever else is installed there.
    index = bm25s.BM25(dtype="float64", backend="numpy", csc_backend="numpy")
    ids = [[number[word] for word in text] for text in texts]
    index.index((ids, dict(number)), show_progress=False)
    return index
