"""What is chosen quickly is what the plain way chooses: every row scored by itself, all of them sorted."""

import dataclasses
import math

import numpy as np
import pytest

from tuition.core.protocols import Pool
from tuition.selection import STRATEGIES, SelectionConfig, rank, scores_of
from tuition.selection.choose import by_cluster, by_quota, k_center
from tuition.testing.pools import pool_of

WRAPPERS = (
    {},
    {"per_dollar": True},
    {"domain_quota": True},
    {"diversity": "k_center"},
    {"diversity": "k_center", "domain_quota": True, "diverse_among": 2.0},
    {"diversity": "clusters", "clusters": 3, "per_dollar": True},
)


def plain_k_center(vectors, n):
    chosen, nearest = [], np.full(len(vectors), np.inf)
    for _ in range(n):
        chosen.append(int(np.argmax(nearest)))
        distances = np.sqrt(((vectors - vectors[chosen[-1]]) ** 2).sum(axis=1))
        nearest = np.minimum(nearest, distances)
        nearest[chosen] = -1.0
    return chosen


def plain_rank(pool, config, *, n, seed):
    left = [i for i in np.random.default_rng(seed).permutation(pool.size).tolist() if i not in pool.asked]
    columns = {name: [getattr(pool, name)[i] for i in left] for name in ("domains", "evidence", "costs")}
    scores = scores_of(
        dataclasses.replace(pool, size=len(left), vectors=(), asked=frozenset(), **columns), config
    )
    if config.per_dollar and left:
        costs = np.array(columns["costs"])
        scores = (scores - scores.min()) / (costs / costs.mean())
    ranked = [left[i] for i in np.argsort(-scores.round(9), kind="stable")]

    def take(places, wanted):
        if config.diversity == "none" or not wanted:
            return places[:wanted]
        among = places[: math.ceil(config.diverse_among * wanted)]
        vectors = np.array([pool.vectors[ranked[i]] for i in among], dtype=float)
        if config.diversity == "k_center":
            return [places[i] for i in plain_k_center(vectors, wanted)]
        return [places[i] for i in by_cluster(vectors, wanted, clusters=config.clusters)]

    n = min(n, len(ranked))
    if not config.domain_quota:
        return [ranked[i] for i in take(list(range(len(ranked))), n)]
    return [ranked[i] for i in by_quota([pool.domains[i] for i in ranked], n, choose=take)]


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_rows_are_chosen_in_the_same_order(strategy, wrapper):
    config = SelectionConfig(strategy=strategy, **wrapper)
    for seed in range(8):
        numbers = np.random.default_rng(seed)
        size = int(numbers.integers(1, 80))
        pool = pool_of(
            # few values, so that there are ties
            numbers.integers(0, 4, size=size) / 4,
            domains=numbers.choice(list("abc"), size).tolist(),
            costs=numbers.integers(1, 4, size=size) / 1000,
            vectors=numbers.integers(0, 5, size=(size, 3)).astype(np.float32),
            asked=frozenset(numbers.choice(size, int(numbers.integers(0, size)), replace=False).tolist()),
        )
        for n in (1, size // 3, size):
            assert rank(pool, config, n=n, seed=seed) == plain_rank(pool, config, n=n, seed=seed)


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_k_center_takes_the_rows_that_the_plain_way_takes(kind, offset):
    numbers = np.random.default_rng(0)
    spread = numbers.normal(size=(400, 64)) + offset
    for vectors in (spread, spread[numbers.integers(0, 40, size=400)], np.round(spread), np.ones((50, 4))):
        vectors = vectors.astype(kind)
        assert k_center(vectors, 50) == plain_k_center(vectors.astype(float), 50)


def test_vectors_are_an_array_or_rows_of_numbers():
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    config = SelectionConfig(diversity="k_center")
    found = [rank(Pool(size=30, vectors=given), config, n=5, seed=0) for given in (vectors, vectors.tolist())]
    assert found[0] == found[1]
