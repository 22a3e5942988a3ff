"""Three families of models behind one interface: token ids to tensors, tensors to a weighted loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
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
    "inner",
    "losses",
    "n_common",
    "pad",
    "positions_of",
]

CACHE = "cache" if "cache" in {field.name for field in fields(BaseModelOutputWithPast)} else "past_key_values"
"""What models call the key/value cache, as argument and in their output; transformers 5.24 renamed it."""
Pass = dict[str, Tensor]
"""The tensors of one forward pass; `labels` and `factors` are lists of what is to be learnt, `terms` says how
many labels each text has."""
_OURS = {"owners", "labels", "factors", "shares"}
"""Tensors of a pass over options that its model does not read."""
_START = -1
"""Stands for the decoder's start mark until the model that knows it is there."""


class EncoderDecoder:
    """T5 and its kind: the encoder reads the question, the decoder writes its outputs beside each other."""

    name = "seq2seq"
    abilities = StudentAbilities(generates=True)

    def lengths(self, rows: Sequence[Row]) -> tuple[int, int] | None:
        """Count what encoder and decoder read where targets share a row. None: their inputs are not equal."""
        texts = cast("Sequence[TextRow]", rows)
        if any(row.prompt != texts[0].prompt for row in texts):
            return None
        return len(texts[0].prompt), sum(len(row.head) + len(row.output) for row in texts)

    def collate(
        self, groups: Sequence[Sequence[Row]], factors: Sequence[Sequence[float]], *, pad_id: int
    ) -> Pass:
        """Lay questions and the outputs of each into tensors."""
        texts = cast("Sequence[Sequence[TextRow]]", groups)
        trees = [
            _tree([], [([_START, *row.head, *row.output[:-1]], row.output) for row in group])
            for group in texts
        ]
        batch = _laid(trees, factors, pad_id=pad_id)
        prompts = [group[0].prompt for group in texts]
        return {
            **batch,
            **_taught(texts),
            "decoder_input_ids": batch["input_ids"],
            "input_ids": pad(prompts, pad_id),
            "attention_mask": pad([[1] * len(prompt) for prompt in prompts], 0),
        }

    def logits(self, model: nn.Module, batch: Pass) -> Tensor:
        """Give the logits of every label, (labels, V)."""
        read = batch["decoder_input_ids"]
        return _at_labels(
            model,
            batch,
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            decoder_input_ids=read.masked_fill(read == _START, inner(model).config.decoder_start_token_id),
            decoder_attention_mask=_branched(model, batch),
        )


class DecoderOnly:
    """Llama, Qwen and their kind: question, line break, output in one text; the loss is on the output.

    Behind what the inputs of a question have in common stand its targets, which do not see each other.
    """

    name = "causal"
    abilities = StudentAbilities(generates=True)

    def lengths(self, rows: Sequence[Row]) -> tuple[int, int] | None:
        """Count what the model reads where targets share a row."""
        texts = cast("Sequence[TextRow]", rows)
        n = min(n_common(texts[0].prompt, row.prompt) for row in texts)
        return 0, n + sum(len(row.prompt) - n + len(row.output) - 1 for row in texts)

    def collate(
        self, groups: Sequence[Sequence[Row]], factors: Sequence[Sequence[float]], *, pad_id: int
    ) -> Pass:
        """Lay what is read into tensors."""
        trees = []
        for group in cast("Sequence[Sequence[TextRow]]", groups):
            n = min(n_common(group[0].prompt, row.prompt) for row in group)
            # The last token is only ever predicted, never read.
            branches = [([*row.prompt[n:], *row.output[:-1]], row.labels) for row in group]
            trees.append(_tree(group[0].prompt[:n], branches))
        batch = _laid(trees, factors, pad_id=pad_id)
        weights = [weight for group in groups for row in group for weight in cast("TextRow", row).weights]
        taught = _taught(cast("Sequence[Sequence[TextRow]]", groups))
        return {**batch, **taught, "factors": batch["factors"] * torch.tensor(weights)}

    def logits(self, model: nn.Module, batch: Pass) -> Tensor:
        """Give the logits of every label, (labels, V)."""
        mask = _branched(model, batch)
        return _at_labels(
            model,
            batch,
            input_ids=batch["input_ids"],
            attention_mask=(batch["blocks"] >= 0).long() if mask is None else mask,
            position_ids=batch["position_ids"],
        )


