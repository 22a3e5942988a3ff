"""What every strategy and every wrapper around it must hold, whatever the pool."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Pool
from tuition.core.records import Evidence
from tuition.experiment.rounds.evidence import EVIDENCE
from tuition.selection import STRATEGIES, Score, SelectionConfig, candidates_of, needs_of, rank, scores_of
from tuition.testing import check_choice, check_strategy
from tuition.testing.pools import pool_of
from tuition.testing.strategies import SWITCHES, WRAPPERS


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
    def test_keeps_the_contract(self, name, wrapper, pool, n, seed):
        check_choice(pool, configured(name, wrapper), n=n, seed=seed)


@pytest.mark.parametrize("name", STRATEGIES)
class TestEveryStrategy:
    def test_keeps_the_contract(self, name):
        check_strategy(name)

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

    def test_refuses_evidence_that_is_absent(self, name):
        if needs_of(configured(name)) <= {"confidence"}:  # where None also means: no answer was readable
            return
        pool = Pool(
            size=2, evidence=[pool_of([0.5]).evidence[0], Evidence(example_id="bare", values={"steps": 2})]
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


@pytest.mark.parametrize(
    ("of", "needs", "words"),
    [
        (
            lambda pool, config: np.array([len(row.example_id) for row in pool.evidence]),
            {"greedy"},
            "rows of equal evidence differently",
        ),
        (
            lambda pool, config: np.array([sum(row.values["entropies"]) for row in pool.evidence]),
            set(),
            "says it needs nothing, and reads more",
        ),
        (lambda pool, config: np.zeros(pool.size), {"greedy"}, None),
    ],
)
def test_what_is_careless_is_told(of, needs, words):
    strategy = Score(of=of, needs=lambda config: frozenset(needs))
    known = dict(STRATEGIES)
    if words is None:
        check_strategy(strategy)
    else:
        with pytest.raises(AssertionError, match=words):
            check_strategy(strategy)
    assert known == STRATEGIES, "it stood in the list only while it was looked at"


def test_one_strategy_at_most_cannot_tell_more_doubt_from_less():
    pool = pool_of([0.3, 0.6, 0.3])
    scores = {name: scores_of(pool, configured(name)) for name in STRATEGIES if needs_of(configured(name))}
    assert sum(found[1] <= found[0] for found in scores.values()) <= 1
