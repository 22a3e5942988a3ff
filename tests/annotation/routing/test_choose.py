from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation.routing import ALLOCATIONS, POLICIES, AllocationConfig, History, allocate
from tuition.annotation.routing.choose import (
    CHOOSERS,
    Choice,
    Look,
    bandit,
    cheapest_adequate,
    fixed,
    lower_bound,
    random,
)
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example

COSTS = {"dear": 0.01, "mid": 0.003, "cheap": 0.001}


def known(**counts):
    """A history in domain d, from (adequate, looked) by teacher."""
    return History(
        Look(teacher=name, domain="d", is_adequate=i < m) for name, (m, n) in counts.items() for i in range(n)
    )


def one(history, costs=COSTS, *, domain="d", item="i", seed=0, **more):
    return Choice(item=item, domain=domain, costs=costs, history=history, seed=seed, **more)


def chosen(choose, history, costs, *, n=1, seed=0, **config):
    own = AllocationConfig(**config)
    return Counter(choose(one(history, costs, item=f"i{i}", seed=seed, config=own)) for i in range(n))


class TestLowerBound:
    @pytest.mark.parametrize(
        ("m", "n", "prior", "low"),
        [
            (8, 10, (0.0, 0.0), 0.49016),
            (17, 18, (1.0, 1.0), 0.69897),  # 18 of 20
            (0, 5, (0.0, 0.0), 0.0),
            (0, 0, (0.0, 0.0), 0.0),
        ],
    )
    def test_by_hand(self, m, n, prior, low):
        assert lower_bound(m, n, prior=prior) == pytest.approx(low, abs=1e-4)

    @given(st.integers(0, 500), st.integers(0, 500))
    def test_lies_below_the_share_and_rises_with_evidence(self, m, wrong):
        low = lower_bound(m, m + wrong)
        assert 0 <= low <= (m + 1) / (m + wrong + 2)
        assert lower_bound(m + 1, m + 1 + wrong) > low
        assert lower_bound(10 * m + 9, 10 * (m + wrong) + 18) >= low  # the same share, ten times as sure


class TestCheapestAdequate:
    def test_takes_the_cheapest_that_surely_reaches_the_floor(self):
        # best mean 96/102; floor 0.9 of it 0.847. cheap: 61/102, no. mid: 95/102 = 0.931, lower bound 0.865
        history = known(dear=(95, 100), mid=(94, 100), cheap=(60, 100))
        assert lower_bound(94, 100) == pytest.approx(0.8652, abs=1e-3)
        assert chosen(cheapest_adequate, history, COSTS) == {"mid": 1}
        assert chosen(cheapest_adequate, history, COSTS, floor=0.95) == {"dear": 1}  # 0.894 is not reached

    def test_few_looks_are_not_sure_enough(self):
        history = known(dear=(95, 100), mid=(95, 100), cheap=(20, 20))
        # cheap has the highest mean, 21/22, and is its own best: no lower bound is asked of the best
        assert chosen(cheapest_adequate, history, COSTS) == {"cheap": 1}
        history = known(dear=(95, 100), mid=(5, 100), cheap=(19, 20))
        # cheap: 20/22 = 0.909 with lower bound 0.722 < 0.847
        assert chosen(cheapest_adequate, history, COSTS) == {"dear": 1}

    def test_other_domains_say_nothing(self):
        history = known(dear=(20, 20), mid=(20, 20), cheap=(20, 20))
        other = cheapest_adequate(one(history, domain="e"))
        assert chosen(cheapest_adequate, history, COSTS) == {"cheap": 1}
        assert other in COSTS
        picks = {cheapest_adequate(one(history, domain="e", item=f"i{i}")) for i in range(50)}
        assert picks == set(COSTS)  # all are unknown there

    def test_explores_the_unknown_alone_and_by_seed(self):
        history = known(dear=(30, 30), mid=(0, 0), cheap=(3, 19))
        picks = chosen(cheapest_adequate, history, COSTS, n=200)
        assert set(picks) == {"mid", "cheap"}
        assert picks == chosen(cheapest_adequate, history, COSTS, n=200)
        assert picks != chosen(cheapest_adequate, history, COSTS, n=200, seed=1)

    def test_what_is_promised_counts_as_known(self):
        history = known(dear=(30, 30), mid=(25, 30), cheap=(3, 19))
        pick = cheapest_adequate(one(history, promised={"cheap": 1}))
        assert pick == "dear"


