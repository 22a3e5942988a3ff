"""A second opinion at a teacher's reply, without a label: does somebody else come to the same answer?

What a cheap teacher's reply is held against before a dearer one is spared, and what the history of teachers
is made of. The rule that follows is `annotation.routing`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuition.annotation import Asker
from tuition.annotation.annotate import annotate
from tuition.annotation.routing import SecondOpinion, agree, is_same_answer
from tuition.annotation.verify import verify
from tuition.core.protocols import Task
from tuition.core.records import Annotation, Example, Prediction
from tuition.recipes.rounds.course import Course
from tuition.recipes.routing import Panel, price_rank

__all__ = ["Opinions", "cheapest_other", "second_opinions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """What second opinions at replies of one teacher came to."""

    holds: Mapping[str, bool | None]
    """By example id; None, or no entry: there was no second opinion."""
    is_spent: bool = False
    """Whether the budget ended first."""


def second_opinions(
    course: Course,
    panel: Panel,
    given: Mapping[str, Annotation],
    *,
    drafts: Mapping[str, Prediction],
    check: SecondOpinion,
) -> Opinions:
    """Hold replies of one teacher against a second answer to the same questions.

    Args:
        course: Where second opinions are paid.
        panel: Who can look.
        given: Replies by example id, all of one teacher.
        drafts: The student's explanations, for `student`.
        check: Whose answer is the second one.

    Returns:
        Which replies hold.
    """
    replies = list(given.values())
    if not replies:
        return Opinions(holds={})
    if check == "student":
        answers = {id_: drafts[id_].answer for id_ in given if id_ in drafts}
        return _compared(course, replies, answers)
    if check == "sample":
        return _asked_again(course, panel.writers[replies[0].teacher], replies, sample=1)
    other = cheapest_other(panel.everyone, replies[0].teacher)
    if check == "verify":
        return _verified(course, other, replies)
    return _asked_again(course, other, replies, sample=0)


def _asked_again(course: Course, asker: Asker, replies: Sequence[Annotation], *, sample: int) -> Opinions:
    """Have a teacher answer by itself: another one, or the same a second time."""
    examples = [course.pool[item.example_id] for item in replies]
    came = annotate(examples, asker.how(forced=False), first_sample=sample)
    answers = {item.example_id: item.answer for item in (*came.annotations, *came.dropped)}
    return _compared(course, replies, answers, is_spent=came.spent)


def _verified(course: Course, asker: Asker, replies: Sequence[Annotation]) -> Opinions:
    """Ask another teacher what follows from the reply."""
    found = verify(replies, course.pool, asker)
    holds = {one.example_id: one.outcome == "leads" for one in found.checks if one.outcome != "unanswered"}
    return Opinions(holds=holds, is_spent=found.is_spent)


def _compared(
    course: Course,
    replies: Sequence[Annotation],
    answers: Mapping[str, str | None],
    *,
    is_spent: bool = False,
) -> Opinions:
    holds: dict[str, bool | None] = {}
    for item in replies:
        said = [item.answer]
        if item.example_id in answers:
            example = course.pool[item.example_id]
            said.append(_as_said(answers[item.example_id], item.answer, example, task=course.bench.task))
        holds[item.example_id] = agree(said)
    return Opinions(holds=holds, is_spent=is_spent)


def _as_said(answer: str | None, first: str | None, example: Example, *, task: Task) -> str | None:
    """Write an answer as the first was written, where they mean the same."""
    return first if is_same_answer(answer, first, example, task=task) else answer


def cheapest_other(everyone: Sequence[Asker], name: str) -> Asker:
    """Say who looks at the replies of a teacher where another one is to look.

    Args:
        everyone: Two or more, which `check_rounds` sees to.
        name: Whose replies.

    Returns:
        Of equally cheap ones the first.
    """
    others = [asker for asker in everyone if asker.name != name]
    return min(others, key=lambda asker: price_rank(asker.teacher))
