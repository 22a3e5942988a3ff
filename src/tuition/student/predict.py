"""Answers, scores and vectors from a student, many questions at once; no question is computed twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
import transformers
from torch import Tensor
from transformers.cache_utils import DynamicCache
from transformers.modeling_outputs import BaseModelOutput

from tuition.student.encode import OptionRow
from tuition.student.families import CACHE, OptionScorer, decoder_inputs, pad, positions_of

__all__ = ["begun_by", "by_length", "end_marks", "mean_states", "score_encodings", "score_outputs", "write"]


def end_marks(model: transformers.PreTrainedModel, end_id: int) -> list[int]:
    """Collect every token that ends a text: the tokenizer's, and those the model names itself."""
    own = model.generation_config.eos_token_id if model.generation_config else None
    more = own if isinstance(own, list) else [own]
    return list(dict.fromkeys([end_id, *(mark for mark in more if mark is not None)]))


@torch.inference_mode()
def write(
    model: transformers.PreTrainedModel,
    prompts: Sequence[list[int]],
    *,
    heads: Sequence[list[int]] | None = None,
    max_tokens: int,
    marks: Sequence[int],
    pad_id: int,
    batch_questions: int,
) -> list[list[int]]:
    """Continue each prompt greedily until an end mark, an encoder-decoder behind what its decoder reads."""
    is_decoder = not model.config.is_encoder_decoder
    settings = transformers.GenerationConfig(
        max_new_tokens=max_tokens,
        do_sample=False,
        num_beams=1,
        eos_token_id=list(marks),
        pad_token_id=pad_id,
    )
    generate = cast("Callable[..., Tensor]", model.generate)
    written: list[list[int]] = [[] for _ in prompts]
    heads = heads or [[]] * len(prompts)
    # Instructions of several lengths are not read together: each row would need padding within its text.
    batches = [
        [places[j] for j in batch]
        for head in dict.fromkeys(map(tuple, heads))
        for places in [[i for i, other in enumerate(heads) if tuple(other) == head]]
        for batch in by_length([len(prompts[i]) for i in places], batch_questions)
    ]
    for batch in batches:
        ids = pad([prompts[i] for i in batch], pad_id, left=is_decoder)
        mask = pad([[1] * len(prompts[i]) for i in batch], 0, left=is_decoder)
        begun = ids if is_decoder else begun_by(model, heads[batch[0]], len(batch))
        out = generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=settings,
            **({} if is_decoder else {"decoder_input_ids": begun}),
        )
        new = out[:, begun.shape[1] :]
        for i, tokens in zip(batch, new.tolist(), strict=True):
            end = next((place for place, token in enumerate(tokens) if token in marks), len(tokens))
            written[i] = tokens[: end + 1]
    return written


def begun_by(model: transformers.PreTrainedModel, head: Sequence[int], n: int) -> Tensor:
    """Give what the decoder of an encoder-decoder has read before it writes: its start mark, and a head."""
    return torch.tensor([[model.config.decoder_start_token_id, *head]] * n, device=model.device)


@torch.inference_mode()
def score_outputs(
    model: transformers.PreTrainedModel,
    prompts: Sequence[list[int]],
    outputs: Sequence[Sequence[list[int]]],
    *,
    pad_id: int,
    batch_questions: int,
) -> list[list[list[float]]]:
    """Give each token's natural log-probability in several outputs of each prompt, which is computed once."""
    score = _score_decoded if model.config.is_encoder_decoder else _score_continued
    scored: list[list[list[float]]] = [[] for _ in prompts]
    for batch in by_length([len(prompt) for prompt in prompts], batch_questions):
        # Row j of the outputs belongs to prompt owner[j] of the batch.
        owner = torch.tensor([place for place, i in enumerate(batch) for _ in outputs[i]])
        flat = [output for i in batch for output in outputs[i]]
        logprobs = score(model, [prompts[i] for i in batch], flat, owner=owner, pad_id=pad_id)
        rows = iter(zip(flat, logprobs.tolist(), strict=True))
        for i in batch:
            pairs = [next(rows) for _ in outputs[i]]
            scored[i] = [row[: len(output)] for output, row in pairs]
    return scored


def _score_decoded(
    model: transformers.PreTrainedModel,
    prompts: list[list[int]],
    outputs: list[list[int]],
    *,
    owner: Tensor,
    pad_id: int,
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
    model: transformers.PreTrainedModel,
    prompts: list[list[int]],
    outputs: list[list[int]],
    *,
    owner: Tensor,
    pad_id: int,
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
    model: transformers.PreTrainedModel, rows: Sequence[OptionRow], *, pad_id: int, batch_questions: int
) -> list[list[float]]:
    """Score the options of each question with a multiple-choice head."""
    family = OptionScorer()
    scored: list[list[float]] = [[] for _ in rows]
    for batch in by_length([row.length for row in rows], batch_questions):
        tensors = family.collate([[rows[i]] for i in batch], [[0.0]] * len(batch), pad_id=pad_id)
        scores = family.scores(model, {name: tensor.to(model.device) for name, tensor in tensors.items()})
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
    model: transformers.PreTrainedModel,
    prompts: Sequence[list[int]],
    *,
    pad_id: int,
    batch_questions: int,
) -> list[tuple[float, ...]]:
    """Average the last hidden states over each question's tokens."""
    body = model.get_encoder() if model.config.is_encoder_decoder else model.base_model
    read = cast("Callable[..., BaseModelOutput]", body)
    vectors: list[tuple[float, ...]] = [() for _ in prompts]
    for batch in by_length([len(prompt) for prompt in prompts], batch_questions):
        mask = pad([[1] * len(prompts[i]) for i in batch], 0).to(model.device)
        ids = pad([prompts[i] for i in batch], pad_id).to(model.device)
        states = cast("Tensor", read(input_ids=ids, attention_mask=mask).last_hidden_state).float()
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)  # (B, width)
        for i, vector in zip(batch, means.tolist(), strict=True):
            vectors[i] = tuple(vector)
    return vectors
