"""Answer without reading the question: what a student must beat before it counts as having understood.

Knows labels of training and choices, no question and no student.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from tuition.core.records import Example

__all__ = ["BLIND_RULES", "blind_answers"]

Item = TypeVar("Item", bound=Hashable)
Rule = Callable[[Sequence[Example]], Callable[[Example], str | None]]


def _longest_option(train: Sequence[Example]) -> Callable[[Example], str | None]:
    return lambda example: max(example.choices, key=len, default=None)


def _frequent_position(train: Sequence[Example]) -> Callable[[Example], str | None]:
    positions = Counter(i for example in train if (i := example.answer_index) is not None)
    best = _most_frequent(positions)
    return lambda example: example.choices[best] if best is not None and best < len(example.choices) else None


def _frequent_answer(train: Sequence[Example]) -> Callable[[Example], str | None]:
    counts = Counter(example.answer for example in train if example.answer is not None)
    usual = _most_frequent(counts)

    def answer(example: Example) -> str | None:
        if not example.choices:
            return usual
        known = [choice for choice in example.choices if counts[choice]]
        return max(known, key=lambda choice: counts[choice], default=None)

    return answer


def _most_frequent(counts: Counter[Item]) -> Item | None:
    return counts.most_common(1)[0][0] if counts else None


BLIND_RULES: dict[str, Rule] = {
    "longest_option": _longest_option,
    "frequent_position": _frequent_position,
    "frequent_answer": _frequent_answer,
}
"""The rules by name: each learns from training labels and then answers from the choices alone."""


def blind_answers(train: Sequence[Example], examples: Sequence[Example]) -> dict[str, list[str | None]]:
    """Answer examples by each rule that needs no question.

    The longest option; the option at the position that is most often right in training; the answer that is
    most often right in training, among the example's options where it has any. The first wins a tie.
    """
    learned = {name: rule(train) for name, rule in BLIND_RULES.items()}
    return {name: [answer(example) for example in examples] for name, answer in learned.items()}
