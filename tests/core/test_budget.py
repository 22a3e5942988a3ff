import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tuition.core.budget import Budget, Cost, Price, price_of, to_nano, to_usd, worst_cost
from tuition.core.records import Message, Request, Usage

nanos = st.integers(0, 10**14)
prices = st.builds(Price, prompt=nanos, completion=nanos, cached=st.none() | nanos)


@st.composite
def usages(draw):
    prompt = draw(st.integers(0, 10**6))
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=draw(st.integers(0, prompt)),
        completion_tokens=draw(st.integers(0, 10**6)),
    )


def request(text, max_tokens=10, **more):
    return Request(
        endpoint="http://x/v1",
        model="m",
        messages=(Message(role="user", content=text),),
        parameters={"max_tokens": max_tokens, **more},
        example_id="e1",
    )


def test_money_by_hand():
    assert to_nano("0.000000001") == 1
    assert to_nano(0.1) == 100_000_000
    assert to_nano("0.0000000001") == 1, "a part of a nano-dollar rounds up"
    assert to_usd(None) is None
    assert to_usd(1_500_000_000) == 1.5
    price = price_of(prompt=0.15, completion=0.6, cached=0.075)
    usage = Usage(prompt_tokens=1000, cached_tokens=400, completion_tokens=100)
    # 600 * 150 + 400 * 75 + 100 * 600 nano-dollars
    assert Cost.of(usage, price) == Cost(nano=180_000, tokens=1100)
    assert Cost.of(Usage(prompt_tokens=1), Price(prompt=1, completion=0)).nano == 1


def test_unknown_price_is_unknown_cost():
    assert Cost.of(Usage(prompt_tokens=3, completion_tokens=4), None) == Cost(nano=None, tokens=7)


@given(st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=12))
def test_nano_never_rounds_down(usd):
    assert to_nano(usd) >= usd * 10**9 > to_nano(usd) - 1


@given(usages(), prices)
def test_cost_never_rounds_down_and_never_loses_a_token(usage, price):
    cost = Cost.of(usage, price)
    cached = price.prompt if price.cached is None else price.cached
    exact = (
        (usage.prompt_tokens - usage.cached_tokens) * price.prompt
        + usage.cached_tokens * cached
        + usage.completion_tokens * price.completion
    )
    assert cost.nano * 10**6 >= exact > (cost.nano - 1) * 10**6
    assert cost.tokens == usage.prompt_tokens + usage.completion_tokens


@given(st.text(max_size=200), st.integers(0, 5000), prices, st.data())
def test_worst_cost_bounds_every_possible_usage(text, max_tokens, price, data):
    worst = worst_cost(request(text, max_tokens), price)
    prompt = data.draw(st.integers(0, len(text.encode()) + 64))
    usage = Usage(
        prompt_tokens=prompt,
        cached_tokens=data.draw(st.integers(0, prompt)),
        completion_tokens=data.draw(st.integers(0, max_tokens)),
    )
    real = Cost.of(usage, price)
    assert real.nano <= worst.nano
    assert real.tokens <= worst.tokens


def test_room_for_the_template_around_the_messages():
    # 64 for the template, 16 for each message, and "größe" has 7 bytes
    assert worst_cost(request("größe", 10), Price(prompt=1_000_000, completion=2_000_000)) == Cost(
        nano=64 + 16 + 7 + 2 * 10, tokens=64 + 16 + 7 + 10
    )


def test_parameters_that_a_provider_may_write_into_the_prompt_count():
    plain = worst_cost(request("abc"), None).tokens
    assert worst_cost(request("abc", temperature=0.5, logprobs=True, seed=None), None).tokens == plain
    schema = {"type": "object", "properties": {"größe": {"type": "number"}}}
    for more in (
        {"response_format": schema},
        {"tools": [schema]},
        {"stop": ("a", "b")},
        {"system_x": "Be so."},
    ):
        written = len(json.dumps(more, ensure_ascii=False, separators=(",", ":")).encode())
        assert worst_cost(request("abc", **more), None).tokens == plain + written


def test_cached_tokens_dearer_than_others_are_within_the_worst():
    price = Price(prompt=1_000_000, completion=0, cached=9_000_000)
    worst = worst_cost(request("abc"), price)
    usage = Usage(prompt_tokens=50, cached_tokens=50)
    assert Cost.of(usage, price).nano <= worst.nano


def test_more_cached_than_prompt_tokens_is_no_negative_cost():
    price = Price(prompt=1_000_000, completion=0, cached=0)
    assert Cost.of(Usage(prompt_tokens=10, cached_tokens=30), price).nano == 0


@pytest.mark.parametrize("bound", [None, "12", -1, 2.5])
def test_call_without_a_bound_is_refused(bound):
    with pytest.raises(ValueError, match="request for 'e1' has no max_tokens, so its cost has no bound"):
        worst_cost(request("a", bound), None)


LIMITS = ("usd", "tokens", "calls", "confirm_above_usd")


@pytest.mark.parametrize("field", LIMITS)
def test_budget_takes_zero_and_refuses_less(field):
    assert getattr(Budget(**{field: 0}), field) == 0
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Budget(**{field: -1})


def test_budget_refuses_endless_money():
    with pytest.raises(ValidationError, match="finite number"):
        Budget(usd=float("inf"))


@pytest.mark.parametrize("policy", ["perhaps", "", "leave it", "xleave", "ask_again "])
def test_budget_refuses_unknown_policies(policy):
    with pytest.raises(ValidationError, match="on_unknown"):
        Budget(on_unknown=policy)


def test_what_holds_where_nothing_is_said():
    assert Budget().model_dump() == {
        **{"usd": None, "tokens": None, "calls": None, "confirm_above_usd": 1.0},
        **{"allow_unknown_price": False, "on_unknown": "ask_again", "scope": ""},
    }
    assert Budget(on_unknown="leave").on_unknown == "leave"
