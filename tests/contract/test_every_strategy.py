import pytest

from tuition.core.errors import ConfigError
from tuition.core.protocols import Pool
from tuition.selection import STRATEGIES, SelectionConfig, choose

POOL = Pool(size=40, domains=tuple("ab" * 20))

pytestmark = pytest.mark.parametrize("name", sorted(STRATEGIES))


def test_gives_distinct_rows_of_the_pool(name):
    rows = STRATEGIES[name](POOL, 15, seed=1)
    assert len(rows) == len(set(rows)) == 15
    assert set(rows) <= set(range(40))


def test_same_seed_same_choice(name):
    assert STRATEGIES[name](POOL, 15, seed=7) == STRATEGIES[name](POOL, 15, seed=7)


def test_n_may_be_none_or_all(name):
    assert STRATEGIES[name](POOL, 0, seed=0) == []
    assert sorted(STRATEGIES[name](POOL, 40, seed=0)) == list(range(40))


@pytest.mark.parametrize("n", [-1, 41])
def test_n_outside_the_pool_is_refused(name, n):
    with pytest.raises(ValueError, match="pool of 40"):
        STRATEGIES[name](POOL, n, seed=0)


def test_the_pool_is_left_alone(name):
    before = Pool(size=40, domains=tuple("ab" * 20))
    STRATEGIES[name](POOL, 15, seed=1)
    assert before == POOL


def test_it_can_be_chosen_by_config(name):
    rows = choose(POOL, SelectionConfig(strategy=name, examples=5), seed=3)
    assert rows == sorted(rows)
    assert len(rows) == 5


def test_an_unknown_strategy_is_named_with_its_neighbour(name):
    with pytest.raises(ConfigError, match=f"unknown strategy '{name}x'; did you mean '{name}'"):
        choose(POOL, SelectionConfig(strategy=name + "x"), seed=0)
