"""Three families of models behind one interface: token ids to tensors, tensors to a weighted loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import cast

import torch
import transformers
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPast

from tuition.core.protocols import StudentAbilities
from tuition.student.encode import OptionRow, Row, TextRow

__all__ = [
    "CACHE",
    "FAMILIES",
    "DecoderOnly",
    "EncoderDecoder",
    "Family",
    "OptionScorer",
    "Pass",
    "decoder_inputs",
    "pad",
    "positions_of",
]

CACHE = "cache" if "cache" in {field.name for field in fields(BaseModelOutputWithPast)} else "past_key_values"
"""What models call the key/value cache, as argument and in their output; transformers 5.24 renamed it."""
Pass = dict[str, Tensor]
"""The tensors of one forward pass; `labels` are -100 and `factors` 0 where there is nothing to learn."""


class EncoderDecoder:
    """T5 and its kind: the encoder reads the question, the decoder writes."""

    name = "seq2seq"
    abilities = StudentAbilities(generates=True)

    def collate(self, rows: Sequence[Row], factors: Sequence[float], *, pad_id: int) -> Pass:
        """Lay questions and outputs into tensors."""
        texts = cast("Sequence[TextRow]", rows)
        outputs = [row.output for row in texts]
        return {
            "input_ids": pad([row.prompt for row in texts], pad_id),
            "attention_mask": pad([[1] * len(row.prompt) for row in texts], 0),
            "labels": pad(outputs, -100),
            "factors": _spread(factors, outputs),
        }

    def loss(self, model: nn.Module, batch: Pass) -> Tensor:
        """Sum the cross-entropies times their factors."""
        logits = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            decoder_input_ids=decoder_inputs(model, batch["labels"]),
            use_cache=False,
        ).logits
        return _weighted(logits, batch)


class DecoderOnly:
    """Llama, Qwen and their kind: question, line break, output in one text; the loss is on the output."""

    name = "causal"
    abilities = StudentAbilities(generates=True)

    def collate(self, rows: Sequence[Row], factors: Sequence[float], *, pad_id: int) -> Pass:
        """Lay sequences into tensors, padded at the left, so that only the last columns need logits."""
        texts = cast("Sequence[TextRow]", rows)
        # The last token is only ever predicted, never read.
        read = [(row.prompt + row.output)[:-1] for row in texts]
        outputs = [row.output for row in texts]
        mask = pad([[1] * len(ids) for ids in read], 0, left=True)
        return {
            "input_ids": pad(read, pad_id, left=True),
            "attention_mask": mask,
            "position_ids": positions_of(mask),
            "labels": pad(outputs, -100, left=True),
            "factors": _spread(factors, outputs, left=True),
        }

    def loss(self, model: nn.Module, batch: Pass) -> Tensor:
        """Sum the cross-entropies times their factors."""
        width = batch["labels"].shape[1]
        logits = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            position_ids=batch["position_ids"],
            use_cache=False,
            logits_to_keep=width,
        ).logits
        return _weighted(logits[:, -width:], batch)  # (B, width, V)


class OptionScorer:
    """An encoder that gives every option a score; it writes nothing."""

    name = "options"
    abilities = StudentAbilities(generates=False)

    def collate(self, rows: Sequence[Row], factors: Sequence[float], *, pad_id: int) -> Pass:
        """Lay the options of all questions into one list of rows."""
        questions = cast("Sequence[OptionRow]", rows)
        options = [option for row in questions for option in row.options]
        batch = {
            name: pad([option[name] for option in options], pad_id if name == "input_ids" else 0)[None]
            for name in options[0]
        }
        places, start = [], 0
        for row in questions:
            places.append(list(range(start, start + len(row.options))))
            start += len(row.options)
        return {
            **batch,
            "owners": pad(places, -1),
            "labels": torch.tensor([row.gold for row in questions]),
            "factors": torch.tensor(list(factors), dtype=torch.float32),
        }

    def scores(self, model: nn.Module, batch: Pass) -> Tensor:
        """Give each option its score."""
        inputs = {name: batch[name] for name in batch if name not in {"owners", "labels", "factors"}}
        # One row for the head: questions with few options need no options that stand for nothing.
        flat = model(**inputs).logits[0].float()  # (all options,)
        owners = batch["owners"]
        return flat[owners.clamp(min=0)].masked_fill(owners < 0, float("-inf"))

    def loss(self, model: nn.Module, batch: Pass) -> Tensor:
        """Sum the cross-entropies over options times their factors."""
        losses = nn.functional.cross_entropy(self.scores(model, batch), batch["labels"], reduction="none")
        return (losses * batch["factors"]).sum()


Family = EncoderDecoder | DecoderOnly | OptionScorer
"""What the training loop must know of a model: how rows become tensors, and tensors a loss."""
FAMILIES: dict[str, Family] = {
    family.name: family for family in (EncoderDecoder(), DecoderOnly(), OptionScorer())
}
"""One a name of `student.family`."""


def pad(rows: Sequence[Sequence[int]], value: int, *, left: bool = False) -> Tensor:
    """Fill rows up to the longest."""
    width = max(len(row) for row in rows)
    fill = [[value] * (width - len(row)) for row in rows]
    return torch.tensor(
        [[*more, *row] if left else [*row, *more] for row, more in zip(rows, fill, strict=True)]
    )


def positions_of(mask: Tensor) -> Tensor:
    """Count the real tokens of each row from 0, whatever stands in front of them."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


def decoder_inputs(model: nn.Module, labels: Tensor) -> Tensor:
    """Shift outputs by one: the decoder reads the start mark, then what it has written."""
    config = cast("transformers.PreTrainedModel", model).config
    shifted = labels.roll(1, dims=1)
    shifted[:, 0] = config.decoder_start_token_id
    return shifted.masked_fill(shifted == -100, int(config.pad_token_id or 0))


def _spread(factors: Sequence[float], outputs: Sequence[Sequence[int]], *, left: bool = False) -> Tensor:
    """Repeat each row's factor for each token of its output, 0 elsewhere."""
    mask = pad([[1] * len(ids) for ids in outputs], 0, left=left)
    return mask * torch.tensor(list(factors), dtype=torch.float32)[:, None]  # (B, T)


def _weighted(logits: Tensor, batch: Pass) -> Tensor:
    """Sum each token's cross-entropy times its factor; logits (B, T, V)."""
    losses = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), batch["labels"].flatten(), ignore_index=-100, reduction="none"
    )
    return (losses * batch["factors"].flatten()).sum()
