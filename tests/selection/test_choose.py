from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Pool
from tuition.selection import SelectionConfig, choose, rank
from tuition.testing.pools import pool_of

POOL = Pool(size=50)


@pytest.mark.parametrize(
    ("how", "n"),
    [
        ({}, 50),
        ({"examples": 8}, 8),
        ({"examples": 80}, 50),
        ({"share": 0.3}, 15),
        ({"share": 1.0}, 50),
        ({"share": 0.001}, 1),
    ],
)
def test_a_number_or_a_share_of_the_pool_is_chosen(how, n):
    chosen = choose(POOL, SelectionConfig(**how), seed=2)
    assert len(chosen) == n
    assert chosen == sorted(set(chosen))


def test_a_smaller_share_is_part_of_a_larger_one():
    small, large = (set(choose(POOL, SelectionConfig(share=share), seed=5)) for share in (0.2, 0.6))
    assert small < large


def test_nothing_is_chosen_of_nothing():
    assert choose(Pool(size=0), SelectionConfig(share=0.5), seed=0) == []


@pytest.mark.parametrize(
    "how", [{"examples": 3, "share": 0.5}, {"share": 0.0}, {"share": 1.5}, {"examples": 0}]
)
def test_what_is_no_size_is_refused(how):
    with pytest.raises(ValidationError):
        SelectionConfig(**how)


def test_a_number_and_a_share_are_one_thing_said_twice():
    with pytest.raises(ValidationError, match="both examples and share are given; give one of them"):
        SelectionConfig(examples=3, share=0.5)


class TestRandom:
    def test_takes_every_row_as_likely(self):
        counts = np.zeros(10)
        for seed in range(2000):
            counts[rank(Pool(size=10), SelectionConfig(), n=3, seed=seed)] += 1
        assert abs(counts / 2000 - 0.3).max() < 0.05

    def test_draws_the_rows_it_always_drew(self):
        drawn = np.random.default_rng(4).permutation(50)[:8].tolist()
        assert rank(POOL, SelectionConfig(), n=8, seed=4) == drawn

    def test_begins_a_larger_draw_with_a_smaller_one(self):
        small, large = (rank(POOL, SelectionConfig(), n=n, seed=4) for n in (8, 20))
        assert large[:8] == small

    def test_goes_on_in_the_next_round_where_it_stopped(self):
        first = rank(POOL, SelectionConfig(), n=8, seed=4)
        rest = rank(Pool(size=50, asked=frozenset(first)), SelectionConfig(), n=12, seed=4)
        assert first + rest == rank(POOL, SelectionConfig(), n=20, seed=4)

    def test_stays_random_per_dollar(self):
        pool = Pool(size=50, costs=np.linspace(1, 2, 50).tolist())
        assert rank(pool, SelectionConfig(per_dollar=True), n=8, seed=4) == rank(
            POOL, SelectionConfig(), n=8, seed=4
        )


def by_confidence(**how):
    """A strategy whose score is a quarter of the doubt of `pool_of`."""
    return SelectionConfig(strategy="self_confidence", **how)


