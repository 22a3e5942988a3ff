"""Answers, scores and vectors from a student, many questions at once; no question is computed twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache
from transformers.modeling_outputs import BaseModelOutput

from tuition.student.encode import OptionRow
from tuition.student.families import CACHE, OptionScorer, decoder_inputs, pad, positions_of

__all__ = ["by_length", "end_marks", "mean_states", "option_score", "score_encodings", "score_outputs"]

_ROOM, _VOCABULARY = 65_536, 8
"""Tokens in one pass that scores outputs; one of an output, with the memory of a vocabulary, counts more."""


def end_marks(model: PreTrainedModel, end_id: int) -> list[int]:
    """Collect every token that ends a text: the tokenizer's, and those the model names itself."""
    own = model.generation_config.eos_token_id if model.generation_config else None
    more = own if isinstance(own, list) else [own]
    return list(dict.fromkeys([end_id, *(mark for mark in more if mark is not None)]))


@torch.inference_mode()
def score_outputs(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    outputs: Sequence[Sequence[list[int]]],
    *,
    heads: Sequence[list[int]] | None = None,
    pad_id: int,
    batch_questions: int,
) -> list[list[list[float]]]:
    """Give each token's natural log-probability in several outputs of each prompt, which is computed once.

    `heads` are what an encoder-decoder's decoder reads in front; no token of theirs is given.
    """
    score = _score_decoded if model.config.is_encoder_decoder else _score_continued
    scored: list[list[list[float]]] = [[[] for _ in texts] for texts in outputs]
    heads = heads or [[]] * len(prompts)
    outputs = [[[*head, *output] for output in texts] for head, texts in zip(heads, outputs, strict=True)]
    for batch in _passes(prompts, outputs, batch_questions):
        places = {i: place for place, i in enumerate(dict.fromkeys(i for i, _ in batch))}
        # Row k of the outputs belongs to prompt owner[k] of the pass.
        owner = torch.tensor([places[i] for i, _ in batch])
        flat = [outputs[i][j] for i, j in batch]
        logprobs = score(model, [prompts[i] for i in places], flat, owner=owner, pad_id=pad_id)
        for (i, j), output, row in zip(batch, flat, logprobs.tolist(), strict=True):
            scored[i][j] = row[len(heads[i]) : len(output)]
    return scored


def _passes(
    prompts: Sequence[list[int]], outputs: Sequence[Sequence[list[int]]], size: int
) -> Iterator[list[tuple[int, int]]]:
    """Give pairs of prompt and output to be read at once: of so many prompts, and as many as have room."""
    batch: list[tuple[int, int]] = []
    asked: set[int] = set()
    read = longest = 0
    for i in sorted(range(len(prompts)), key=lambda i: -len(prompts[i])):
        for j, output in enumerate(outputs[i]):
            tokens = read + _VOCABULARY * max(longest, len(output))
            if batch and ((len(batch) + 1) * tokens > _ROOM or len(asked | {i}) > size):
                yield batch
                batch, asked, longest = [], set(), 0
            # prompts come longest first
            read = read if batch else len(prompts[i])
            longest = max(longest, len(output))
            batch.append((i, j))
            asked.add(i)
    if batch:
        yield batch


def option_score(logprobs: Sequence[float], *, by: str) -> float:
    """Put an option's token log-probabilities into one number: their sum, or their mean."""
    return sum(logprobs) / (len(logprobs) if by == "mean" else 1)


def _score_decoded(
    model: PreTrainedModel, prompts: list[list[int]], outputs: list[list[int]], *, owner: Tensor, pad_id: int
) -> Tensor:
    """Read each prompt with the encoder once and each output with the decoder; (outputs, T)."""
    mask = pad([[1] * len(prompt) for prompt in prompts], 0).to(model.device)
    owner = owner.to(model.device)
    labels = pad(outputs, -100).to(model.device)
    encoder = cast("Callable[..., BaseModelOutput]", model.get_encoder())
    read = encoder(input_ids=pad(prompts, pad_id).to(model.device), attention_mask=mask)
    states = cast("Tensor", read.last_hidden_state)  # (prompts, T, width)
    logits = model(
        encoder_outputs=BaseModelOutput(last_hidden_state=states[owner]),
        attention_mask=mask[owner],
        decoder_input_ids=decoder_inputs(model, labels),
        use_cache=False,
    ).logits
    return _token_logprobs(logits, labels)


