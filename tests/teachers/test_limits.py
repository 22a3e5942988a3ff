import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.records import RateLimits
from tuition.teachers.http.faults import retry_after
from tuition.teachers.http.limits import read_limits, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1s", 1.0),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("1d", 86400.0),
        ("26 seconds", 26.0),
        ("1 minute 30 secs", 90.0),
        ("0.5", 0.5),
        (" 30 ", 30.0),
        ("-3", 0.0),
        ("", None),
        ("soon", None),
        ("5 apples", None),
        ("nan", None),
        ("inf", None),
        ("9" * 400, None),
    ],
)
def test_lengths_of_time(text, seconds):
    assert seconds_of(text) == (None if seconds is None else pytest.approx(seconds))


def openai(**values):
    return {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in values.items()}


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        ({}, None),
        ({"content-type": "x", "x-ratelimit-reset-requests": "1s"}, None),
        (
            openai(
                limit_requests="500",
                remaining_requests="499",
                reset_requests="120ms",
                limit_tokens="30000",
                remaining_tokens="0",
                reset_tokens="6m0s",
            ),
            RateLimits(
                requests=500,
                requests_left=499,
                requests_reset_s=0.12,
                tokens=30000,
                tokens_left=0,
                tokens_reset_s=360.0,
            ),
        ),
        (openai(limit_tokens="many", remaining_tokens="7"), RateLimits(tokens_left=7)),
        (openai(limit_requests="-5", remaining_requests="nan"), None),
        (
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "1970-01-01T00:01:40Z",
                "anthropic-ratelimit-input-tokens-limit": "40000",
                "anthropic-ratelimit-input-tokens-remaining": "39000",
                "anthropic-ratelimit-input-tokens-reset": "1970-01-01T01:01:10+01:00",
            },
            RateLimits(
                requests=50,
                requests_left=49,
                requests_reset_s=40.0,
                tokens=40000,
                tokens_left=39000,
                tokens_reset_s=10.0,
            ),
        ),
        (
            {"ratelimit": "limit=100, remaining=50, reset=5"},
            RateLimits(requests=100, requests_left=50, requests_reset_s=5.0),
        ),
        (
            {"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"default";q=10;w=1'},
            RateLimits(requests=600, requests_left=50, requests_reset_s=30.0),
        ),
        (
            {"ratelimit-limit": "10, 10;w=1", "ratelimit-remaining": "9", "ratelimit-reset": "1"},
            RateLimits(requests=10, requests_left=9, requests_reset_s=1.0),
        ),
    ],
)
def test_dialects(headers, limits):
    assert read_limits(headers, now=60.0) == limits


NAMES = [
    *openai(limit_requests="", remaining_tokens="", reset_tokens=""),
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-reset",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-reset",
    "retry-after",
    "retry-after-ms",
]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30) | st.from_regex(r"[0-9.]{0,9}[mshd]{0,2}"))
)
def test_nothing_in_a_header_can_break_the_reading(headers):
    limits = read_limits(headers)
    values = [] if limits is None else [value for value in limits.to_json().values() if value is not None]
    assert all(value >= 0 for value in values)
    pause = retry_after(headers)
    assert pause is None or 0 <= pause <= 1e9


def test_pauses_in_other_places():
    assert retry_after({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    assert retry_after({}, {"details": [{"x": 1}, {"retryDelay": "34s"}]}) == 34.0
    assert retry_after({"retry-after": "nan"}) is None
    assert retry_after({}, {"details": "x"}) is None
    assert retry_after({"retry-after": "2999-01-01T00:00:00Z"}) == 1e9
    assert retry_after({"x-ms-retry-after-ms": "1500"}) == 1.5
    assert retry_after({}, {"retry_after": 0.65}) == 0.65
    later = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int((time.time() + 60) * 1000))}
    assert 50 < retry_after({}, {"metadata": {"headers": later}}) <= 60
    assert retry_after({"x-ratelimit-reset": "60", "x-ratelimit-remaining": "3"}) is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Limit 200, Used 200. Please try again in 7m12s. Visit x", 432.0),
        ("Please try again in 120ms.", 0.12),
        ("Please retry after 26 seconds.", 26.0),
        ("Please retry in 31.2s.", 31.2),
        ("Retry after a while, in 5 apples", None),
    ],
)
def test_pauses_in_a_sentence(said, seconds):
    assert retry_after({}, {"message": said}) == (None if seconds is None else pytest.approx(seconds))
    assert retry_after({"retry-after": "3"}, {"message": said}) == 3.0
