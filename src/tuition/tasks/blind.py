"""Answer without reading the question: what a student must beat before it counts as having understood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tuition.core.records import Example

__all__ = ["blind_answers"]


def blind_answers(train: Sequence[Example], examples: Sequence[Example]) -> dict[str, list[str | None]]:
    """Answer examples by each rule that needs no question.

    The longest option; the option at the position that is most often right in training; the answer that is
    most often right in training, among the example's options where it has any. The first wins a tie.
    """
    places = Counter(i for example in train if (i := example.answer_index) is not None)
    counts = Counter(example.answer for example in train if example.answer is not None)
    place = max(places, key=places.__getitem__, default=None)
    usual = max(counts, key=counts.__getitem__, default=None)
    longest: list[str | None] = []
    at_place: list[str | None] = []
    frequent: list[str | None] = []
    for choices in (example.choices for example in examples):
        longest.append(max(choices, key=len, default=None))
        at_place.append(choices[place] if place is not None and place < len(choices) else None)
        known = [choice for choice in choices if counts[choice]]
        frequent.append(max(known, key=counts.__getitem__, default=None) if choices else usual)
    return {"longest_option": longest, "frequent_position": at_place, "frequent_answer": frequent}
