"""Which targets of a question stand in one row, so that what their inputs have in common is read once.

Exact: loss and gradients are those of a row for each target. Where a model would compute something else, such
as one that counts positions in columns, the targets stay apart.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tuition.student.encode import Row
from tuition.student.families import DecoderOnly, EncoderDecoder, Family, OptionScorer, Pass
from tuition.student.training.passes import Item

__all__ = ["is_exact", "share", "share_rows"]

_LOG = logging.getLogger(__name__)

_EVEN = 600
"""Tokens of a row at which attention costs as much as all else, for it is quadratic: measured on a CPU, 500
to 600 with the embedded student, 700 to 1,000 with layers of SmolLM2-135M."""
_ROUNDING = {torch.float32: 1e-4, torch.float64: 1e-4}
"""By how much logits may differ, relative to their spread; more where weights are rounded more."""


def share_rows(
    model: PreTrainedModel,
    rows: Sequence[Row],
    items: Sequence[Item],
    *,
    family: Family,
    token_budget: int,
    pad_id: int,
    beside: Sequence[PreTrainedModel] = (),
) -> list[list[int]]:
    """Group the targets that share a row of this model; a target that shares none is a group of its own.

    The models `beside` read the same rows.
    """
    alone = [[i] for i in range(len(rows))]
    if isinstance(family, OptionScorer):
        return alone
    groups = share(family, rows, items, token_budget=token_budget)
    shared = [[rows[i] for i in group] for group in groups if len(group) > 1]
    if not shared:
        return alone
    # A model that sees only so far back does so in the longest, if anywhere; a long row that shares nothing
    # may stand in the pass of rows that share, under their mask.
    longest = max(shared, key=lambda group: max(row.length for row in group))
    tried = [longest, [max(rows, key=lambda row: row.length)]]
    return groups if all(is_exact(one, family, tried, pad_id=pad_id) for one in (model, *beside)) else alone


def share(
    family: Family, rows: Sequence[Row], items: Sequence[Item], *, token_budget: int
) -> list[list[int]]:
    """Group the targets of each example into rows of at most so many tokens, where that saves work."""
    groups: dict[tuple[str, str], list[list[int]]] = {}
    for i, item in enumerate(items):
        of_example = groups.setdefault(item.unit, [])
        savings = []
        for group in of_example:
            joined = family.lengths([rows[j] for j in [*group, i]])
            if joined is not None and sum(joined) <= token_budget:
                apart = (family.lengths([rows[j] for j in group]), family.lengths([rows[i]]))
                saving = sum(_cost(lengths) for lengths in apart if lengths) - _cost(joined)
                savings.append((saving, group))
        saving, group = max(savings, key=lambda found: found[0], default=(0.0, []))
        if saving > 0:
            group.append(i)
        else:
            of_example.append([i])
    return [group for of_example in groups.values() for group in of_example]


def _cost(lengths: tuple[int, int]) -> float:
    """Say what reading rows of these lengths costs, in tokens of a short row."""
    return sum(n * (1 + n / _EVEN) for n in lengths)


@torch.no_grad()
def is_exact(
    model: PreTrainedModel,
    family: EncoderDecoder | DecoderOnly,
    groups: Sequence[Sequence[Row]],
    *,
    pad_id: int,
) -> bool:
    """Say whether a model computes of targets that share rows of one pass what it computes of each alone."""

    def logits(groups: Sequence[Sequence[Row]]) -> Tensor:
        batch: Pass = family.collate(groups, [[1.0] * len(group) for group in groups], pad_id=pad_id)
        return family.logits(model, {name: tensor.to(model.device) for name, tensor in batch.items()}).float()

    was_training = model.training
    model.eval()
    try:
        apart = torch.cat([logits([[row]]) for group in groups for row in group])
        together = logits(groups)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        _LOG.warning("each target is read in a row of its own: the model reads no mask of rows (%s)", error)
        return False
    finally:
        model.train(was_training)
    spread = torch.linalg.vector_norm(apart - apart.mean(-1, keepdim=True))
    error = torch.linalg.vector_norm(together - apart)
    return bool(error <= _ROUNDING.get(model.dtype, 3e-2) * spread)
