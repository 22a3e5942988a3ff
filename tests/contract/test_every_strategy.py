"""What every strategy and every wrapper around it must hold, whatever the pool."""

import copy
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import permuted, pool_of

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Pool
from tuition.core.records import Evidence
from tuition.recipes.rounds.doubt.evidence import EVIDENCE
from tuition.selection import STRATEGIES, SelectionConfig, candidates_of, choose, needs_of, rank, scores_of

WRAPPERS = {
    "none": {},
    "k_center": {"diversity": "k_center"},
    "clusters": {"diversity": "clusters", "clusters": 3},
    "domain_quota": {"domain_quota": True},
    "per_dollar": {"per_dollar": True},
    "all": {"diversity": "k_center", "domain_quota": True, "per_dollar": True},
    "all clusters": {"diversity": "clusters", "clusters": 2, "domain_quota": True, "per_dollar": True},
}
"""Every wrapper alone, and together."""
SWITCHES = [
    {name: value}
    for name, field in SelectionConfig.model_fields.items()
    for value in get_args(field.annotation)
    if isinstance(value, str) and name not in WRAPPERS["all"]
]
"""Every word that a setting of a strategy may be."""


@st.composite
def pools(draw, *, most=30):
    size = draw(st.integers(1, most))
    numbers = np.random.default_rng(draw(st.integers(0, 10_000)))
    doubts = numbers.random(size) if draw(st.booleans()) else numbers.integers(0, 3, size) / 2
    return pool_of(
        doubts.tolist(),
        domains=tuple(numbers.choice(list("abc"), size).tolist()),
        costs=tuple(numbers.uniform(1e-5, 1e-2, size).tolist()),
        vectors=tuple(map(tuple, numbers.normal(size=(size, 3)).tolist())),
        asked=frozenset(numbers.choice(size, draw(st.integers(0, size)), replace=False).tolist()),
    )


def configured(name, wrapper="none", **how):
    return SelectionConfig(strategy=name, **WRAPPERS[wrapper], **how)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", STRATEGIES)
class TestEveryChoice:
    @given(pool=pools(), n=st.integers(0, 40), seed=st.integers(0, 99))
    @settings(max_examples=15, deadline=None)
    def test_is_of_distinct_rows_that_are_left(self, name, wrapper, pool, n, seed):
        rows = rank(pool, configured(name, wrapper), n=n, seed=seed)
        assert len(rows) == len(set(rows)) == min(n, pool.size - len(pool.asked))
        assert set(rows) <= set(range(pool.size)) - pool.asked

    @given(pool=pools(), n=st.integers(0, 40), seed=st.integers(0, 99))
    @settings(max_examples=5, deadline=None)
    def test_is_the_same_for_the_same_seed_and_leaves_the_pool_alone(self, name, wrapper, pool, n, seed):
        before = copy.deepcopy(pool)
        config = configured(name, wrapper)
        assert rank(pool, config, n=n, seed=seed) == rank(pool, config, n=n, seed=seed)
        assert before == pool

    @given(draw=st.integers(0, 9999))
    @settings(max_examples=5, deadline=None)
    def test_follows_the_rows_when_they_are_permuted(self, name, wrapper, draw):
        numbers = np.random.default_rng(draw)
        doubts = (numbers.permutation(24) / 24).tolist()
        pool = pool_of(
            doubts,
            domains=tuple(numbers.choice(list("abc"), 24).tolist()),
            costs=tuple(numbers.uniform(1e-5, 1e-2, 24).tolist()),
            vectors=tuple(map(tuple, numbers.normal(size=(24, 3)).tolist())),
            asked=frozenset({1, 5}),
        )
        order = numbers.permutation(24).tolist()
        config = configured(name, wrapper)
        chosen = rank(pool, config, n=7, seed=1)
        again = [order[i] for i in rank(permuted(pool, order), config, n=7, seed=1)]
        if len(set(scores_of(pool, config))) == 24:
            assert again == chosen
        else:  # ties are drawn by place
            assert len(again) == len(chosen) == 7


