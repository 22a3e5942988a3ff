"""How the playground's server behaves when nothing goes wrong: its limits and its peculiarities."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tuition.core.config import Section

__all__ = ["ServerConfig"]


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