class TestBandit:
    def test_explores_as_often_as_the_integrals_say(self):
        even = {"a": 1.0, "b": 1.0}
        # P(Beta(2,1) > Beta(1,1)) = 2/3; P(x > y/2) = 3/4; P(x - 0.1 > y - 0.6) = 7/8, all uniform
        share = chosen(bandit, known(a=(1, 1)), even, n=4000)["a"] / 4000
        assert share == pytest.approx(2 / 3, abs=0.03)
        share = chosen(bandit, History(), {"a": 1.0, "b": 2.0}, n=4000)["a"] / 4000
        assert share == pytest.approx(3 / 4, abs=0.03)
        share = chosen(bandit, History(), {"a": 0.1, "b": 0.6}, n=4000, value=1.0)["a"] / 4000
        assert share == pytest.approx(7 / 8, abs=0.03)

    def test_what_is_well_known_is_exploited_by_the_objective(self):
        history = known(cheap=(300_000, 1_000_000), dear=(900_000, 1_000_000))
        costs = {"cheap": 0.001, "dear": 0.01}
        # 0.3 / 0.001 = 300 a dollar against 90; worth 0.1: 0.029 against 0.080; worth 0.01: 0.002, -0.001
        assert chosen(bandit, history, costs, n=20) == {"cheap": 20}
        assert chosen(bandit, history, costs, n=20, value=0.1) == {"dear": 20}
        assert chosen(bandit, history, costs, n=20, value=0.01) == {"cheap": 20}

    def test_is_fixed_by_seed_and_item_alone(self):
        turned = dict(reversed(COSTS.items()))
        for i in range(50):
            once = bandit(one(History(), item=f"i{i}", seed=3))
            assert once == bandit(one(History(), turned, item=f"i{i}", seed=3))
        assert len(chosen(bandit, History(), dict.fromkeys(COSTS, 1.0), n=60)) == 3

    def test_the_free_come_first_without_a_value(self):
        assert chosen(bandit, known(free=(0, 50)), {"free": 0.0, "dear": 0.01}, n=20) == {"free": 20}


class TestPlain:
    def test_fixed_is_the_first_of_the_tables_or_the_named(self):
        assert chosen(fixed, History(), COSTS) == {"dear": 1}
        assert chosen(fixed, History(), COSTS, teacher="mid") == {"mid": 1}
        with pytest.raises(ConfigError, match=r"unknown teacher 'midd'; did you mean 'mid'\? Known: cheap"):
            chosen(fixed, History(), COSTS, teacher="midd")

    def test_random_is_even(self):
        picks = chosen(random, History(), COSTS, n=3000)
        assert all(picks[name] == pytest.approx(1000, abs=110) for name in COSTS)


@pytest.mark.parametrize("name", CHOOSERS)
class TestEveryAllocation:
    def test_gives_a_known_name_and_the_same_again(self, name):
        history = known(dear=(30, 30), mid=(25, 30), cheap=(3, 19))
        picks = [CHOOSERS[name](one(history, item="i7", seed=5)) for _ in range(2)]
        assert picks[0] == picks[1] in COSTS

    def test_alone_is_chosen(self, name):
        assert CHOOSERS[name](one(History(), {"ada": 0.0}, domain="")) == "ada"

    def test_bad_input_is_refused(self, name):
        with pytest.raises(ConfigError, match="no teacher to choose from"):
            CHOOSERS[name](one(History(), {}))
        with pytest.raises(DataError, match=r"'ada' is expected to cost -1 dollars; .* Give the teacher"):
            CHOOSERS[name](one(History(), {"ada": -1}))

    def test_is_a_choice_of_the_configuration(self, name):
        assert AllocationConfig(allocation=name).allocation == name


class TestAllocate:
    def items(self, n, domain="d"):
        return [Example(id=f"{domain}{i}", question="?", domain=domain) for i in range(n)]

    def test_a_batch_explores_no_more_than_it_must(self):
        items = self.items(100) + self.items(100, "e")
        own = AllocationConfig(allocation="cheapest", looks=10)
        picks = allocate(items, History(), [COSTS] * 200, seed=0, config=own)
        for domain in "de":
            counts = Counter(name for id_, name in picks.items() if id_.startswith(domain))
            # ten each, and then the prior alone decides: all alike, so the cheapest
            assert counts == {"dear": 10, "mid": 10, "cheap": 80}

    def test_every_item_gets_a_teacher_of_its_own_prices(self):
        costs = [{"ada": 1.0}, {"bela": 1.0}]
        assert allocate(self.items(2), History(), costs, seed=0) == {"d0": "ada", "d1": "bela"}

    def test_uneven_input_is_refused(self):
        with pytest.raises(DataError, match="2 items with 2 ids and 1 mappings of costs"):
            allocate(self.items(2), History(), [COSTS], seed=0)


def test_a_setting_that_nothing_reads_is_refused():
    with pytest.raises(ValueError, match=r"teacher is 'ada', which allocation = 'bandit' does not read"):
        AllocationConfig(allocation="bandit", teacher="ada")


def test_a_cascade_is_an_allocation_and_kept_as_older_folders_have_it():
    assert set(ALLOCATIONS) == {*CHOOSERS, "cascade"} <= set(POLICIES)
    named, switched = AllocationConfig(allocation="cascade"), AllocationConfig(escalate=True)
    assert named.model_dump() == switched.model_dump()
    assert (named.escalate, named.allocation) == (True, "fixed")


@pytest.mark.parametrize("beside", [{"escalate": False}, {"teacher": "ada"}])
def test_a_cascade_is_not_contradicted_in_silence(beside):
    with pytest.raises(ValueError, match="asks the teachers one after the other: leave `escalate` and"):
        AllocationConfig(allocation="cascade", **beside)