@pytest.mark.parametrize("name", STRATEGIES)
class TestEveryStrategy:
    @given(st.integers(0, 99), st.sampled_from([(0.1, 0.9), (0.0, 1.0), (0.3, 0.6)]))
    @settings(max_examples=10, deadline=None)
    def test_prefers_the_row_with_more_doubt(self, name, seed, pair):
        if not needs_of(configured(name)):  # it draws
            return
        sure, unsure = pair
        pool = pool_of([sure, unsure, sure])
        for how in SWITCHES:
            config = configured(name, **how)
            scores = scores_of(pool, config)
            assert scores[1] >= scores[0] == scores[2]
            # A score that counts different answers knows no more and less of them.
            is_told_apart = scores[1] > scores[0]
            assert is_told_apart or (sure > 0 and "samples" in needs_of(config))
            assert not is_told_apart or rank(pool, config, n=1, seed=seed) == [1]

    def test_draws_ties_by_the_seed(self, name):
        pool = pool_of([0.4] * 12)
        assert len(set(scores_of(pool, configured(name)))) == 1
        first = {rank(pool, configured(name), n=1, seed=seed)[0] for seed in range(60)}
        assert len(first) > 8

    def test_reads_only_the_evidence_it_names(self, name):
        fields = {
            "greedy": {"steps", "logprobs", "entropies"},
            "samples": {"votes"},
            "confidence": {"confidence"},
            "removal": {"steps", "without_step", "changed"},
            "prefixes": {"prefix_votes"},
        }
        whole = pool_of([0.2, 0.8, 0.5])
        for how in SWITCHES:
            config = configured(name, **how)
            read = set().union(*(fields.get(kind, {kind}) for kind in needs_of(config)))
            bare = [
                Evidence(example_id=row.example_id, values={name: row.values[name] for name in read})
                for row in whole.evidence
            ]
            pool = Pool(size=3, evidence=bare)
            assert scores_of(pool, config).tolist() == scores_of(whole, config).tolist()

    def test_reads_what_a_student_can_show(self, name):
        for how in SWITCHES:
            assert needs_of(configured(name, **how)) <= set(EVIDENCE)

    def test_refuses_evidence_that_is_absent(self, name):
        needs = needs_of(configured(name))
        if not needs:
            return
        with pytest.raises(ConfigError, match=f"strategy '{name}' reads what the student's .* nobody looked"):
            scores_of(Pool(size=2), configured(name))
        pool = Pool(
            size=2,
            evidence=[pool_of([0.5]).evidence[0], Evidence.from_json({"example_id": "bare", "steps": 2})],
        )
        with pytest.raises(DataError, match=r"row 1 \(example 'bare'\) has no evidence of"):
            scores_of(pool, configured(name))

    def test_refuses_a_score_that_is_no_number(self, name):
        if needs_of(configured(name)) <= {"samples", "prefixes"}:  # it reads whole numbers alone
            return
        sick = Evidence.from_json(
            {
                "example_id": "sick",
                "steps": 1,
                "entropies": (0.1, float("nan")),
                **dict.fromkeys(EVIDENCE, float("nan")),
                "without_step": (float("nan"),),
                "changed": (True,),
                "prefix_votes": ((3,), (2, 1)),
            }
        )
        pool = Pool(size=2, evidence=[pool_of([0.5]).evidence[0], sick])
        with pytest.raises(DataError, match="no finite number"):
            rank(pool, configured(name), n=1, seed=0)

    def test_looks_at_no_row_that_was_asked(self, name):
        rows = [*pool_of([0.1, 0.9]).evidence, Evidence.from_json({"example_id": "refused", "steps": 2})]
        pool = Pool(size=3, evidence=rows, asked=frozenset({2}))
        assert sorted(rank(pool, configured(name), n=3, seed=0)) == [0, 1]

    def test_can_be_chosen_by_config(self, name):
        pool = pool_of(np.linspace(0, 1, 40).tolist())
        rows = choose(pool, configured(name, examples=5), seed=3)
        assert rows == sorted(rows)
        assert len(rows) == 5

    def test_works_on_an_empty_pool(self, name):
        for wrapper in WRAPPERS:
            assert rank(Pool(size=0), configured(name, wrapper), n=3, seed=0) == []

    def test_refuses_to_choose_fewer_than_none(self, name):
        with pytest.raises(ValueError, match="cannot choose -1 rows of a pool of 1"):
            rank(pool_of([0.5]), configured(name), n=-1, seed=0)

    def test_an_unknown_neighbour_is_named(self, name):
        with pytest.raises(ConfigError, match=f"unknown strategy '{name}x'; did you mean '{name}'"):
            needs_of(configured(name + "x"))


@given(pools(), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_candidates_are_drawn_among_those_left(pool, n, seed):
    rows = candidates_of(pool, SelectionConfig(candidates=n), seed=seed)
    left = pool.size - len(pool.asked)
    assert rows == sorted(set(rows))
    assert len(rows) == min(n, left)
    assert not set(rows) & pool.asked
    assert len(candidates_of(pool, SelectionConfig(), seed=seed)) == left
