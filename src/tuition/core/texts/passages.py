"""Find passages among a million by the words they share with a text, in two gigabytes."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from tuition.core.texts.nearest import words

__all__ = ["Passages"]

_K1, _B = 1.5, 0.75
_CHUNK = 1 << 20
"""Entries of the index that are sorted at once: its memory is what is held, and a little."""


class Passages:
    """Finds passages by BM25; `Nearest` keeps a score for each word of each text, this a count of one byte.

    Source: as `Nearest`, in the form of Lucene; equal scores up to rounding.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Index the passages, each once."""
        self.texts = list(dict.fromkeys(texts))
        self._number: dict[str, int] = {}
        terms, counts, distinct, lengths = array("i"), bytearray(), array("i"), array("i")
        for text in self.texts:
            found = Counter(words(text))
            terms.extend(self._number.setdefault(word, len(self._number)) for word in found)
            counts.extend(min(n, 255) for n in found.values())
            distinct.append(len(found))
            lengths.append(found.total())
        long = np.frombuffer(lengths, "i") if lengths else np.zeros(1, "i")
        self._norms = (_K1 * (1 - _B + _B * long / max(long.mean(), 1))).astype(np.float32)
        self._lay(
            *(np.frombuffer(part, kind) for part, kind in ((terms, "i"), (counts, "B"), (distinct, "i")))
        )

    def _lay(self, terms: np.ndarray, counts: np.ndarray, distinct: np.ndarray) -> None:
        """Put what stands by passage, (entries, ), into the order of words."""
        ends = distinct.cumsum(dtype=np.int64)
        self._starts = np.zeros(len(self._number) + 1, np.int64)
        self._places = np.empty(len(terms), np.int32)
        self._counts = np.empty(len(terms), np.uint8)
        np.cumsum(np.bincount(terms, minlength=len(self._number)), out=self._starts[1:])
        free = self._starts[:-1].copy()
        for begin in range(0, len(terms), _CHUNK):
            part = terms[begin : begin + _CHUNK]
            order = np.argsort(part, kind="stable")
            mine = part[order]
            to = free[mine] + np.arange(len(mine)) - np.searchsorted(mine, mine)
            self._places[to] = np.searchsorted(ends, begin + order, side="right")
            self._counts[to] = counts[begin : begin + _CHUNK][order]
            free += np.bincount(part, minlength=len(free))

    def scores(self, text: str) -> np.ndarray:
        """Score every passage, (passages, )."""
        found = np.zeros(len(self.texts))
        for word, n in Counter(words(text)).items():
            if (i := self._number.get(word)) is None:
                continue
            part = slice(self._starts[i], self._starts[i + 1])
            where, count = self._places[part], self._counts[part].astype(np.float64)
            rare = math.log(1 + (len(self.texts) - len(where) + 0.5) / (len(where) + 0.5))
            found[where] += n * rare * count / (count + self._norms[where])
        return found

    def find(self, text: str, n: int) -> list[int]:
        """Find the passages nearest to a text, the nearest first; of equals the first, and none at 0."""
        scores = self.scores(text)
        n = min(n, len(scores))
        if n < 1:
            return []
        least = np.partition(scores, len(scores) - n)[len(scores) - n]
        best = np.flatnonzero((scores >= least) & (scores > 0))
        return best[np.argsort(-scores[best], kind="stable")][:n].tolist()

    def holding(self, text: str, others: Sequence[str]) -> str | None:
        """Find a passage that holds a text word for word, and another one besides; None: none does."""
        wanted = f" {' '.join(words(text))} "
        for i in self.find(text, 10) if wanted.strip() else ():
            held = f" {' '.join(words(self.texts[i]))} "
            before, found, after = held.partition(wanted)
            if found and any(f" {' '.join(words(other))} " in f"{before} | {after}" for other in others):
                return self.texts[i]
        return None
