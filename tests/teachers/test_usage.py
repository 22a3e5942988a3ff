from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.budget import Cost, Price, worst_cost
from tuition.core.records import Message, Request, Usage
from tuition.teachers import TeacherConfig, prices
from tuition.teachers.prices import known_price, price_for
from tuition.teachers.usage import estimate_usage, read_usage, split_usage


def request(text, max_tokens):
    return Request(
        endpoint="e",
        model="m",
        messages=(Message(role="user", content=text),),
        parameters={"max_tokens": max_tokens},
    )


@given(st.text(max_size=300), st.text(max_size=300), st.integers(1, 100))
def test_estimate_never_exceeds_what_is_set_aside(prompt, text, bound):
    price = Price(prompt=3, completion=5)
    asked = request(prompt, bound)
    usage = estimate_usage(asked, text)
    assert usage.is_estimated
    worst, real = worst_cost(asked, price), Cost.of(usage, price)
    assert worst.nano is not None
    assert real.nano is not None
    assert (real.tokens <= worst.tokens, real.nano <= worst.nano) == (True, True)


def test_counted_usage():
    body = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    assert read_usage(body) == Usage(
        prompt_tokens=100, cached_tokens=40, completion_tokens=30, reasoning_tokens=20
    )


@pytest.mark.parametrize("body", [None, "12", [], {}, {"prompt_tokens": None}, {"prompt_tokens": -3}])
def test_nothing_counted(body):
    assert read_usage(body) is None


@pytest.mark.parametrize(
    "count", [float("inf"), float("nan"), 1e308, 10**400, True, "12a", "9" * 5000, [3], -1, None, 10**9 + 1]
)
def test_a_count_that_cannot_be_meant_is_none(count):
    assert read_usage({"prompt_tokens": count, "completion_tokens": count}) is None
    body = {"prompt_tokens": 5, "completion_tokens": count, "prompt_tokens_details": {"cached_tokens": count}}
    assert read_usage(body) == Usage(prompt_tokens=5)


def test_a_count_in_a_text_is_one():
    assert read_usage({"prompt_tokens": "12", "completion_tokens": "7"}).completion_tokens == 7


def test_reasoning_that_is_counted_apart_is_charged():
    body = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}
    assert read_usage(body) == Usage(prompt_tokens=10, completion_tokens=30, reasoning_tokens=25)


def test_a_cached_part_under_another_name():
    body = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 8}
    assert read_usage(body) == Usage(prompt_tokens=10, cached_tokens=8, completion_tokens=5)


counts = st.integers(0, 10**9)


@given(st.tuples(counts, counts, counts, counts), st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_shares_of_a_call_add_up_to_it(numbers, lengths):
    prompt, cached, completion, reasoning = numbers
    usage = Usage(
        prompt_tokens=prompt,
        cached_tokens=min(cached, prompt),
        completion_tokens=completion,
        reasoning_tokens=min(reasoning, completion),
    )
    shares = split_usage(usage, lengths)
    for column in ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"):
        values = [getattr(share, column) for share in shares]
        assert sum(values) == getattr(usage, column)
        assert min(values) >= 0
    assert all(share.reasoning_tokens <= share.completion_tokens for share in shares)
    price = Price(prompt=3_000_000, completion=5_000_000, cached=1_000_000)
    costs = [Cost.of(share, price).nano for share in shares]
    assert sum(costs) == Cost.of(usage, price).nano


def test_what_was_written_is_shared_by_length():
    shares = split_usage(Usage(prompt_tokens=9, completion_tokens=10), [1, 1, 1])
    assert [share.completion_tokens for share in shares] == [4, 3, 3]
    assert [share.completion_tokens for share in split_usage(Usage(completion_tokens=7), [0, 0])] == [7, 0]


def test_strange_details_are_bounded():
    body = {
        "prompt_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 99},
        "completion_tokens_details": 3,
    }
    assert read_usage(body) == Usage(prompt_tokens=10, cached_tokens=10)


def test_prices_come_from_the_maintained_table():
    price = known_price("gpt-4o-mini", "https://api.openai.com/v1")
    assert price == Price(prompt=150_000_000, completion=600_000_000, cached=75_000_000)


def test_tiered_prices_count_at_their_highest():
    price = known_price("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai")
    assert price is not None
    assert (price.prompt, price.completion) == (2_500_000_000, 15_000_000_000)


@pytest.mark.parametrize("hour", [0, 3, 12, 18, 23])
def test_a_price_that_is_lower_at_night_counts_at_its_highest(monkeypatch, hour):
    class Then(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 3, 1, hour, 45, tzinfo=tz)

    monkeypatch.setattr(prices, "datetime", Then)
    price = known_price("deepseek-chat", "https://api.deepseek.com")
    assert price == Price(prompt=270_000_000, completion=1_100_000_000, cached=70_000_000)


@pytest.mark.parametrize(
    ("model", "url"), [("gpt-4o-mini", "http://127.0.0.1:8000/v1"), ("no-such", "https://api.openai.com/v1")]
)
def test_unknown_price_is_none(model, url):
    assert known_price(model, url) is None


OPENAI = "https://api.openai.com/v1"


def priced(**table):
    return price_for(TeacherConfig(name="a", model="gpt-4o-mini", base_url=OPENAI, **table))


def test_the_table_goes_before_the_maintained_one_with_its_decimals():
    assert priced() == Price(prompt=150_000_000, completion=600_000_000, cached=75_000_000)
    mine = priced(price_prompt=0.1, price_completion=0.123456789, price_cached=0.0000001)
    assert mine == Price(prompt=100_000_000, completion=123_456_789, cached=100)
    # Without a price of its own a cached token costs what others do, whatever the maintained table says.
    assert priced(price_prompt=0.1, price_completion=0.2).cached is None
    assert price_for(TeacherConfig(name="a", base_url="http://127.0.0.1:8000/v1")) is None


def test_a_batch_costs_its_share_rounded_up():
    batch = {"in_batches": True}
    assert priced(wire=batch) == Price(prompt=75_000_000, completion=300_000_000, cached=37_500_000)
    table = {"price_prompt": 0.000000003, "price_completion": 1}
    assert priced(**table, wire=batch) == Price(prompt=2, completion=500_000_000)
    third = priced(**table, wire={**batch, "batch_share": 0.3})
    assert third == Price(prompt=1, completion=300_000_000)
    assert priced(**table, wire={"batch_share": 0.3}) == Price(prompt=3, completion=1_000_000_000)
