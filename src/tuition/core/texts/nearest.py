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
from itertools import pairwise

import numpy as np

__all__ = ["Nearest", "near_repeats", "words"]

_WORD = re.compile(r"\w+")
_K1, _B = 1.5, 0.75
_MANY = 20_000
"""From so many texts on, those that cannot be near are left out; of fewer, all are scored faster."""
_COMMON = 1 / 8
"""Share of the texts above which a word is common: its scores are kept for every text."""
_ROUNDING = 1 - 1e-9
"""What sums in another order may differ by."""
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
    of Lucene (k1 = 1.5, b = 0.75). Texts that cannot be among the nearest are left out as in Turtle and
    Flood, Query Evaluation: Strategies and Optimizations (1995), which changes no result.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Index the texts."""
        self._number: dict[str, int] = {}
        ids, lengths = array("q"), array("q")
        for text in texts:
            found = words(text)
            # Numbered by first sight: a set's order would change from process to process.
            ids.extend([self._number.setdefault(word, len(self._number)) for word in found])
            lengths.append(len(found))
        self._n, long = len(lengths), np.array(lengths)
        places = np.array(ids) * self._n + np.repeat(np.arange(self._n), long)
        # Each word of each text, once: the word's number times the number of texts, plus the text's.
        places, tf = np.unique(places, return_counts=True)
        word, self._text = np.divmod(places, max(1, self._n))
        self._starts = np.searchsorted(word, np.arange(len(self._number) + 1)).tolist()
        frequency = np.diff(self._starts).tolist()
        idf = [math.log(1 + (self._n - df + 0.5) / (df + 0.5)) for df in frequency]
        dampened = _K1 * ((1 - _B) + _B * long / (long.mean() if ids else 1.0))
        self._scores = np.array(idf)[word] * (tf / (dampened[self._text] + tf)) if ids else np.zeros(0)
        self._highest = np.maximum.reduceat(self._scores, self._starts[:-1]).tolist() if ids else []
        self._columns: dict[int, np.ndarray] = {}
        for word in (i for i, df in enumerate(frequency) if df > _COMMON * self._n):
            self._columns[word] = np.zeros(self._n)
            self._columns[word][self._text[self._mine(word)]] = self._scores[self._mine(word)]
        self._sums = np.zeros(self._n)
        """All 0 between two searches."""

    def find(self, text: str, n: int) -> list[tuple[int, float]]:
        """Find the texts nearest to one."""
        if n < 0:
            raise ValueError(f"cannot find {n} texts; ask for 0 or more")
        asked = [self._number[word] for word in words(text) if word in self._number]
        near = self._possible(asked, n) if self._n >= _MANY and n else None
        scores = self._scored(asked, near)
        near = np.arange(self._n) if near is None else near
        if n < len(near):
            # The highest in any order, of equal ones the first.
            least = _nth(scores, n)
            above = np.flatnonzero(scores > least)
            best = np.concatenate([above, np.flatnonzero(scores == least)[: n - len(above)]])
            near, scores = near[best], scores[best]
        order = np.argsort(-scores, kind="stable")
        return list(zip(near[order].tolist(), scores[order].tolist(), strict=True))

    def _mine(self, word: int) -> slice:
        """Where the texts of a word stand."""
        return slice(self._starts[word], self._starts[word + 1])

    def _scored(self, asked: Sequence[int], near: np.ndarray | None) -> np.ndarray:
        """Score some texts, or all (None), word by word in the order of the question."""
        scores = np.zeros(self._n if near is None else len(near))
        for word in asked:
            column, mine = self._columns.get(word), self._mine(word)
            texts = self._text[mine]
            if column is not None:
                scores += column if near is None else column[near]
            elif near is None:
                scores[texts] += self._scores[mine]
            else:
                at = texts.searchsorted(near).clip(max=len(texts) - 1)
                scores += np.where(texts[at] == near, self._scores[mine][at], 0.0)
        return scores

    def _possible(self, asked: Sequence[int], n: int) -> np.ndarray | None:
        """Find the texts that may be among the nearest, in order; None: any of them may.

        Words that bring most are looked at first. A text that has none of them scores at most what the rest
        brings; where so many others are known to score more, it is out.
        """
        counts = Counter(asked)
        most = {word: count * self._highest[word] for word, count in counts.items()}
        common = counts.keys() & self._columns.keys()
        rare = sorted(counts.keys() - common, key=lambda word: -most[word])
        left = total = sum(most.values())
        least, seen, found = 0.0, [], None
        for i, word in enumerate(rare):
            mine = self._mine(word)
            texts = self._text[mine]
            before = self._sums[texts]
            seen.append(texts[before == 0.0])
            self._sums[texts] = before + counts[word] * self._scores[mine]
            left -= most[word]
            if left >= (least or total / 2) or sum(map(len, seen)) < n:
                continue
            near = np.concatenate(seen)
            sums = self._sums[near]
            for other in common:
                sums += counts[other] * self._columns[other][near]
            least = max(least, _ROUNDING * _nth(self._scored(asked, near[sums >= _nth(sums, n)]), n))
            if left < least:
                rest = sum(most[word] for word in rare[i + 1 :])
                found = np.sort(near[sums + rest >= least])
                break
        for texts in seen:
            self._sums[texts] = 0.0
        return found


def _nth(scores: np.ndarray, n: int) -> float:
    """Find the n-th highest."""
    return np.partition(scores, len(scores) - n)[len(scores) - n] if n else math.inf


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
