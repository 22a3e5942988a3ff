"""What an endpoint's headers say of its limits, in the dialects that are in use."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import datetime

from tuition.core.records import RateLimits

__all__ = ["read_limits", "seconds_of"]

_MOST = 10**12
"""A larger number is no limit."""
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
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
    requests = _openai(headers, "requests") or _anthropic(headers, "requests", clock) or _ietf(headers)
    tokens = (
        _openai(headers, "tokens")
        or _anthropic(headers, "tokens", clock)
        or _anthropic(headers, "input-tokens", clock)
    )
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


def seconds_of(text: str) -> float | None:
    """Read a length of time, such as `6m0s`, `20ms`, `1h2m3.5s` or plain seconds; None where it is none."""
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        parts = _PART.findall(text) if _DURATION.fullmatch(text) else [("nan", "s")]
        value = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return max(0.0, value) if math.isfinite(value) else None


_Said = tuple[int | None, int | None, float | None]
"""Limit, what is left of it, seconds until it is whole again."""


def _openai(headers: Headers, what: str) -> _Said | None:
    reset = headers.get(f"x-ratelimit-reset-{what}", "")
    return _some(
        _whole(headers.get(f"x-ratelimit-limit-{what}", "")),
        _whole(headers.get(f"x-ratelimit-remaining-{what}", "")),
        seconds_of(reset) if reset else None,
    )


def _anthropic(headers: Headers, what: str, now: float) -> _Said | None:
    name = f"anthropic-ratelimit-{what}"
    return _some(
        _whole(headers.get(f"{name}-limit", "")),
        _whole(headers.get(f"{name}-remaining", "")),
        _until(headers.get(f"{name}-reset", ""), now),
    )


def _ietf(headers: Headers) -> _Said | None:
    """Either `limit=9, remaining=5, reset=30`, or `"a";r=5;t=30` with a policy, or three headers."""
    found = dict(_PAIR.findall(headers.get("ratelimit", "")))
    policy = dict(_PAIR.findall(headers.get("ratelimit-policy", "")))
    limit = found.get("limit") or policy.get("q") or headers.get("ratelimit-limit", "").partition(",")[0]
    left = found.get("remaining") or found.get("r") or headers.get("ratelimit-remaining", "")
    reset = found.get("reset") or found.get("t") or headers.get("ratelimit-reset", "")
    window = seconds_of(policy.get("w", ""))
    whole = _whole(limit)
    if whole is not None and window:
        whole = math.floor(whole * 60 / window)
    return _some(whole, _whole(left), seconds_of(reset) if reset else None)


def _some(limit: int | None, left: int | None, reset_s: float | None) -> _Said | None:
    """A limit, where one is named: seconds alone say nothing."""
    return None if limit is None and left is None else (limit, left, reset_s)


def _whole(text: str) -> int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if 0 <= value <= _MOST else None


def _until(moment: str, now: float) -> float | None:
    """Seconds until a moment in the form of RFC 3339."""
    try:
        then = datetime.fromisoformat(moment.strip().replace("Z", "+00:00"))
        return max(0.0, then.timestamp() - now)
    except (ValueError, OverflowError, OSError):
        return None