class OptionScorer:
    """An encoder that gives every option a score; it writes nothing."""

    name = "options"
    abilities = StudentAbilities(generates=False)

    def lengths(self, rows: Sequence[Row]) -> tuple[int, int] | None:
        """Count what the model reads. None: questions never share a row."""
        return (0, rows[0].length) if len(rows) == 1 else None

    def collate(
        self, groups: Sequence[Sequence[Row]], factors: Sequence[Sequence[float]], *, pad_id: int
    ) -> Pass:
        """Lay the options of all questions into one list of rows."""
        questions = cast("Sequence[OptionRow]", [row for group in groups for row in group])
        options = [option for row in questions for option in row.options]
        batch = {
            name: pad([option[name] for option in options], pad_id if name == "input_ids" else 0)[None]
            for name in options[0]
        }
        places, start = [], 0
        for row in questions:
            places.append(list(range(start, start + len(row.options))))
            start += len(row.options)
        if any(row.shares for row in questions):
            even = [
                row.shares or [float(i == row.gold) for i in range(len(row.options))] for row in questions
            ]
            width = max(map(len, even))
            batch["shares"] = torch.tensor([[*row, *[0.0] * (width - len(row))] for row in even])
        return {
            **batch,
            "owners": pad(places, -1),
            "labels": torch.tensor([row.gold for row in questions]),
            "factors": torch.tensor([factor for part in factors for factor in part], dtype=torch.float32),
        }

    def logits(self, model: nn.Module, batch: Pass) -> Tensor:
        """Give each option its score, (questions, options); no option has minus infinity."""
        inputs = {name: batch[name] for name in batch if name not in _OURS}
        # One row for the head: questions with few options need no options that stand for nothing.
        flat = model(**inputs).logits[0].float()  # (all options,)
        owners = batch["owners"]
        return flat[owners.clamp(min=0)].masked_fill(owners < 0, float("-inf"))


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
    config = cast("PreTrainedModel", model).config
    shifted = labels.roll(1, dims=1)
    shifted[:, 0] = config.decoder_start_token_id
    return shifted.masked_fill(shifted == -100, int(config.pad_token_id or 0))


class _Tree(NamedTuple):
    """One row: a trunk, and branches that see the trunk and themselves alone."""

    ids: list[int]
    blocks: list[int]
    """0 on the trunk, then the number of the branch."""
    positions: list[int]
    """Each branch goes on from the trunk's."""
    places: list[list[int]]
    """Where the labels of each branch are predicted."""
    labels: list[list[int]]


def _tree(trunk: list[int], branches: Sequence[tuple[list[int], list[int]]]) -> _Tree:
    """Lay branches behind a trunk: of each what is read, and the labels that its end predicts."""
    n = len(trunk)
    tree = _Tree(ids=list(trunk), blocks=[0] * n, positions=list(range(n)), places=[], labels=[])
    for number, (read, labels) in enumerate(branches, start=1):
        start = len(tree.ids)
        columns = [*range(n), *range(start, start + len(read))]
        tree.places.append(columns[len(columns) - len(labels) :])
        tree.labels.append(labels)
        tree.ids.extend(read)
        tree.blocks.extend([number] * len(read))
        tree.positions.extend(range(n, n + len(read)))
    return tree


def _laid(trees: Sequence[_Tree], factors: Sequence[Sequence[float]], *, pad_id: int) -> Pass:
    """Lay rows into tensors, (B, T); places, labels and factors of all of them into lists, (labels, )."""
    ids = pad([tree.ids for tree in trees], pad_id)
    width = ids.shape[1]
    places, labels, shares = [], [], []
    for row, (tree, parts) in enumerate(zip(trees, factors, strict=True)):
        for where, said, factor in zip(tree.places, tree.labels, parts, strict=True):
            places += [row * width + place for place in where]
            labels += said
            shares += [factor] * len(said)
    return {
        "input_ids": ids,
        "blocks": pad([tree.blocks for tree in trees], -1),
        "position_ids": pad([tree.positions for tree in trees], 0),
        "places": torch.tensor(places),
        "labels": torch.tensor(labels),
        "terms": torch.tensor([len(said) for tree in trees for said in tree.labels]),
        "factors": torch.tensor(shares, dtype=torch.float32),
    }


def _taught(groups: Sequence[Sequence[TextRow]]) -> Pass:
    """Say which labels have a cross-entropy, where some have none."""
    rows = [row for group in groups for row in group]
    if all(row.is_taught for row in rows):
        return {}
    return {"taught": torch.tensor([float(row.is_taught) for row in rows for _ in row.labels])}


def n_common(a: Sequence[object], b: Sequence[object]) -> int:
    """Count the items that two sequences begin with alike."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def inner(model: nn.Module) -> PreTrainedModel:
    """Take off what wraps a model for several processes."""
    return cast("PreTrainedModel", getattr(model, "module", model))


def _branched(model: nn.Module, batch: Pass) -> Tensor | None:
    """Let tokens see the trunk and their own branch: to be added to scores, (B, 1, T, T).

    None: no row has two branches, and a mask over columns is enough.
    """
    blocks = batch["blocks"]
    if int(blocks.max()) < 2:
        return None
    to = blocks[:, None, :]
    # Padding sees padding: a row of scores that is hidden whole would be no number.
    seen = ((blocks[:, :, None] == to) | (to == 0)).tril()[:, None]  # (B, 1, T, T)
    dtype = inner(model).dtype
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)


def _at_labels(model: nn.Module, batch: Pass, **inputs: Tensor | None) -> Tensor:
    """Run a model whose head sees no state but those that predict a label; (labels, V)."""
    head = cast("nn.Module", inner(model).get_output_embeddings())
    hook = head.register_forward_pre_hook(
        lambda _, states: (states[0].flatten(0, 1).index_select(0, batch["places"])[None],)
    )
    try:
        return model(**inputs, use_cache=False).logits[0]
    finally:
        hook.remove()


def losses(logits: Tensor, batch: Pass) -> Tensor:
    """Give each label's cross-entropy, or that with the shares of its choices; logits (labels, V)."""
    if "shares" not in batch:
        found = nn.functional.cross_entropy(logits.float(), batch["labels"], reduction="none")
        return found * batch["taught"] if "taught" in batch else found
    shares = batch["shares"]
    # No share of a choice that is not there: minus infinity times 0 is no number.
    return -(shares * logits.float().log_softmax(-1).masked_fill(shares == 0, 0.0)).sum(-1)
