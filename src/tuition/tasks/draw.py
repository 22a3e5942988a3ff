"""Draw examples out of a split: a limit, and a share that is set aside for validation or test."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Sequence

from tuition.core.records import Example, content_id
from tuition.core.splits import fingerprint

__all__ = ["limited", "set_aside"]

_FEWEST = 10
"""Examples of one label that are divided by themselves; rarer labels are divided together."""


def limited(examples: Sequence[Example], limit: int | None, *, seed: int) -> tuple[Example, ...]:
    """Draw at most so many examples, and keep their order."""
    if limit is None or limit >= len(examples):
        return tuple(examples)
    chosen = set(random.Random(f"limit {seed}").sample(range(len(examples)), limit))
    return tuple(example for i, example in enumerate(examples) if i in chosen)


def set_aside(
    examples: Sequence[Example], share: float, *, seed: int, split: str = "valid", by_label: bool = True
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Set a share of the examples aside; repeats of a question stay together.

    With `by_label` each label gives its share. Who is set aside is said by a hash of the question and the
    seed, so that rows that come later move only the few at the border. Without it: as 0.1.0 drew.
    """
    groups: dict[str, list[int]] = {}
    for i, example in enumerate(examples):
        groups.setdefault(fingerprint(example), []).append(i)
    if not by_label:
        order = list(groups.values())
        random.Random(f"{split} {seed}").shuffle(order)
        strata = [order]
    else:
        labels = Counter(example.answer for example in examples)
        by: dict[str | None, list[list[int]]] = {}
        for mark in sorted(groups, key=lambda mark: content_id([split, seed, mark])):
            label = examples[groups[mark][0]].answer
            by.setdefault(label if labels[label] >= _FEWEST else None, []).append(groups[mark])
        strata = list(by.values())
    aside: set[int] = set()
    for order in strata:
        wanted = round(share * sum(map(len, order)))
        for group in order:
            if len(group) <= wanted:
                wanted -= len(group)
                aside.update(group)
    rest = tuple(example for i, example in enumerate(examples) if i not in aside)
    return rest, tuple(dataclasses.replace(examples[i], split=split) for i in sorted(aside))
