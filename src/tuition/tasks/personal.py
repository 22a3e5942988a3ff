"""Count the personal data in examples, and mask it where the task says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tuition.core.records import Example
from tuition.core.texts.personal import PERSONAL, Personal, masked, personal_in
from tuition.tasks.check import Finding, finding

__all__ = ["check_personal", "mask_example"]


def check_personal(examples: Sequence[Example], split: str, *, mask: Sequence[Personal]) -> list[Finding]:
    """Count the examples that hold personal data, each kind by itself; the data itself is not told."""
    ids: dict[Personal, list[str]] = {kind: [] for kind in PERSONAL}
    for one in examples:
        texts = (one.id, one.question, one.context, *one.choices, one.answer or "", one.domain)
        for kind in personal_in("\n".join(texts)):
            ids[kind].append(one.id)
    found: list[Finding] = []
    for kind, name in PERSONAL.items():
        if kind in mask:
            found += finding("masked", split, ids[kind], words=f"held {name}, which are masked")
        else:
            words = f"hold {name}, which teachers would be sent (mask = [{kind!r}] in [task] masks them)"
            found += finding("personal", split, ids[kind], words=words)
    return found


def mask_example(example: Example, mask: Sequence[Personal]) -> Example:
    """Put placeholders in the place of personal data, in all texts of an example but its id."""
    if not mask:
        return example
    texts = {name: masked(getattr(example, name), mask) for name in ("question", "context", "domain")}
    choices = tuple(masked(choice, mask) for choice in example.choices)
    answer = None if example.answer is None else masked(example.answer, mask)
    return dataclasses.replace(example, **texts, choices=choices, answer=answer)
