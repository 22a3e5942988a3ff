"""Choose rows of a pool by their scores, and spread the choice over the pool as configured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Pool
from tuition.selection.config import SelectionConfig
from tuition.selection.scores import needs_of, scores_of

__all__ = ["by_cluster", "by_quota", "candidates_of", "choose", "k_center", "rank"]

_BLOCK = 4096
"""Rows that are brought about the mean at once."""
_ROUNDS = 25
"""After so many, k-means stops wherever it is."""


def k_center(vectors: np.ndarray, n: int) -> list[int]:
    """Choose rows far from each other: the best, then always the one farthest from all chosen before.

    Source: the greedy k-center of core-set selection (arXiv 1708.00489).
    Differs: rows asked in earlier rounds are no centres, and the first is the best-scored, not a drawn one.

    Squared distances are |v|² + |c|² - 2 v·c in 32 bits, about the mean; where their rounding could decide,
    the rows in question are compared in 64.
    """
    n_rows, n_numbers = vectors.shape
    mean = vectors.mean(axis=0, dtype=float)
    about = np.empty((n_numbers, n_rows), dtype=np.float32)
    for start in range(0, n_rows, _BLOCK):
        about[:, start : start + _BLOCK] = (vectors[start : start + _BLOCK] - mean).T
    squares = np.einsum("ji,ji->i", about, about)  # (rows, )
    slack = np.finfo(np.float32).eps * (4 * np.sqrt(n_numbers) + 8) * (squares + squares.max(initial=0.0))
    nearest = np.full(n_rows, np.inf, dtype=np.float32)
    exactly, counted = np.full(n_rows, np.inf), np.zeros(n_rows, dtype=int)
    chosen: list[int] = []
    for _ in range(n):
        far = np.flatnonzero(nearest + slack >= (nearest - slack).max()) if chosen else np.zeros(1, dtype=int)
        for begin in np.unique(counted[far]).tolist() if len(far) > 1 else ():
            rows, centres = far[counted[far] == begin], chosen[begin:]
            few, many = sorted((rows, centres), key=len)
            distances = np.array([_distances(vectors[many], vectors[i]) for i in few])  # (few, many)
            exactly[rows] = np.minimum(exactly[rows], distances.min(axis=int(few is rows)))
            counted[rows] = len(chosen)
        # The first of the farthest is the best-ranked; a chosen row never comes again.
        chosen.append(int(far[np.argmax(exactly[far])]))
        found = squares + squares[chosen[-1]] - 2.0 * (about[:, chosen[-1]] @ about)
        nearest = np.minimum(nearest, found)
        nearest[chosen] = -np.inf
    return chosen


def by_cluster(vectors: np.ndarray, n: int, *, clusters: int) -> list[int]:
    """Choose the best of each cluster in turn, then the second of each, until there are enough.

    Clusters by k-means: its first centres are those of `k_center`, so that nothing is drawn; at most 25
    rounds.
    """
    label = _k_means(vectors, min(clusters, len(vectors)))
    seen: dict[int, int] = {}
    turns = []
    for group in label.tolist():
        seen[group] = seen.get(group, 0) + 1
        turns.append(seen[group])
    return sorted(range(len(vectors)), key=lambda i: (turns[i], i))[:n]


def _k_means(vectors: np.ndarray, k: int) -> np.ndarray:
    centres = vectors[k_center(vectors, k)]  # (k, d)
    label = np.full(len(vectors), -1)
    for _ in range(_ROUNDS):
        found = np.argmin([_distances(vectors, centre) for centre in centres], axis=0)  # (rows, )
        if (found == label).all():
            break
        label = found
        filled = np.unique(label)
        # A centre that lost all its rows stays where it is.
        centres[filled] = [vectors[label == group].mean(axis=0) for group in filled]
    return label


def _distances(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.sqrt(((vectors - centre.astype(float)) ** 2).sum(axis=1))


def by_quota(domains: Sequence[str], n: int, *, choose: Callable[[list[int], int], list[int]]) -> list[int]:
    """Choose from each domain as many as its share of the rows, within one.

    A domain first gets the whole part of share times `n`; what is missing goes to the largest remainders, of
    equal ones to the domain with the better-ranked row. The domains are mixed evenly, so that whoever has to
    stop early has asked about all of them in nearly the same proportion.
    """
    groups: dict[str, list[int]] = {}
    for i, domain in enumerate(domains):
        groups.setdefault(domain, []).append(i)
    # Whole numbers: n·size / rows, as quotient and remainder.
    quotas = {domain: n * len(rows) // len(domains) for domain, rows in groups.items()}
    by_remainder = sorted(groups, key=lambda domain: -(n * len(groups[domain]) % len(domains)))
    for domain in by_remainder[: n - sum(quotas.values())]:
        quotas[domain] += 1
    chosen = {domain: choose(rows, quotas[domain]) for domain, rows in groups.items()}
    turns = [((j + 0.5) / len(rows), i) for rows in chosen.values() for j, i in enumerate(rows)]
    return [i for _, i in sorted(turns)]


_DIGITS = 9
"""Scores that agree to so many digits are equal, whatever order they were summed in."""


def choose(pool: Pool, config: SelectionConfig, *, seed: int) -> list[int]:
    """Choose the examples a run works with.

    Args:
        pool: What is known of the examples.
        config: The strategy and the number or share; a number beyond the pool takes the whole of it, a share
            at least one.
        seed: Equal seeds choose equal rows.

    Returns:
        Row numbers in rising order.

    Raises:
        ConfigError: The strategy is unknown, or reads what the pool does not have.
    """
    n = pool.size if config.examples is None else config.examples
    if config.share is not None:
        n = max(1, round(config.share * pool.size))
    if n >= pool.size and not (pool.asked or needs_of(config)):
        _check(pool, config)
        return list(range(pool.size))
    return sorted(rank(pool, config, n=n, seed=seed))


def rank(pool: Pool, config: SelectionConfig, *, n: int, seed: int) -> list[int]:
    """Choose what to ask in a round: the best-scored rows of those left, spread as configured.

    Scores are taken over the rows that are left; equal ones stand in an order drawn by the seed over the
    whole pool, so that rounds of `random` with one seed are the parts of one draw. Then, in this order: the
    score per dollar, the domains' quotas, diversity within each of them.

    Per dollar: the score less the lowest of those left, over the row's cost. The surest row is worth nothing
    at any price; where all scores are equal, the cost decides nothing, so that `random` stays random.

    Args:
        pool: What is known of the rows; of rows in `asked` nothing is read.
        config: The strategy and the wrappers; `examples` and `share` are not looked at.
        n: How many; beyond what is left, all of it.
        seed: Equal seeds choose equal rows.

    Returns:
        Distinct row numbers, none of `asked`, best-scored first; with diversity as they were taken, with a
        quota the best of all domains mixed evenly.

    Raises:
        ConfigError: The strategy is unknown, or the strategy or a wrapper reads what the pool does not have.
        DataError: What the pool has does not fit its rows, or is no finite number.
        ValueError: `n` is negative.
    """
    if n < 0:
        raise ValueError(f"cannot choose {n} rows of a pool of {pool.size}; give 0 or more")
    _check(pool, config)
    is_left = np.ones(pool.size, dtype=bool)
    is_left[list(pool.asked)] = False
    rows = np.flatnonzero(is_left).tolist() if pool.asked else range(pool.size)

    def of_left(column: Sequence[Any]) -> Sequence[Any]:
        return [column[i] for i in rows] if pool.asked and len(column) else column

    within = dataclasses.replace(
        pool,
        size=len(rows),
        domains=of_left(pool.domains),
        evidence=of_left(pool.evidence),
        costs=of_left(pool.costs),
        vectors=(),
        asked=frozenset(),
    )
    scores = scores_of(within, config)
    if config.per_dollar and len(pool.costs) and rows:
        costs = np.asarray(within.costs)
        scores = (scores - scores.min()) / (costs / costs.mean())
    lowest_first = np.zeros(pool.size)
    lowest_first[is_left] = -scores.round(_DIGITS)
    drawn = np.random.default_rng(seed).permutation(pool.size)
    drawn = drawn[is_left[drawn]]
    n = min(n, len(rows))
    # A quota may take of any row, all else of the best alone.
    most = len(rows) if config.domain_quota else n
    if config.diversity != "none":
        most = min(len(rows), max(most, int(np.ceil(config.diverse_among * n))))
    # A stable sort of rows in drawn order: ties stay as drawn.
    ranked = drawn[_lowest(lowest_first[drawn], most)].tolist()

    def take(positions: list[int], wanted: int) -> list[int]:
        if config.diversity == "none" or wanted == 0:
            return positions[:wanted]
        among = positions[: int(np.ceil(config.diverse_among * wanted))]
        vectors = np.asarray([pool.vectors[ranked[i]] for i in among])  # (among, d)
        if config.diversity == "k_center":
            return [positions[i] for i in k_center(vectors, wanted)]
        return [positions[i] for i in by_cluster(vectors.astype(float), wanted, clusters=config.clusters)]

    if not config.domain_quota:
        return [ranked[i] for i in take(list(range(len(ranked))), n)]
    return [ranked[i] for i in by_quota([pool.domains[i] for i in ranked], n, choose=take)]


def _lowest(keys: np.ndarray, n: int) -> np.ndarray:
    """Find the places of the lowest, lowest first, as a stable sort of all has them."""
    if not 0 < n < len(keys):
        return np.argsort(keys, kind="stable")[:n]
    kept = np.flatnonzero(keys <= np.partition(keys, n - 1)[n - 1])
    return kept[np.argsort(keys[kept], kind="stable")][:n]


def candidates_of(pool: Pool, config: SelectionConfig, *, seed: int) -> list[int]:
    """Draw the rows that are looked at at all, before the student is asked anything.

    Args:
        pool: Its size and what was asked matter.
        config: `candidates` says how many.
        seed: Equal seeds draw equal rows.

    Returns:
        Row numbers in rising order, none of `asked`; all that are left where there are no more than wanted.
    """
    # A stream of its own: the order of ties must not depend on who was drawn.
    drawn = np.random.default_rng([seed, 1]).permutation(pool.size).tolist()
    left = [i for i in drawn if i not in pool.asked]
    return sorted(left[: config.candidates])


def _check(pool: Pool, config: SelectionConfig) -> None:
    """Refuse a pool whose columns do not fit its rows, or that lacks what a wrapper reads."""
    for name in ("domains", "evidence", "costs", "vectors"):
        if (n := len(getattr(pool, name))) not in (0, pool.size):
            raise DataError(
                f"the pool has {pool.size} rows and {n} {name}; give one a row, in order, or none"
            )
    strange = sorted(i for i in pool.asked if not 0 <= i < pool.size)
    if strange:
        raise DataError(f"row {strange[0]} was asked, and the pool has {pool.size} rows, counted from 0")
    if config.domain_quota and pool.size and not len(pool.domains):
        raise ConfigError("selection.domain_quota is set, and no row has a domain; set it to false")
    if config.diversity != "none" and pool.size and not len(pool.vectors):
        raise ConfigError(
            f"selection.diversity is {config.diversity!r}, and nobody said where the rows lie. It works in "
            "rounds, where a student embeds them; set it to 'none' elsewhere."
        )
    costs = np.asarray(pool.costs if config.per_dollar else (), dtype=float)
    for i in np.flatnonzero(~((costs > 0) & np.isfinite(costs)))[:1]:
        cost = pool.costs[i]
        raise DataError(f"asking about row {i} costs {cost!r} dollars; a cost is finite and above 0")
    is_whole = isinstance(pool.vectors, np.ndarray) and np.isfinite(pool.vectors).all()
    if config.diversity != "none" and len(pool.vectors) and not is_whole:
        length = len(pool.vectors[0])
        for i, vector in enumerate(pool.vectors):
            if len(vector) != length or not np.isfinite(vector).all():
                raise DataError(
                    f"the vector of row {i} has {len(vector)} numbers, not {length} finite ones as row 0 has"
                )
