"""Where questions lie: one vector each, from what the model thinks while it reads them.

Knows a model and token ids; knows no texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
import transformers
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from tuition.student.families import pad
from tuition.student.predict import by_length

__all__ = ["mean_states"]


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
