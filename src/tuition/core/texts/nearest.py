"""Find the nearest of a list of texts by the words they share, and the texts that nearly repeat another."""

from __future__ import annotations

import functools
import math
import re
import unicodedata
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import nlargest
from itertools import pairwise

import numpy as np

__all__ = ["Nearest", "near_repeats", "words"]

_WORD = re.compile(r"\w+")
_K1, _B = 1.5, 0.75
_MOST_COUNTED = 2**16 - 1
"""Of one word in one text, as two bytes hold it."""
_CHUNK = 1 << 20
"""Entries of the index that are sorted at once: its memory is what is held, and a little."""
_LEAST_WORDS = 6
_BANDS, _ROWS = 20, 3
"""Of a signature. Of texts that share 70 % of their pairs, one in 4,000 is missed; where all others follow
the same pattern, two in a hundred (1,000 texts that share 60 % with one another)."""
_HELD, _MOST = 100, 20
"""Texts that are kept of those with one band, and candidates that are compared with one text."""
_FACTORS = np.random.default_rng(0).integers(1 << 63, size=(2, _BANDS * _ROWS), dtype=np.uint64) | np.uint64(
    1
)


class Nearest:
    """Finds the nearest among a fixed list of texts, a million of them in two gigabytes.

    Words are compared without regard to case; nothing is stemmed and no word is left out, for a rare word
    counts more anyway. A script that puts no spaces between words gives one long word, which seldom matches.

    Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), in the form
    of Lucene (k1 = 1.5, b = 0.75).
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # Words are numbered by first sight: a set's order would change from process to process.
        self._number: dict[str, int] = {}
        terms, counts, distinct, lengths = array("i"), array("H"), array("i"), array("i")
        for text in texts:
            found = Counter(words(text))
            terms.extend(self._number.setdefault(word, len(self._number)) for word in found)
            counts.extend(min(n, _MOST_COUNTED) for n in found.values())
            distinct.append(len(found))
            lengths.append(found.total())
        self._n = len(lengths)
        long = np.array(lengths, dtype=float)
        # Without a single word there is no mean length to divide by, and nothing that could be found.
        mean = (long.mean() if self._n else 0.0) or 1.0
        norms = _K1 * ((1 - _B) + _B * long / mean)
        self._lay(*(np.asarray(part) for part in (terms, counts, distinct)), norms=norms)

    def _lay(self, terms: np.ndarray, counts: np.ndarray, distinct: np.ndarray, *, norms: np.ndarray) -> None:
        """Put what stands by text, (entries, ), into the order of words, and score it."""
        ends = distinct.cumsum(dtype=np.int64)
        often = np.bincount(terms, minlength=len(self._number))
        rare = np.array([math.log(1 + (self._n - n + 0.5) / (n + 0.5)) for n in often.tolist()])
        self._starts = np.concatenate([[0], often.cumsum()])
        self._places = np.empty(len(terms), np.int32)
        self._scores = np.empty(len(terms))
        free = self._starts[:-1].copy()
        for begin in range(0, len(terms), _CHUNK):
            part = terms[begin : begin + _CHUNK]
            order = np.argsort(part, kind="stable")
            mine, count = part[order], counts[begin : begin + _CHUNK][order]
            to = free[mine] + np.arange(len(mine)) - np.searchsorted(mine, mine)
            places = np.searchsorted(ends, begin + order, side="right")
            self._places[to] = places
            self._scores[to] = rare[mine] * (count / (norms[places] + count))
            free += np.bincount(part, minlength=len(free))

    def scores(self, text: str) -> np.ndarray:
        """Score every text, (texts, ); 0 where no word is shared."""
        found = np.zeros(self._n)
        known = [self._number[word] for word in words(text) if word in self._number]
        if known:
            parts = [slice(self._starts[i], self._starts[i + 1]) for i in known]
            np.add.at(
                found, *(np.concatenate([of[part] for part in parts]) for of in (self._places, self._scores))
            )
        return found

    def find(self, text: str, n: int) -> list[tuple[int, float]]:
        """Find the texts nearest to one, with their scores; of equals the first."""
        if n < 0:
            raise ValueError(f"cannot find {n} texts; ask for 0 or more")
        scores = self.scores(text)
        best = np.arange(self._n)
        if 0 < n < self._n:
            # Sorting all of 100,000 takes three times as long as scoring them.
            least = np.partition(scores, self._n - n)[self._n - n]
            above = np.flatnonzero(scores > least)
            best = np.concatenate([above, np.flatnonzero(scores == least)[: n - len(above)]])
        best = best[np.argsort(-scores[best], kind="stable")][:n]
        return list(zip(best.tolist(), scores[best].tolist(), strict=True))


def words(text: str) -> list[str]:
    """Take the words of a text, without regard to case and to forms of characters."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def near_repeats(texts: Iterable[str], others: Sequence[str], *, least: float = 0.7) -> list[int]:
    """Find the texts that share so much of their pairs of words with one of the others.

    Source: Broder, On the Resemblance and Containment of Documents (1997): MinHash, here in bands, finds
    candidates; the share itself is exact.
    """
    places: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for i, other in enumerate(others):
        for band in enumerate(_bands(_pairs(other))):
            if len(places[band]) < _HELD:
                places[band].append(i)
    known = {pair for other in others for pair in pairwise(words(other))}
    found: list[int] = []
    for i, text in enumerate(texts if known else ()):
        mine = set(pairwise(words(text)))
        # A text of other pairs is none, whatever it is compared with.
        if len(mine & known) < least * len(mine):
            continue
        pairs = _pairs(text)
        # A band that few have says more than one of a pattern, which all have.
        near: defaultdict[int, float] = defaultdict(float)
        for band in enumerate(_bands(pairs)):
            held = places.get(band, ())
            for j in held:
                near[j] += 1 / len(held)
        sets = (_pairs(others[j]) for j in nlargest(_MOST, near, key=near.__getitem__))
        found += [i] * any(len(pairs & other) >= least * len(pairs | other) for other in sets)
    return found


# One kilobyte a text: more of them would be a part of what `check` takes.
@functools.lru_cache(1024)
def _pairs(text: str) -> frozenset[int]:
    found = words(text)
    if len(found) < _LEAST_WORDS:
        return frozenset()
    return frozenset(zlib.crc32(" ".join(pair).encode()) for pair in pairwise(found))


def _bands(pairs: frozenset[int]) -> list[bytes]:
    if not pairs:
        return []
    factors, more = _FACTORS
    hashes = np.fromiter(pairs, np.uint64, len(pairs))[:, None] * factors + more
    return [band.tobytes() for band in (hashes >> np.uint64(32)).min(axis=0).reshape(_BANDS, _ROWS)]
