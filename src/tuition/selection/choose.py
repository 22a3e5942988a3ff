"""Choose rows of a pool by their scores, and spread the choice as configured."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Pool
from tuition.selection.config import SelectionConfig
from tuition.selection.scores import scores_of
from tuition.selection.spread import by_cluster, by_quota, k_center

__all__ = ["candidates_of", "choose", "rank"]

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
    left = [i for i in np.random.default_rng(seed).permutation(pool.size).tolist() if i not in pool.asked]
    within = _part(pool, left)
    scores = scores_of(within, config)
    if config.per_dollar and len(pool.costs) and left:
        costs = np.asarray(within.costs)
        scores = (scores - scores.min()) / (costs / costs.mean())
    # A stable sort of rows in drawn order: ties stay as drawn.
    ranked = [left[i] for i in np.argsort(-scores.round(_DIGITS), kind="stable")]
    n = min(n, len(ranked))

    def take(positions: list[int], wanted: int) -> list[int]:
        return _diverse([ranked[i] for i in positions], positions, wanted, pool=pool, config=config)

    if not config.domain_quota:
        return [ranked[i] for i in take(list(range(len(ranked))), n)]
    return [ranked[i] for i in by_quota([pool.domains[i] for i in ranked], n, choose=take)]


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


def _part(pool: Pool, rows: Sequence[int]) -> Pool:
    """The pool of some rows alone, in this order, none of them asked."""
    return dataclasses.replace(
        pool,
        size=len(rows),
        domains=[pool.domains[i] for i in rows] if len(pool.domains) else (),
        evidence=[pool.evidence[i] for i in rows] if len(pool.evidence) else (),
        costs=[pool.costs[i] for i in rows] if len(pool.costs) else (),
        vectors=(),
        asked=frozenset(),
    )


def _diverse(
    rows: Sequence[int], positions: Sequence[int], n: int, *, pool: Pool, config: SelectionConfig
) -> list[int]:
    """Choose n of the positions; `rows` are their rows, both by rank."""
    if config.diversity == "none" or n == 0:
        return list(positions[:n])
    among = min(len(rows), int(np.ceil(config.diverse_among * n)))
    vectors = np.asarray([pool.vectors[i] for i in rows[:among]], dtype=float)  # (among, d)
    if config.diversity == "k_center":
        return [positions[i] for i in k_center(vectors, n)]
    return [positions[i] for i in by_cluster(vectors, n, clusters=config.clusters)]


def _check(pool: Pool, config: SelectionConfig) -> None:
    """Refuse a pool whose columns do not fit its rows, or that lacks what a wrapper reads."""
    columns = {
        "domains": pool.domains,
        "evidence": pool.evidence,
        "costs": pool.costs,
        "vectors": pool.vectors,
    }
    for name, column in columns.items():
        if len(column) not in (0, pool.size):
            raise DataError(
                f"the pool has {pool.size} rows and {len(column)} {name}; give one a row, in order, or none"
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
    _check_numbers(pool, config)


def _check_numbers(pool: Pool, config: SelectionConfig) -> None:
    if config.per_dollar:
        for i, cost in enumerate(pool.costs):
            if not (cost > 0 and np.isfinite(cost)):
                raise DataError(f"asking about row {i} costs {cost!r} dollars; a cost is finite and above 0")
    if config.diversity != "none" and len(pool.vectors):
        length = len(pool.vectors[0])
        for i, vector in enumerate(pool.vectors):
            if len(vector) != length or not np.isfinite(vector).all():
                raise DataError(
                    f"the vector of row {i} has {len(vector)} numbers, not {length} finite ones as row 0 has"
                )
