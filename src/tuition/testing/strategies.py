"""What every strategy must hold, whatever the pool, alone and with every wrapper around it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np

from tuition.core.errors import ConfigError
from tuition.core.protocols import Pool
from tuition.core.records import Evidence
from tuition.selection import STRATEGIES, Score, SelectionConfig, choose, needs_of, rank, scores_of
from tuition.testing.expect import expect, expect_error, listed
from tuition.testing.pools import permuted, pool_of

__all__ = ["SWITCHES", "WRAPPERS", "check_choice", "check_strategy"]

WRAPPERS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "k_center": {"diversity": "k_center"},
    "clusters": {"diversity": "clusters", "clusters": 3},
    "domain_quota": {"domain_quota": True},
    "per_dollar": {"per_dollar": True},
    "all": {"diversity": "k_center", "domain_quota": True, "per_dollar": True},
    "all clusters": {"diversity": "clusters", "clusters": 2, "domain_quota": True, "per_dollar": True},
}
"""Every wrapper alone, and together."""
SWITCHES: tuple[Mapping[str, Any], ...] = tuple(
    {name: value}
    for name, field in SelectionConfig.model_fields.items()
    for value in get_args(field.annotation)
    if isinstance(value, str) and name not in WRAPPERS["all"]
)
"""Every word that a setting of a strategy may be."""
_FIELDS = {
    "greedy": {"steps", "logprobs", "entropies"},
    "samples": {"votes"},
    "confidence": {"confidence"},
    "removal": {"steps", "without_step", "changed"},
    "prefixes": {"prefix_votes"},
}
"""Fields of `Evidence` by its kind."""


def check_strategy(strategy: Score | str) -> None:
    """Ask of a strategy what is asked of every one.

    It chooses distinct rows of those left, alone and with every wrapper; equal seeds choose equal rows; equal
    evidence gives equal scores, and ties are drawn; it reads only the evidence it names, refuses what is
    absent, and looks at no row that was asked.

    Args:
        strategy: The `Score`, or its name as a configuration gives it.

    Raises:
        AssertionError: One of these does not hold.
    """
    with listed(strategy, STRATEGIES) as name:
        for seed in range(6):
            numbers = np.random.default_rng(seed)
            size = int(numbers.integers(1, 30))
            pool = pool_of(
                numbers.random(size).tolist(),
                domains=tuple(numbers.choice(list("abc"), size).tolist()),
                costs=tuple(numbers.uniform(1e-5, 1e-2, size).tolist()),
                vectors=tuple(map(tuple, numbers.normal(size=(size, 3)).tolist())),
                asked=frozenset(numbers.choice(size, int(numbers.integers(0, size)), replace=False).tolist()),
            )
            for wrapper in WRAPPERS.values():
                wrapped = SelectionConfig(strategy=name, **wrapper)
                check_choice(pool, wrapped, n=int(numbers.integers(0, 40)), seed=seed)
        _draws_ties(name)
        for switch in SWITCHES:
            _reads_what_it_names(SelectionConfig(strategy=name, **switch))
        config = SelectionConfig(strategy=name)
        if needs_of(config):
            text = f"{name!r} needs evidence, and chose where nobody looked"
            error = expect_error(ConfigError, lambda: scores_of(Pool(size=2), config), text)
            expect("nobody looked" in str(error), f"{name!r}: {error}")
        rows = [*pool_of([0.1, 0.9]).evidence, Evidence(example_id="refused", values={"steps": 2})]
        found = sorted(rank(Pool(size=3, evidence=rows, asked=frozenset({2})), config, n=3, seed=0))
        expect(found == [0, 1], f"{name!r} chose {found} of rows 0 and 1; row 2 was asked before")


def check_choice(pool: Pool, config: SelectionConfig, *, n: int, seed: int) -> None:
    """Ask of one choice what is asked of every one.

    Args:
        pool: With every column.
        config: Names the strategy and the wrappers.
        n: How many to choose.
        seed: Of the choice.

    Raises:
        AssertionError: Rows repeat, were asked before or are too few; the seed does not decide; the pool was
            changed; or other places of the rows lead to other rows.
    """
    before = copy.deepcopy(pool)
    rows = rank(pool, config, n=n, seed=seed)
    left = set(range(pool.size)) - pool.asked
    what = f"{config.strategy!r} chose {rows} of {pool.size} rows, {n} wanted, {sorted(pool.asked)} asked"
    expect(
        len(rows) == len(set(rows)) == min(n, len(left)),
        f"{what}: some repeated, or not as many as there are",
    )
    expect(set(rows) <= left, f"{what}: some were asked before, or are none")
    expect(rank(pool, config, n=n, seed=seed) == rows, f"{what}, and others with the same seed again")
    expect(before == pool, f"{config.strategy!r} changed the pool it chose from")
    order = np.random.default_rng(seed).permutation(pool.size).tolist()
    again = [order[i] for i in rank(permuted(pool, order), config, n=n, seed=seed)]
    # Ties are drawn by place.
    if len(set(scores_of(pool, config).round(9))) == pool.size:
        expect(again == rows, f"{what}, and {again} where the same rows stand in another order")


def _draws_ties(name: str) -> None:
    pool, config = pool_of([0.4] * 12), SelectionConfig(strategy=name)
    scores = set(scores_of(pool, config).tolist())
    expect(len(scores) == 1, f"{name!r} scores rows of equal evidence differently: {sorted(scores)[:3]}")
    first = {rank(pool, config, n=1, seed=seed)[0] for seed in range(60)}
    expect(len(first) > 8, f"of 12 equal rows {name!r} put only {len(first)} first under 60 seeds")
    chosen = choose(pool, config.model_copy(update={"examples": 5}), seed=3)
    expect(len(chosen) == 5 and chosen == sorted(chosen), f"{name!r} chose {chosen} where 5 were configured")
    expect(rank(Pool(size=0), config, n=3, seed=0) == [], f"{name!r} chose rows of an empty pool")


def _reads_what_it_names(config: SelectionConfig) -> None:
    whole = pool_of([0.2, 0.8, 0.5])
    needs = needs_of(config)
    read = set[str]().union(*(_FIELDS.get(kind, {kind}) for kind in needs))
    bare = [
        Evidence(example_id=row.example_id, values={name: row.values[name] for name in read})
        for row in whole.evidence
    ]
    found = None
    # A score that reaches for what is not there reads more than it says.
    with contextlib.suppress(KeyError):
        found = scores_of(Pool(size=3, evidence=bare), config).tolist()
    expect(
        found == scores_of(whole, config).tolist(),
        f"{config.strategy!r} says it needs {', '.join(sorted(needs)) or 'nothing'}, and reads more",
    )
