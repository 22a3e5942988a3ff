"""Write on from what a model has read: one loop, greedy or drawn, that keeps the probability of each token.

Knows token ids; knows no texts. `transformers` can generate from a cache too, but keeps whole vocabularies of
scores a token and goes on computing rows that have ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tuition.student.branches.memory import Memory

__all__ = ["Written", "decode"]

_FULL = 0.75
"""Share of rows that still write below which the others are dropped: dropping copies what is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The tokens of one row, the end mark included."""

    tokens: list[int]
    logprobs: list[float]
    """Natural log-probability of each token, whatever the temperature."""
    entropies: list[float]
    """Of the untempered distribution each token was taken from, in nats."""


@torch.inference_mode()
def decode(
    memory: Memory,
    last: Tensor,
    *,
    limits: Tensor,
    marks: Sequence[int],
    temperature: float,
    uniforms: Tensor | None,
) -> list[Written]:
    """Continue each row until an end mark or its limit.

    A token is drawn by inverting the distribution function at a number the caller gives, so that what a row
    writes depends neither on the rows beside it nor on how many there are.
    """
    size, steps = len(last), int(limits.max())
    tokens = torch.full((size, steps), -1, dtype=torch.long)
    logprobs, entropies = torch.zeros(size, steps), torch.zeros(size, steps)
    ends = torch.tensor(list(marks), device=last.device)
    rows, writes = torch.arange(size, device=last.device), torch.ones_like(last, dtype=torch.bool)
    for step in range(steps):
        known = memory.read(last[:, None])[:, -1].float().log_softmax(-1)  # (rows, V)
        drawn = None if uniforms is None else uniforms[rows, step]
        last = _choose(known, temperature=temperature, drawn=drawn)
        here = rows[writes].cpu()
        tokens[here, step] = last[writes].cpu()
        logprobs[here, step] = known.gather(-1, last[:, None])[writes, 0].cpu()
        entropies[here, step] = torch.special.entr(known.exp()).sum(-1)[writes].cpu()
        full = limits[rows] <= step + 1
        writes = writes & ~torch.isin(last, ends) & ~full
        left = int(writes.sum())
        if left == 0:
            break
        # A full row must go at once: there may be no position for another token.
        if left < _FULL * len(rows) or bool(full.any()):
            chosen = writes.nonzero()[:, 0]
            memory = memory.select(chosen, memory.lengths[chosen])
            rows, last, writes = rows[chosen], last[chosen], writes[chosen]
    counts = (tokens >= 0).sum(-1).tolist()
    return [
        Written(tokens=row[:n], logprobs=chances[:n], entropies=spread[:n])
        for n, row, chances, spread in zip(
            counts, tokens.tolist(), logprobs.tolist(), entropies.tolist(), strict=True
        )
    ]


def _choose(known: Tensor, *, temperature: float, drawn: Tensor | None) -> Tensor:
    """Take the likeliest token of each row, or the one at its number; known (rows, V)."""
    if drawn is None or temperature == 0:
        return known.argmax(-1)
    below = (known / temperature).softmax(-1).cumsum(-1)  # (rows, V)
    # Rounding leaves the last sum a little beside 1.
    places = torch.searchsorted(below, drawn[:, None] * below[:, -1:], right=True)[:, 0]
    return places.clamp(max=known.shape[-1] - 1)
