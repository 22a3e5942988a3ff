"""Tokens: what a provider counted, and what can only be guessed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tuition.core.records import Json, Request, Usage

__all__ = ["completed_usage", "count_of", "estimate_usage", "read_usage", "split_usage"]

_MOST_TOKENS = 10**9
"""A count beyond this is no count."""
_LETTERS_PER_TOKEN = 4
"""English text in the vocabularies of 2024 has about this many letters a token."""


def estimate_usage(request: Request, text: str) -> Usage:
    """Guess the tokens of a call that nobody counted from the lengths of its texts.

    The guess does not exceed `max_tokens`: what was reserved for the call bounds what it is settled with.
    """
    prompt = sum(len(message.content) for message in request.messages)
    bound = request.parameters.get("max_tokens")
    written = -(-len(text) // _LETTERS_PER_TOKEN)
    return Usage(
        prompt_tokens=-(-prompt // _LETTERS_PER_TOKEN),
        completion_tokens=min(written, bound) if isinstance(bound, int) else written,
        is_estimated=True,
    )


def completed_usage(counted: Usage | None, guess: Usage) -> Usage:
    """Put a guess where the provider counted nothing and something was read or written all the same."""
    if counted is None:
        return guess
    prompt = counted.prompt_tokens or guess.prompt_tokens
    completion = counted.completion_tokens or guess.completion_tokens
    if (prompt, completion) == (counted.prompt_tokens, counted.completion_tokens):
        return counted
    return dataclasses.replace(counted, prompt_tokens=prompt, completion_tokens=completion, is_estimated=True)


def read_usage(value: Json) -> Usage | None:
    """Read the `usage` object of a Chat Completions body; None where the provider counted nothing.

    Where the total is more than prompt and completion, the rest is reasoning that was counted apart and is
    charged all the same (Google, xAI); beside no prompt it could as well be the prompt.
    """
    if not isinstance(value, dict):
        return None
    # Some gateways keep Anthropic's names.
    prompt = count_of(value, "prompt_tokens") or count_of(value, "input_tokens")
    completion = count_of(value, "completion_tokens") or count_of(value, "output_tokens")
    apart = max(0, count_of(value, "total_tokens") - prompt - completion) if prompt else 0
    if prompt + completion == 0:
        return None
    cached = max(
        count_of(value.get("prompt_tokens_details"), "cached_tokens"),
        count_of(value, "cached_tokens"),
        count_of(value, "prompt_cache_hit_tokens"),
    )
    reasoning = count_of(value.get("completion_tokens_details"), "reasoning_tokens")
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=min(cached, prompt),
        completion_tokens=completion + apart,
        # Where what was written is not counted, the rest of the total is that, thought or not.
        reasoning_tokens=min(max(reasoning, apart if completion else 0), completion + apart),
    )


def count_of(table: object, name: str) -> int:
    """Read one count of tokens out of anything; 0 where there is none, or none that can be meant."""
    value = table.get(name) if isinstance(table, Mapping) else None
    if isinstance(value, str) and value.isdecimal() and len(value) <= len(str(_MOST_TOKENS)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value <= _MOST_TOKENS else 0


def split_usage(usage: Usage, lengths: Sequence[int]) -> list[Usage]:
    """Share the tokens of one call out over its answers, by the letters of each; at least one answer.

    The first has the prompt, and what whole numbers leave over. Every column adds up to the call's.
    """
    written = _shares(usage.completion_tokens, lengths)
    thought = _shares(usage.reasoning_tokens, written)
    return [
        Usage(
            prompt_tokens=usage.prompt_tokens if i == 0 else 0,
            cached_tokens=usage.cached_tokens if i == 0 else 0,
            completion_tokens=written[i],
            reasoning_tokens=thought[i],
            is_estimated=usage.is_estimated,
        )
        for i in range(len(lengths))
    ]


def _shares(total: int, weights: Sequence[int]) -> list[int]:
    """Whole shares, from the last to the first, so that the first takes what is left over.

    Each is rounded down behind those that follow it: none of them exceeds its weight where the total does not
    exceed the sum of the weights.
    """
    whole, behind, shares = sum(weights), 0, [0] * len(weights)
    for i in reversed(range(len(weights))):
        before = total * behind // whole if whole else 0
        behind += weights[i]
        after = total * behind // whole if whole else 0
        shares[i] = after - before
    shares[0] += total - sum(shares)
    return shares
