"""One example as it was read, the prompt that a teacher gets about it, and how the labels are spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tuition.annotation import annotation_requests
from tuition.core.records import Example, Json, Record, option_letter
from tuition.recipes import RECIPES
from tuition.recipes.asking import asker_of
from tuition.recipes.config import Experiment

__all__ = ["Preview", "Spread", "preview_of", "spread_of"]

_SHOWN = 5
"""Answers of open questions that are counted by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Record):
    """The first training example."""

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


def preview_of(config: Experiment, example: Example, *, asked: Example, shown: Sequence[Example]) -> Preview:
    """Show an example as it was read, and what a teacher would be sent about it.

    Args:
        config: Of the run.
        example: One that the run works with.
        asked: The same, a mark standing for a label that is still to be made.
        shown: What demonstrations are drawn from.

    Returns:
        The preview; in a run in rounds the prompt is that of the blind chain.
    """
    asks = RECIPES[config.recipe].asks
    tables = config.writers if asks else config.teacher * (config.recipe == "ask_teacher")
    prompt: tuple[dict[str, Json], ...] = ()
    for table in tables[:1]:
        asker = asker_of(config, table, train=shown)
        if config.selects_in_rounds or not asks:
            asker = asker.how(forced=False)
        if asker.teacher.abilities.reads_prompt:
            [request] = annotation_requests([asked], asker)
            prompt = tuple({"role": one.role, "content": one.content} for one in request.messages)
    return Preview(
        id=example.id,
        question=example.question,
        context=example.context,
        choices=example.choices,
        label=example.answer,
        teacher=tables[0].name if tables else "",
        prompt=prompt,
    )


def spread_of(split: str, examples: Sequence[Example]) -> Spread:
    """Count the labels of a split.

    Args:
        split: Its name.
        examples: Of it.

    Returns:
        The counts.
    """
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
