import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.budget import Cost, Price, worst_cost
from tuition.core.records import Message, Request, Usage
from tuition.teachers.usage import estimate_usage, known_price, read_usage


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


@pytest.mark.parametrize(
    ("model", "url"), [("gpt-4o-mini", "http://127.0.0.1:8000/v1"), ("no-such", "https://api.openai.com/v1")]
)
def test_unknown_price_is_none(model, url):
    assert known_price(model, url) is None
