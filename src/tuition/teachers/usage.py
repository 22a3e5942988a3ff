"""Tokens and prices: what a provider counted, what can only be guessed, what a maintained table says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuition.core.budget import Price, price_of
from tuition.core.records import Json, Request, Usage

__all__ = ["estimate_usage", "known_price", "read_usage"]

_LETTERS_PER_TOKEN = 4
"""English text in the vocabularies of 2024 has about this many letters a token."""


def estimate_usage(request: Request, text: str) -> Usage:
    """Guess the tokens of a call that nobody counted from the lengths of its texts.

    Args:
        request: Its messages, and `max_tokens`, which the guess does not exceed: what was set aside for the
            call bounds what it is settled with.
        text: All that was written.

    Returns:
        A usage marked as estimated.
    """
    prompt = sum(len(message.content) for message in request.messages)
    bound = request.parameters.get("max_tokens")
    written = -(-len(text) // _LETTERS_PER_TOKEN)
    return Usage(
        prompt_tokens=-(-prompt // _LETTERS_PER_TOKEN),
        completion_tokens=min(written, bound) if isinstance(bound, int) else written,
        is_estimated=True,
    )


def read_usage(value: Json) -> Usage | None:
    """Read the `usage` object of a Chat Completions body.

    Args:
        value: As it came.

    Returns:
        The counts; None where the provider counted nothing.
    """
    if not isinstance(value, dict):
        return None
    prompt, completion = _count(value, "prompt_tokens"), _count(value, "completion_tokens")
    if prompt + completion == 0:
        return None
    cached = _count(value.get("prompt_tokens_details"), "cached_tokens")
    reasoning = _count(value.get("completion_tokens_details"), "reasoning_tokens")
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=min(cached, prompt),
        completion_tokens=completion,
        reasoning_tokens=min(reasoning, completion),
    )


def _count(table: Any, name: str) -> int:
    value = table.get(name) if isinstance(table, Mapping) else None
    return max(0, int(value)) if isinstance(value, int | float) else 0


def known_price(model: str, base_url: str) -> Price | None:
    """Look a model up in the price table that genai-prices brings; nothing is fetched.

    Args:
        model: The model id.
        base_url: Where it answers, which says whose price it is.

    Returns:
        The price, at its highest tier where there are tiers; None where the table does not know it.
    """
    # Here, for the table takes a moment to load and most runs need none of it.
    import genai_prices

    try:
        found = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=1, output_tokens=1), model, provider_api_url=base_url
        ).model_price
    except LookupError:
        return None
    prompt, completion = _highest(found, "input_mtok"), _highest(found, "output_mtok")
    if prompt is None or completion is None:
        return None
    return price_of(prompt=prompt, completion=completion, cached=_highest(found, "cache_read_mtok"))


def _highest(prices: Any, unit: str) -> str | None:
    price = getattr(prices, unit, None)
    if price is None:
        return None
    tiers = [tier.price for tier in getattr(price, "tiers", ())]
    return str(max([getattr(price, "base", price), *tiers]))
