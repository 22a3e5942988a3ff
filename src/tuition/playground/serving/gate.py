"""The server's limits and peculiarities: requests and tokens a minute as buckets, calls in flight."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Annotated

from pydantic import Field

from tuition.core.config import Section
from tuition.playground.serving.faults import Refusal

__all__ = ["Gate", "ServerConfig"]


class ServerConfig(Section):
    """Limits of the server, and what it does with a client's parameters."""

    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Requests a minute, above which it answers 429; None: no limit."""
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Tokens a minute, prompt and bound of the answer together; None: no limit."""
    burst_s: Annotated[float, Field(gt=0)] = 60.0
    """So many seconds' worth of both limits may be used at once."""
    concurrency: Annotated[int, Field(ge=1)] | None = None
    """Calls in flight at most, above which it answers 429; None: no limit."""
    latency_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds before any answer."""
    refuses: tuple[str, ...] = ()
    """Parameters answered by 400, as some models do with `temperature` or `max_tokens`."""
    ignores: tuple[str, ...] = ()
    """Parameters silently left out, as some local servers do with `n` or `response_format`."""


class _Bucket:
    """Fills at a rate a minute; holds what may be used at once."""

    def __init__(self, per_minute: float, burst_s: float) -> None:
        self.per_minute = per_minute
        self.size = max(1.0, per_minute * burst_s / 60)
        self.level = self.size
        self._seen = time.monotonic()

    def fill(self) -> None:
        now = time.monotonic()
        self.level = min(self.size, self.level + (now - self._seen) * self.per_minute / 60)
        self._seen = now

    def wait_s(self, amount: float) -> float:
        """Seconds until an amount is there; 0: it is."""
        return max(0.0, min(amount, self.size) - self.level) * 60 / self.per_minute


class Gate:
    """Lets calls in while the limits allow it."""

    def __init__(self, config: ServerConfig) -> None:
        self._in_flight = 0
        self._concurrency = config.concurrency
        rates = {"requests": config.requests_per_minute, "tokens": config.tokens_per_minute}
        self._buckets = {name: _Bucket(rate, config.burst_s) for name, rate in rates.items() if rate}

    def refusal(self, tokens: Callable[[], int]) -> Refusal | None:
        """Take what a call needs out of the buckets, or give the refusal; None: the call may go on."""
        if self._concurrency is not None and self._in_flight >= self._concurrency:
            message = f"too many calls at once, at most {self._concurrency}"
            return Refusal(status=429, code="rate_limit_exceeded", message=message)
        needs = {name: tokens() if name == "tokens" else 1 for name in self._buckets}
        for name, bucket in self._buckets.items():
            bucket.fill()
            wait_s = bucket.wait_s(needs[name])
            if wait_s > 0:
                message = f"limit of {bucket.per_minute:g} {name} a minute reached"
                headers = {"Retry-After": f"{wait_s:.3f}"}
                return Refusal(status=429, code="rate_limit_exceeded", message=message, headers=headers)
        for name, bucket in self._buckets.items():
            bucket.level -= min(needs[name], bucket.size)
        return None

    @contextlib.contextmanager
    def inside(self) -> Generator[None]:
        """Count a call as in flight until the block ends."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def left(self) -> dict[str, tuple[float, float, float]]:
        """For each limit its size a minute, what is left, and seconds until it is full."""
        for bucket in self._buckets.values():
            bucket.fill()
        return {
            name: (bucket.per_minute, bucket.level, bucket.wait_s(bucket.size))
            for name, bucket in self._buckets.items()
        }
