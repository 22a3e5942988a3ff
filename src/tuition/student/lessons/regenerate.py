"""Where a student's own text goes most wrong by its mentor, and how it begins once that token is mended.

Source: MGSR's SCRG (arXiv 2407.10068), by its reviews. **[S]**
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tuition.core.protocols import Imitate
from tuition.core.records import Target
from tuition.student.encode import TextRow
from tuition.student.families import FAMILIES, DecoderOnly, EncoderDecoder
from tuition.student.lessons.measures import divergence

__all__ = ["Mended", "mended", "worst_token"]

_ROWS = 16
"""Texts that are read at once."""
_FORWARD = Imitate(temperature=1.0)


class _Writer(Protocol):
    """What is needed of a student that writes."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    family: str

    def prompts(self, questions: Sequence[Target]) -> list[list[int]]: ...

    def outputs(self, texts: Sequence[str]) -> list[list[int]]: ...

    def heads(self, prefixes: Sequence[str]) -> list[list[int]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """The beginning of a text up to the mentor's token, which is its last."""

    beginning: str
    is_whole: bool
    """Whether the mentor's token was the end mark, so that nothing is to be written behind it."""
    place: int
    """Of that token."""


def worst_token(written: Sequence[int], mentor: Sequence[int], apart: Sequence[float]) -> int | None:
    """Find the place where mentor and student differ most, of those where their tokens do.

    None: the tokens are the same everywhere; then the text stays as it is (the paper leaves that open).
    """
    places = [i for i, (own, other) in enumerate(zip(written, mentor, strict=True)) if own != other]
    return max(places, key=lambda i: apart[i], default=None)


def mended(student: _Writer, mentor: _Writer, texts: Sequence[Target]) -> list[Mended | None]:
    """Put the mentor's token in the place of the worst one of each text; None: the mentor agrees throughout.

    The mentor's token is its likeliest one there; how far apart they are is KL(mentor ‖ student).
    """
    family = FAMILIES[student.family]
    if not isinstance(family, DecoderOnly | EncoderDecoder):
        raise TypeError("a student that scores options writes no text")
    columns = (
        student.prompts(texts),
        student.heads([target.prefix for target in texts]),
        student.outputs([target.output for target in texts]),
    )
    rows = [TextRow(prompt=p, head=h, output=o) for p, h, o in zip(*columns, strict=True)]
    found: list[Mended | None] = []
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        pad_id = int(student.tokenizer.pad_token_id or 0)
        batch = family.collate([[row] for row in part], [[1.0]] * len(part), pad_id=pad_id)
        batch = {name: tensor.to(student.model.device) for name, tensor in batch.items()}
        with torch.no_grad():
            own, other = (family.logits(one.model.eval(), batch) for one in (student, mentor))
        sizes = [row.terms for row in part]
        measured = divergence(own, other, _FORWARD).split(sizes)
        for row, apart, wise in zip(part, measured, other.argmax(-1).split(sizes), strict=True):
            found.append(_mended(student, row, wise, apart=apart))
    return found


def _mended(student: _Writer, row: TextRow, wise: Tensor, *, apart: Tensor) -> Mended | None:
    place = worst_token(row.output, wise.tolist(), apart.tolist())
    if place is None:
        return None
    ids = [*row.output[:place], int(wise[place])]
    is_whole = ids[-1] == student.tokenizer.eos_token_id
    beginning = student.tokenizer.decode(ids, skip_special_tokens=True)
    return Mended(beginning=str(beginning), is_whole=is_whole, place=place)
