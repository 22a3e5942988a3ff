import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.store import Spend
from tuition.experiment.rounds.allowance import PROBE, Used, affordable
from tuition.experiment.rounds.config import Allowance


def asked_for(costs, *limits):
    """Ask part by part, as a round does; each example is one call, its cost in tokens and in dollars."""
    parts, used = [], Used()
    while True:
        n = affordable([(limit, used) for limit in limits], so_far=used)
        left = costs[used.items :]
        part = left if n is None else left[:n]
        if not part:
            return parts, used
        parts.append(len(part))
        used = Used(
            items=used.items + len(part),
            calls=used.calls + len(part),
            tokens=used.tokens + sum(part),
            usd=used.usd + sum(part),
        )


def test_a_probe_then_half_of_what_is_left_then_one_by_one():
    # Ten each of 100: 4 leave room for 6, of which half; then half of 3, which is 1; and on one by one.
    assert asked_for([10] * 50, Allowance(tokens=100)) == (
        [4, 3, 1, 1, 1],
        Used(items=10, calls=10, tokens=100, usd=100),
    )
    # Of 105 the last 5 are half an example.
    assert asked_for([10] * 50, Allowance(tokens=105))[0] == [4, 3, 1, 1, 1]


def test_four_that_cost_nothing_do_not_lift_the_limit():
    """Calls that failed cost nothing, and say nothing of those that will not."""
    parts, used = asked_for([0] * 4 + [10] * 500, Allowance(tokens=100))
    assert parts[:2] == [4, 4]
    assert used.tokens <= 100 + 10 * 4


def test_the_first_examples_are_asked_for_their_price():
    assert affordable([(Allowance(usd=1000.0), Used())], so_far=Used()) == PROBE == 4
    assert affordable([(Allowance(usd=1000.0, items=2), Used())], so_far=Used()) == 2
    assert affordable([(Allowance(items=70), Used())], so_far=Used()) == 70


def test_nothing_is_asked_where_nothing_is_allowed():
    for limit in (Allowance(items=0), Allowance(usd=0.0), Allowance(tokens=0), Allowance(calls=0)):
        assert affordable([(limit, Used())], so_far=Used()) == 0


def test_nothing_limits_an_open_allowance():
    assert affordable([(Allowance(), Used())], so_far=Used()) is None
    assert affordable([], so_far=Used(items=3)) is None


def test_the_narrower_of_two_allowances_counts():
    this_round, all_rounds = Used(items=4, calls=8), Used(items=24, calls=48)
    # Two calls each: room for 8 of the round's 24 calls, and for 1 of all rounds' 50.
    limits = [(Allowance(calls=24), this_round), (Allowance(calls=50), all_rounds)]
    assert affordable(limits[:1], so_far=all_rounds) == 4
    assert affordable(limits, so_far=all_rounds) == 1
    assert affordable([(Allowance(items=25), all_rounds), *limits], so_far=all_rounds) == 1
    assert affordable([(Allowance(items=24), all_rounds)], so_far=all_rounds) == 0


def test_a_new_round_knows_what_examples_cost_before():
    # 98 examples at a cent each: two are left of the dollar, and no four are tried.
    used = Used(items=98, usd=0.98)
    assert affordable([(Allowance(), Used()), (Allowance(usd=1.0), used)], so_far=used) == 1
    assert affordable([(Allowance(usd=9.0), Used()), (Allowance(usd=1.1), used)], so_far=used) == 6
    assert affordable([(Allowance(usd=0.985), used)], so_far=used) == 0


def test_free_teachers_are_asked_everything_after_the_probe():
    parts, used = asked_for([0] * 30, Allowance(usd=0.01))
    assert parts == [4, 4, 8, 14]
    assert used.usd == 0


def test_an_unknown_price_limits_nothing_but_other_limits_hold():
    unknown = Used(items=4, calls=4, usd=None)
    assert affordable([(Allowance(usd=1.0), unknown)], so_far=unknown) is None
    assert affordable([(Allowance(usd=1.0, items=9), unknown)], so_far=unknown) == 5
    assert affordable([(Allowance(usd=1.0, calls=6), unknown)], so_far=unknown) == 1


@given(st.integers(0, 60), st.lists(st.integers(1, 50), max_size=60), st.integers(1, 2000))
def test_never_more_examples_than_allowed(items, costs, tokens):
    _, used = asked_for(costs, Allowance(items=items, tokens=tokens))
    assert used.items <= items
    assert used.items == asked_for(costs, Allowance(items=items, tokens=tokens))[1].items


@given(
    st.lists(st.floats(0.95, 1.05, allow_subnormal=False), min_size=200, max_size=200),
    st.floats(4.5, 150.0, allow_subnormal=False),
)
def test_money_is_met_to_within_about_one_example(costs, usd):
    """Where examples cost about the same: neither an example too much, nor one too few."""
    parts, used = asked_for(costs, Allowance(usd=usd))
    assert parts[0] == PROBE
    assert -0.2 < usd - used.usd < 1.05


@given(st.lists(st.integers(1, 100), min_size=1, max_size=80), st.integers(400, 3000))
def test_money_is_never_left_for_an_example_of_mean_cost(costs, tokens):
    _, used = asked_for(costs, Allowance(tokens=tokens))
    assert used.items == len(costs) or tokens - used.tokens < used.tokens / used.items


def test_use_is_read_from_the_spend_and_subtracted():
    nothing = {
        "reused_calls": 0,
        "paid_usd": 0.0,
        "failed_usd": 0.0,
        "unknown": 0,
        "unpriced": 0,
        "estimated": 0,
    }
    by_role = {"solve": {"answers": 5}, "verify": {"answers": 3}}
    # Nine attempts, one of which failed: eight answers count.
    spend = Spend(calls=9, prompt_tokens=70, completion_tokens=30, usd=0.5, by_role=by_role, **nothing)
    used = Used.of(spend, items=4)
    assert used == Used(items=4, calls=8, tokens=100, usd=0.5)
    before = Used(items=1, calls=2, tokens=60, usd=0.25)
    assert used.since(before) == Used(items=3, calls=6, tokens=40, usd=0.25)
    assert used.since(Used(usd=None)).usd is None
    assert Used(usd=None).since(before).usd is None
    assert Used.from_json(used.to_json()) == used


def test_an_allowance_without_a_limit_is_open():
    assert Allowance().is_open
    assert not any(Allowance(**{name: 0}).is_open for name in ("items", "calls", "tokens", "usd"))
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Allowance(items=-1)
