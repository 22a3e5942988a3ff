"""What an endpoint's headers say of its limits, in the dialects that are in use."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from tuition.core.records import RateLimits

__all__ = ["read_limits", "seconds_of", "seconds_said", "seconds_until"]

_MOST = 10**12
"""A larger number is no limit."""
_LONGEST_S, _MILLISECONDS = 1e9, 1e11
"""A larger number of seconds is a moment since 1970, and beyond the second one it counts milliseconds."""
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(
    r"(\d+(?:\.\d+)?) ?(ms|us|µs|ns|d|h|m|s)(?:ays?|ours?|in(?:ute)?s?|ec(?:ond)?s?)?(?![a-z]) ?"
)
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_WAIT = re.compile(rf"\b(?:again|retry|wait) (?:(?:in|after|for) )?({_DURATION.pattern})", re.IGNORECASE)
_PAIR = re.compile(r"\b(limit|remaining|reset|q|r|t|w)\s*=\s*(\d+(?:\.\d+)?)")

Headers = Mapping[str, str]
"""Names in lower case."""


def read_limits(headers: Headers, *, now: float | None = None) -> RateLimits | None:
    """Read the limits in a response's headers; None where nothing can be read.

    Known are `x-ratelimit-*-requests` and `-tokens` (OpenAI and its followers), `anthropic-ratelimit-*`, and
    the IETF's `ratelimit` in its older and newer forms, which speaks of requests. `now` is in seconds since
    1970, for limits that name a moment.
    """
    clock = time.time() if now is None else now
    requests = _named(headers, "requests", clock) or _ietf(headers, clock)
    tokens = _named(headers, "tokens", clock) or _named(headers, "input-tokens", clock)
    if not requests and not tokens:
        return None
    limit, left, reset_s = requests or (None, None, None)
    token_limit, tokens_left, tokens_reset_s = tokens or (None, None, None)
    return RateLimits(
        requests=limit,
        requests_left=left,
        requests_reset_s=reset_s,
        tokens=token_limit,
        tokens_left=tokens_left,
        tokens_reset_s=tokens_reset_s,
    )


def seconds_until(text: str, *, now: float | None = None) -> float | None:
    """Read how long to wait: a length of time, or a moment, which is a date or counted since 1970."""
    clock, seconds = time.time() if now is None else now, seconds_of(text)
    if seconds is not None:
        seconds = seconds / 1000 if seconds > _MILLISECONDS else seconds
        seconds = seconds if seconds < _LONGEST_S else seconds - clock
    for read in (parsedate_to_datetime, datetime.fromisoformat) if seconds is None else ():
        with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
            seconds = read(text.strip()).timestamp() - clock
    return None if seconds is None else min(max(0.0, seconds), _LONGEST_S)


def seconds_said(text: str) -> float | None:
    """Find how long a sentence asks to wait, such as `Please try again in 7m12s`; None where it does not."""
    found = _WAIT.search(text)
    return seconds_of(found[1]) if found else None


def seconds_of(text: str) -> float | None:
    """Read a length of time, such as `6m0s`, `20ms`, `26 seconds` or plain seconds; None where it is none."""
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        parts = _PART.findall(text) if _DURATION.fullmatch(text) else [("nan", "s")]
        value = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return max(0.0, value) if math.isfinite(value) else None


_Said = tuple[int | None, int | None, float | None]
"""Limit, what is left of it, seconds until it is whole again."""


def _named(headers: Headers, what: str, now: float) -> _Said | None:
    """Three headers in the names of OpenAI, or of Anthropic."""
    for name in ("x-ratelimit-{part}-{what}", "anthropic-ratelimit-{what}-{part}"):
        parts = [
            headers.get(name.format(part=part, what=what), "") for part in ("limit", "remaining", "reset")
        ]
        if said := _said(*parts, now=now):
            return said
    return None


def _ietf(headers: Headers, now: float) -> _Said | None:
    """Either `limit=9, remaining=5, reset=30`, or `"a";r=5;t=30` with a policy, or three headers."""
    found = dict(_PAIR.findall(headers.get("ratelimit", "")))
    policy = dict(_PAIR.findall(headers.get("ratelimit-policy", "")))
    limit = found.get("limit") or policy.get("q") or headers.get("ratelimit-limit", "").partition(",")[0]
    left = found.get("remaining") or found.get("r") or headers.get("ratelimit-remaining", "")
    reset = found.get("reset") or found.get("t") or headers.get("ratelimit-reset", "")
    window, whole = seconds_of(policy.get("w", "")), _whole(limit)
    if whole is not None and window:
        limit = str(math.floor(whole * 60 / window))
    return _said(limit, left, reset, now=now)


def _said(limit: str, left: str, reset: str, *, now: float) -> _Said | None:
    """Read the three texts of a limit; a reset alone says nothing."""
    whole, rest = _whole(limit), _whole(left)
    if whole is None and rest is None:
        return None
    return whole, rest, seconds_until(reset, now=now)


def _whole(text: str) -> int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if 0 <= value <= _MOST else None
