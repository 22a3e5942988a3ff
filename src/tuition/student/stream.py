"""Write several texts at once and tell each token as it comes; each has bounds and chance of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tuition.student.branches.read import Asked, decode, read_branches

__all__ = ["Told", "Wish", "stream"]

Told = Callable[[int, int, Mapping[int, float]], bool]
"""Told of each token: the wish's place, the token, and the log-probabilities where they are asked for: its
own and those of the likeliest. False ends the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One prompt to be continued."""

    ids: Sequence[int]
    max_tokens: int
    temperature: float = 0.0
    """0: greedy."""
    seed: int = 0
    """Of the drawing; what is drawn depends on no other wish."""
    top: int | None = None
    """So many of the likeliest tokens are told with each token's log-probability. None: no probabilities."""


@torch.inference_mode()
def stream(
    model: PreTrainedModel,
    wishes: Sequence[Wish],
    *,
    marks: Sequence[int],
    pad_id: int,
    told: Told,
    head: Sequence[int] = (),
) -> None:
    """Continue each prompt until an end mark, its bound, or until `told` ends it.

    `head` is what the decoder of an encoder-decoder reads before it writes.
    """
    if not wishes:
        return
    asked = [Asked(prompt=list(wish.ids), prefixes=[[]], head=head) for wish in wishes]
    memory, last, places = read_branches(model, asked, pad_id=pad_id)
    limits = torch.tensor([wish.max_tokens for wish in wishes], device=model.device)
    chosen = memory.select(places, memory.lengths[places])
    choose = _Draw(wishes, told=told, marks=set(marks)).choose
    decode(chosen, last[places], limits=limits, marks=marks, choose=choose)


class _Draw:
    """Choose each row's next token, and tell it."""

    def __init__(self, wishes: Sequence[Wish], *, told: Told, marks: set[int]) -> None:
        self._wishes, self._told, self._marks = wishes, told, marks
        self._is_open = [True] * len(wishes)
        self._chance = [torch.Generator().manual_seed(wish.seed) for wish in wishes]

    def choose(self, rows: Tensor, logits: Tensor, step: int) -> tuple[Tensor, Tensor]:
        last = logits.argmax(-1)
        places = rows.tolist()
        for row, place in enumerate(places):
            wish = self._wishes[place]
            if wish.temperature > 0 and self._is_open[place]:
                # The highest of logits with Gumbel noise is a draw from their softmax.
                noise = -torch.empty(logits.shape[1]).exponential_(generator=self._chance[place]).log()
                drawn = (logits[row] - logits[row].max()) / wish.temperature + noise.to(logits.device)
                last[row] = drawn.argmax()
        for row, (place, token) in enumerate(zip(places, last.tolist(), strict=True)):
            if self._is_open[place]:
                wish = self._wishes[place]
                goes_on = self._told(place, token, _logprobs(logits[row], token, wish.top))
                is_bounded = step + 1 >= wish.max_tokens
                self._is_open[place] = goes_on and token not in self._marks and not is_bounded
        return last, torch.tensor([self._is_open[place] for place in places], device=last.device)


def _logprobs(logits: Tensor, token: int, top: int | None) -> dict[int, float]:
    """Give the log-probabilities of a token and of the likeliest, where they are asked for."""
    if top is None:
        return {}
    known = logits.log_softmax(-1)
    best = known.topk(min(top, len(known)))
    likeliest = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return {token: float(known[token]), **dict(likeliest)}
