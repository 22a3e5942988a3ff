"""Find the nearest of a list of texts by the words they share, and the texts that nearly repeat another."""

from __future__ import annotations

import functools
import logging
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bm25s import BM25

__all__ = ["Nearest", "near_repeats", "words"]

_WORD = re.compile(r"\w+")
_LEAST_WORDS = 6
_BANDS, _ROWS = 20, 3
"""Of a signature. Of texts that share 70 % of their pairs, one in 4,000 is missed."""
_MOST = 20
"""Texts that are kept of those with one band, and candidates that are compared with one text: where all
follow one pattern, any of them will do."""
_FACTORS = np.random.default_rng(0).integers(1 << 63, size=(2, _BANDS * _ROWS), dtype=np.uint64) | np.uint64(
    1
)


class Nearest:
    """Finds the nearest among a fixed list of texts.

    Words are compared without regard to case; nothing is stemmed and no word is left out, for a rare word
    counts more anyway. A script that puts no spaces between words gives one long word, which seldom matches.

    Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), in the form
    of Lucene (k1 = 1.5, b = 0.75), computed by bm25s.
    """

    def __init__(self, texts: Sequence[str]) -> None:
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
        best = np.arange(self._n)
        if 0 < n < self._n:
            # Of equals the first: sorting all of 100,000 takes three times as long as scoring them.
            least = np.partition(scores, self._n - n)[self._n - n]
            above = np.flatnonzero(scores > least)
            best = np.concatenate([above, np.flatnonzero(scores == least)[: n - len(above)]])
        best = best[np.argsort(-scores[best], kind="stable")][:n]
        return list(zip(best.tolist(), scores[best].tolist(), strict=True))


def words(text: str) -> list[str]:
    """Take the words of a text, without regard to case and to forms of characters."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _index(texts: Sequence[Sequence[str]], number: dict[str, int]) -> BM25:
    # Here, for most pairs look nothing up.
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)
    # 64 bits and plain numpy: equal scores on every machine, whatever else is installed there.
    index = bm25s.BM25(dtype="float64", backend="numpy", csc_backend="numpy")
    ids = [[number[word] for word in text] for text in texts]
    index.index((ids, dict(number)), show_progress=False)
    return index


def near_repeats(texts: Iterable[str], others: Sequence[str], *, least: float = 0.7) -> list[int]:
    """Find the texts that share so much of their pairs of words with one of the others.

    Source: Broder, On the Resemblance and Containment of Documents (1997): MinHash, here in bands, finds
    candidates; the share itself is exact.
    """
    places: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for i, other in enumerate(others):
        for band in enumerate(_bands(_pairs(other))):
            if len(places[band]) < _MOST:
                places[band].append(i)
    known = {pair for other in others for pair in pairwise(words(other))}
    found: list[int] = []
    for i, text in enumerate(texts if known else ()):
        mine = set(pairwise(words(text)))
        # A text of other pairs is none, whatever it is compared with.
        if len(mine & known) < least * len(mine):
            continue
        pairs = _pairs(text)
        near = Counter(j for band in enumerate(_bands(pairs)) for j in places.get(band, ()))
        sets = (_pairs(others[j]) for j, _ in near.most_common(_MOST))
        found += [i] * any(len(pairs & other) >= least * len(pairs | other) for other in sets)
    return found


@functools.lru_cache(4096)
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