def _score_continued(
    model: PreTrainedModel, prompts: list[list[int]], outputs: list[list[int]], *, owner: Tensor, pad_id: int
) -> Tensor:
    """Read each prompt into the cache once, then all outputs behind it; (outputs, T)."""
    owner = owner.to(model.device)
    mask = pad([[1] * len(prompt) for prompt in prompts], 0, left=True).to(model.device)
    labels = pad(outputs, -100).to(model.device)
    read = model(
        input_ids=pad(prompts, pad_id, left=True).to(model.device),
        attention_mask=mask,
        position_ids=positions_of(mask),
        use_cache=True,
        logits_to_keep=1,
    )
    logits = read.logits[owner, -1:]  # (outputs, 1, V)
    if labels.shape[1] > 1:
        cache = cast("DynamicCache", read[CACHE])
        cache.batch_select_indices(owner)
        behind = labels[:, :-1] != -100
        whole = torch.cat([mask[owner], behind.long()], dim=1)
        rest = model(
            input_ids=labels[:, :-1].masked_fill(~behind, pad_id),
            attention_mask=whole,
            position_ids=positions_of(whole)[:, mask.shape[1] :],
            use_cache=True,
            **{CACHE: cache},
        ).logits
        logits = torch.cat([logits, rest], dim=1)  # (outputs, T, V)
    return _token_logprobs(logits, labels)


@torch.inference_mode()
def score_encodings(
    model: PreTrainedModel, rows: Sequence[OptionRow], *, pad_id: int, batch_questions: int
) -> list[list[float]]:
    """Score the options of each question with a multiple-choice head."""
    family = OptionScorer()
    scored: list[list[float]] = [[] for _ in rows]
    for batch in by_length([row.length for row in rows], batch_questions):
        tensors = family.collate([[rows[i]] for i in batch], [[0.0]] * len(batch), pad_id=pad_id)
        scores = family.logits(model, {name: tensor.to(model.device) for name, tensor in tensors.items()})
        for i, row in zip(batch, scores.tolist(), strict=True):
            scored[i] = row[: len(rows[i].options)]
    return scored


def _token_logprobs(logits: Tensor, labels: Tensor) -> Tensor:
    """Pick each label's log-probability; 0 behind the end. Logits (B, T, V), labels (B, T)."""
    logprobs = logits.float().log_softmax(-1)
    picked = logprobs.gather(-1, labels.clamp(min=0)[..., None])[..., 0]  # (B, T)
    return picked.masked_fill(labels == -100, 0.0)


def by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Give places in batches of similar lengths, longest first, so that memory runs out at once or never."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    return (order[start : start + size] for start in range(0, len(order), size))


@torch.inference_mode()
def mean_states(
    model: PreTrainedModel, prompts: Sequence[list[int]], *, pad_id: int, batch_questions: int
) -> np.ndarray:
    """Average the last hidden states over each question's tokens: shape (questions, width)."""
    body = model.get_encoder() if model.config.is_encoder_decoder else model.base_model
    read = cast("Callable[..., BaseModelOutput]", body)
    order: list[int] = []
    parts = [np.empty((0, 0), dtype=np.float32)] * (not prompts)
    for batch in by_length([len(prompt) for prompt in prompts], batch_questions):
        mask = pad([[1] * len(prompts[i]) for i in batch], 0).to(model.device)
        ids = pad([prompts[i] for i in batch], pad_id).to(model.device)
        states = cast("Tensor", read(input_ids=ids, attention_mask=mask).last_hidden_state).float()
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)  # (B, width)
        order += batch
        parts.append(means.cpu().numpy())
    return np.concatenate(parts)[np.argsort(order)]
