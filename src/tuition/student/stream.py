"""Write several texts at once and tell each token as it comes; each has bounds and chance of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import transformers
from torch import Tensor

from tuition.student.families import pad
from tuition.student.predict import begun_by

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
    model: transformers.PreTrainedModel,
    wishes: Sequence[Wish],
    *,
    marks: Sequence[int],
    pad_id: int,
    positions: int | None,
    told: Told,
    head: Sequence[int] = (),
) -> None:
    """Continue each prompt until an end mark, its bound, or until `told` ends it.

    `head` is what the decoder of an encoder-decoder reads before it writes.
    """
    is_decoder = not model.config.is_encoder_decoder
    generate = cast("Callable[..., Tensor]", model.generate)
    for batch in _fitting(wishes, positions if is_decoder else None):
        prompts = [wishes[i].ids for i in batch]
        ids = pad(prompts, pad_id, left=is_decoder)
        mask = pad([[1] * len(prompt) for prompt in prompts], 0, left=is_decoder)
        settings = transformers.GenerationConfig(
            max_new_tokens=max(wishes[i].max_tokens for i in batch),
            do_sample=False,
            num_beams=1,
            eos_token_id=list(marks),
            pad_token_id=pad_id,
        )
        draw = _Draw([wishes[i] for i in batch])
        tell = _Tell(draw, batch, marks=set(marks), told=told)
        generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=settings,
            logits_processor=transformers.LogitsProcessorList([draw]),
            stopping_criteria=transformers.StoppingCriteriaList([tell]),
            **({} if is_decoder else {"decoder_input_ids": begun_by(model, head, len(batch))}),
        )


def _fitting(wishes: Sequence[Wish], positions: int | None) -> Iterator[list[int]]:
    """Put into batches what fits side by side: the longest prompt and the longest text have room."""
    batch: list[int] = []
    longest = most = 0
    for i, wish in enumerate(wishes):
        longest, most = max(longest, len(wish.ids)), max(most, wish.max_tokens)
        if batch and positions is not None and longest + most > positions:
            yield batch
            batch, longest, most = [], len(wish.ids), wish.max_tokens
        batch.append(i)
    if batch:
        yield batch


class _Draw(transformers.LogitsProcessor):
    """Choose each row's next token: its score becomes the highest, for `generate` takes the highest."""

    def __init__(self, wishes: Sequence[Wish]) -> None:
        self.wishes = wishes
        self.is_open = [True] * len(wishes)
        self.logprobs: Tensor | None = None
        self._chance = [torch.Generator().manual_seed(wish.seed) for wish in wishes]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores are (B, V)."""
        if any(wish.top is not None for wish in self.wishes):
            self.logprobs = scores.log_softmax(-1)
        drawn = scores.clone()
        for row, wish in enumerate(self.wishes):
            if wish.temperature > 0 and self.is_open[row]:
                # The highest of logits with Gumbel noise is a draw from their softmax.
                noise = -torch.empty(scores.shape[1]).exponential_(generator=self._chance[row]).log()
                drawn[row] = (scores[row] - scores[row].max()) / wish.temperature + noise.to(scores.device)
        return drawn


class _Tell(transformers.StoppingCriteria):
    """Tell the new token of each row, and say which rows have ended."""

    def __init__(self, draw: _Draw, batch: Sequence[int], *, marks: set[int], told: Told) -> None:
        self._draw, self._batch, self._marks, self._told = draw, batch, marks, told
        self._written = 0

    def __call__(self, input_ids: Tensor, scores: object, **_: object) -> Tensor:
        """Ids are (B, T)."""
        self._written += 1
        is_open = self._draw.is_open
        for row, token in enumerate(input_ids[:, -1].tolist()):
            if is_open[row]:
                goes_on = self._told(self._batch[row], token, self._logprobs(row, token))
                is_bounded = self._written >= self._draw.wishes[row].max_tokens
                is_open[row] = goes_on and token not in self._marks and not is_bounded
        return torch.tensor([not one for one in is_open], device=input_ids.device)

    def _logprobs(self, row: int, token: int) -> dict[int, float]:
        top, logprobs = self._draw.wishes[row].top, self._draw.logprobs
        if top is None or logprobs is None:
            return {}
        best = logprobs[row].topk(min(top, logprobs.shape[1]))
        likeliest = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return {token: float(logprobs[row, token]), **dict(likeliest)}
