"""One example as it was read, the prompt that a teacher gets about it, and how the labels are spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tuition.core.records import Example, Json, Record, Request, option_letter

__all__ = ["Preview", "Spread", "preview_of", "spread_of"]

_SHOWN = 5
"""Answers of open questions that are counted by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Record):
    """One example that is asked about; where nobody is asked, the first of training."""

    id: str
    question: str
    context: str
    choices: tuple[str, ...]
    label: str | None
    """None: it has none, or one that is still to be made."""
    teacher: str
    """Who would be asked about it; empty: nobody is asked."""
    prompt: tuple[dict[str, Json], ...]
    """Role and content of each message; empty where replies are recorded, or nobody is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread(Record):
    """How the labels of one split are spread; the sealed test has none that could be told."""

    split: str
    options: dict[str, Json]
    """Labels of closed questions, counted by the letter of the option."""
    answers: dict[str, Json]
    """Labels of open questions, the commonest first."""
    others: int
    """Labels of open questions that are not among them."""
    unlabelled: int

    @property
    def counts(self) -> dict[str, int]:
        """Everything that was counted, by name."""
        counted = {**self.options, **self.answers, "other": self.others, "none": self.unlabelled}
        return {name: count for name, count in counted.items() if isinstance(count, int) and count}


def preview_of(example: Example, request: Request | None, *, reads_prompt: bool) -> Preview:
    """Show an example as it was read, and what a teacher would be sent about it."""
    messages = () if request is None or not reads_prompt else request.messages
    return Preview(
        id=example.id,
        question=example.question,
        context=example.context,
        choices=example.choices,
        label=example.answer,
        teacher="" if request is None else request.teacher,
        prompt=tuple({"role": one.role, "content": one.content} for one in messages),
    )


def spread_of(split: str, examples: Sequence[Example]) -> Spread:
    """Count the labels of a split."""
    places = Counter(example.answer_index for example in examples if example.answer_index is not None)
    answers = Counter(
        example.answer for example in examples if example.answer is not None and not example.choices
    )
    common = dict(answers.most_common(_SHOWN))
    return Spread(
        split=split,
        options={option_letter(i): count for i, count in sorted(places.items())},
        answers={**common},
        others=answers.total() - sum(common.values()),
        unlabelled=sum(example.answer is None for example in examples),
    )
