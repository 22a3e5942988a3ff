"""What may be spent, what a call may cost at worst, and what it did cost.

Money is whole nano-dollars; nothing here rounds down. Knows no store: the store keeps the sums, this room
does the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from tuition.core.config import Section
from tuition.core.records import Record, Request, Usage, canonical_json

__all__ = [
    "EXPECTED_SHARE",
    "LETTERS_PER_TOKEN",
    "LOW_SHARE",
    "NANO",
    "Budget",
    "Cost",
    "Price",
    "guess_cost",
    "price_of",
    "to_nano",
    "to_usd",
    "worst_cost",
]

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""

LETTERS_PER_TOKEN = 4.0
"""Of English text; a guess."""
LOW_SHARE, EXPECTED_SHARE = 0.01, 0.35
"""Shares of `max_tokens` that an answer is guessed to use."""

_TEMPLATE_TOKENS = 64
"""Room for the chat template around the messages: role marks, begin and end."""
_MESSAGE_TOKENS = 16
"""The same for each message."""
_TOLD = str | list | tuple | Mapping
"""Parameters that an endpoint may write into the prompt, such as a schema."""


def to_nano(usd: float | str | Decimal) -> int:
    """Turn dollars into whole nano-dollars, rounding up."""
    return math.ceil(Decimal(str(usd)) * NANO)


def to_usd(nano: int | None) -> float | None:
    """Turn nano-dollars into dollars for people and files."""
    return None if nano is None else nano / NANO


@dataclass(frozen=True, slots=True, kw_only=True)
class Price(Record):
    """What tokens cost, in nano-dollars for a million of them."""

    prompt: int
    completion: int
    cached: int | None = None
    """Price of prompt tokens the provider had cached; None: as the others."""


def price_of(*, prompt: float | str, completion: float | str, cached: float | str | None = None) -> Price:
    """Make a price from dollars per million tokens."""
    cached_nano = None if cached is None else to_nano(cached)
    return Price(prompt=to_nano(prompt), completion=to_nano(completion), cached=cached_nano)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost(Record):
    """What one attempt takes out of a budget."""

    nano: int | None
    """Nano-dollars; None: the price is unknown."""
    tokens: int
    """Prompt and completion together."""

    @classmethod
    def of(cls, usage: Usage, price: Price | None) -> Cost:
        """Settle what was used at a price, rounded up to a whole nano-dollar."""
        tokens = usage.prompt_tokens + usage.completion_tokens
        if price is None:
            return cls(nano=None, tokens=tokens)
        cached_price = price.prompt if price.cached is None else price.cached
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        full = usage.prompt_tokens - cached
        total = full * price.prompt + cached * cached_price + usage.completion_tokens * price.completion
        return cls(nano=-(-total // 1_000_000), tokens=tokens)


def worst_cost(request: Request, price: Price | None) -> Cost:
    """Bound what a call can cost before it is made.

    Without a tokenizer a prompt has at most as many tokens as UTF-8 bytes, plus what the chat template adds;
    a parameter that is a text, a list or a table, such as a schema, may be written into it. The answer has at
    most `max_tokens`.
    """
    bound = request.parameters.get("max_tokens")
    if not isinstance(bound, int) or bound < 0:
        raise ValueError(f"request for {request.example_id!r} has no max_tokens, so its cost has no bound")
    letters = sum(len(message.content.encode()) + _MESSAGE_TOKENS for message in request.messages)
    # Numbers and switches put nothing into a prompt.
    told = {name: value for name, value in request.parameters.items() if isinstance(value, _TOLD)}
    most = letters + _TEMPLATE_TOKENS + (len(canonical_json(told).encode()) if told else 0)
    plain = Cost.of(Usage(prompt_tokens=most, completion_tokens=bound), price)
    cached = Cost.of(Usage(prompt_tokens=most, cached_tokens=most, completion_tokens=bound), price)
    return max(plain, cached, key=lambda cost: cost.nano or 0)


def guess_cost(request: Request, price: Price | None) -> Cost:
    """Guess what a call costs from the letters of its prompt."""
    letters = sum(len(message.content) for message in request.messages)
    bound = request.parameters["max_tokens"]
    assert isinstance(bound, int)
    prompt, completion = round(letters / LETTERS_PER_TOKEN), round(bound * EXPECTED_SHARE)
    return Cost.of(Usage(prompt_tokens=prompt, completion_tokens=completion), price)


class Budget(Section):
    """What a run may newly pay; None: no limit of that kind."""

    usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Dollars."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """Prompt and completion tokens together."""
    calls: Annotated[int, Field(ge=0)] | None = None
    """Attempts, the failed ones included."""
    confirm_above_usd: Annotated[float, Field(ge=0)] = 1.0
    """A plan expected to cost more than this needs `--yes`."""
    allow_unknown_price: bool = False
    """Whether a teacher of unknown price may be asked under a limit in dollars; it counts as 0 there."""
    on_unknown: Annotated[str, Field(pattern="^(ask_again|leave)$")] = "ask_again"
    """For a call whose end nobody saw: `ask_again` pays once more, `leave` counts the example as failed."""
    scope: str = ""
    """Name under which several runs share these limits; empty: each run has its own. Baselines share their
    main run's."""