class TestPerDollar:
    def test_divides_the_score_above_the_lowest_by_the_cost(self):
        # Less the lowest: 0, 0.4, 0.6, 0.8; per dollar: 0, 0.4, 0.2, 0.1.
        pool = pool_of([0.2, 0.6, 0.8, 1.0], costs=(0.001, 1.0, 3.0, 8.0))
        assert rank(pool, by_confidence(per_dollar=True), n=4, seed=0) == [1, 2, 3, 0]
        assert rank(pool, by_confidence(), n=4, seed=0) == [3, 2, 1, 0]

    def test_scores_below_0_do_not_turn_the_order_of_costs_round(self):
        pool = pool_of([0.1, 0.1, 0.9], costs=(9.0, 1.0, 1.0))
        config = SelectionConfig(strategy="egss", per_dollar=True)
        assert rank(pool, config, n=1, seed=0) == [2]
        pool = pool_of([0.1, 0.5, 0.5], costs=(1.0, 9.0, 1.0))
        assert rank(pool, config, n=2, seed=0) == [2, 1]

    def test_rows_of_unknown_cost_all_cost_the_same(self):
        assert rank(pool_of([0.2, 0.6]), by_confidence(per_dollar=True), n=1, seed=0) == [1]

    @pytest.mark.parametrize("cost", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_cost_is_finite_and_above_0(self, cost):
        with pytest.raises(DataError, match=r"row 1 costs .* above 0"):
            rank(pool_of([0.2, 0.6], costs=(1.0, cost)), by_confidence(per_dollar=True), n=1, seed=0)


class TestDomainQuota:
    @given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40), st.integers(0, 40), st.integers(0, 99))
    @settings(max_examples=80, deadline=None)
    def test_gives_each_domain_its_share_within_one(self, domains, n, seed):
        n = min(n, len(domains))
        rows = rank(
            Pool(size=len(domains), domains=domains), SelectionConfig(domain_quota=True), n=n, seed=seed
        )
        chosen = Counter(domains[i] for i in rows)
        for domain, size in Counter(domains).items():
            assert abs(chosen[domain] - n * size / len(domains)) < 1

    def test_takes_the_best_of_each(self):
        pool = pool_of([0.9, 0.8, 0.7, 0.6, 0.5, 0.1], domains="aaaabb")
        assert rank(pool, by_confidence(domain_quota=True), n=3, seed=0) == [0, 4, 1]

    def test_mixes_the_domains_so_that_a_beginning_has_nearly_its_shares(self):
        pool = pool_of(np.linspace(1, 0, 30).tolist(), domains="a" * 20 + "b" * 10)
        rows = rank(pool, by_confidence(domain_quota=True), n=30, seed=0)
        assert rows[:6] == [0, 20, 1, 2, 21, 3]
        for n in range(31):
            assert abs(sum(i < 20 for i in rows[:n]) - n * 2 / 3) <= 1

    def test_needs_domains(self):
        with pytest.raises(ConfigError, match="domain_quota is set, and no row has a domain"):
            rank(POOL, SelectionConfig(domain_quota=True), n=1, seed=0)


class TestDiversity:
    def test_k_center_goes_from_the_best_to_the_farthest(self):
        pool = pool_of([0.9, 0.8, 0.7, 0.6, 0.5], vectors=[(0,), (0.1,), (5,), (9,), (100,)])
        # Among 2 times 2 rows, the farthest from the first is row 3; row 4 is not among them.
        config = by_confidence(diversity="k_center", diverse_among=2)
        assert rank(pool, config, n=2, seed=0) == [0, 3]
        assert rank(pool, by_confidence(diversity="k_center", diverse_among=1), n=2, seed=0) == [0, 1]

    def test_clusters_are_taken_in_turn(self):
        vectors = [(0,), (0.1,), (0.2,), (9,), (9.1,), (20,)]
        pool = pool_of([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], vectors=vectors)
        config = by_confidence(diversity="clusters", clusters=3, diverse_among=2)
        assert rank(pool, config, n=3, seed=0) == [0, 3, 5]
        config = by_confidence(diversity="clusters", clusters=3)
        assert rank(pool, config, n=5, seed=0) == [0, 3, 5, 1, 4]

    @pytest.mark.parametrize("diversity", ["k_center", "clusters"])
    def test_equal_vectors_leave_the_rank(self, diversity):
        pool = pool_of([0.1, 0.9, 0.5], vectors=[(1, 1)] * 3)
        assert rank(pool, by_confidence(diversity=diversity), n=2, seed=0) == [1, 2]

    def test_stands_within_the_quota_of_a_domain(self):
        vectors = [(0,), (0.1,), (9,), (0,), (0.1,), (9,)]
        pool = pool_of([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], vectors=vectors, domains="aaabbb")
        config = by_confidence(diversity="k_center", domain_quota=True)
        assert rank(pool, config, n=4, seed=0) == [0, 3, 2, 5]

    def test_needs_vectors(self):
        with pytest.raises(ConfigError, match="diversity is 'clusters', and nobody said where the rows lie"):
            rank(POOL, SelectionConfig(diversity="clusters"), n=1, seed=0)

    @pytest.mark.parametrize("vector", [(1.0,), (1.0, float("nan"))])
    def test_vectors_are_finite_and_of_one_length(self, vector):
        pool = Pool(size=2, vectors=[(0.0, 0.0), vector])
        with pytest.raises(DataError, match="vector of row 1 has"):
            rank(pool, SelectionConfig(diversity="k_center"), n=1, seed=0)


@pytest.mark.parametrize("column", ["domains", "evidence", "costs", "vectors"])
def test_a_column_has_one_entry_a_row(column):
    with pytest.raises(DataError, match=f"the pool has 3 rows and 1 {column}"):
        rank(Pool(size=3, **{column: ["x"]}), SelectionConfig(), n=1, seed=0)


def test_an_asked_row_is_one_of_the_pool():
    with pytest.raises(DataError, match="row 3 was asked, and the pool has 3 rows"):
        rank(Pool(size=3, asked=frozenset({3})), SelectionConfig(), n=1, seed=0)
