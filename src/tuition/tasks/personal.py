"""Count the personal data in examples, and mask it where the task says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tuition.core.records import Example, Record
from tuition.core.texts.personal import KINDS, Kind, count, mask
from tuition.tasks.check import Finding, finding

__all__ = ["check_personal", "mask_example"]

_NAMES: dict[Kind, str] = {
    "email": "e-mail addresses",
    "phone": "phone numbers",
    "card": "card numbers",
    "iban": "account numbers (IBAN)",
}


def check_personal(examples: Sequence[Example], split: str, *, masks: Sequence[Kind]) -> list[Finding]:
    """Count the examples that hold personal data, each kind by itself; the data itself is not told."""
    ids: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
    for example in examples:
        texts = (example.id, example.question, *example.choices, example.context, example.answer or "")
        for kind in count("\n".join((*texts, example.domain, *(turn.content for turn in example.messages)))):
            ids[kind].append(example.id)
    found: list[Finding] = []
    for kind, name in _NAMES.items():
        if kind in masks:
            found += finding("masked", split, ids[kind], words=f"held {name}, which are masked")
        else:
            words = f"hold {name}, which teachers would be sent (mask = [{kind!r}] in [task] masks them)"
            found += finding("personal", split, ids[kind], words=words)
    return found


def mask_example(example: Example, masks: Sequence[Kind]) -> Example:
    """Put placeholders in the place of personal data, in all texts of an example but its id."""
    return dataclasses.replace(_masked(example, masks), id=example.id) if masks else example


def _masked(value: Any, masks: Sequence[Kind]) -> Any:
    match value:
        case str():
            return mask(value, masks)
        case tuple():
            return tuple(_masked(one, masks) for one in value)
        case Record():
            texts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return dataclasses.replace(value, **{name: _masked(text, masks) for name, text in texts.items()})
    return value
