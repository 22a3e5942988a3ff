"""A second look at a teacher's reply, without a label: does somebody else come to the same answer?

What a cheap teacher's reply is held against before a dearer one is spared, and what the history of teachers
is made of. The rule that follows is `annotation.allocation`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuition.annotation.allocation import SecondLook, agree
from tuition.annotation.annotate import annotate
from tuition.annotation.route import is_same_answer
from tuition.annotation.verify import verifiable, verifications, verify_requests
from tuition.core.errors import ConfigError
from tuition.core.protocols import Task
from tuition.core.records import Annotation, Example, Prediction
from tuition.recipes.asking import Panelist, annotation_of, ask_panelist
from tuition.recipes.rounds.check import dearness
from tuition.recipes.rounds.course import Course
from tuition.recipes.routing import Panel

__all__ = ["Checked", "LookedAgain", "look_again"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a second look at one reply came to."""

    example_id: str
    teacher: str
    """Whose reply was looked at."""
    holds: bool | None
    """None: there was no second look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAgain:
    """What second looks at several replies came to."""

    looks: Mapping[str, Checked]
    """By example id."""
    is_spent: bool = False
    """Whether the budget ended first."""


def look_again(
    course: Course,
    panel: Panel,
    given: Mapping[str, Annotation],
    *,
    drafts: Mapping[str, Prediction],
    check: SecondLook,
) -> LookedAgain:
    """Hold replies of one teacher against a second answer to the same questions.

    Args:
        course: Where second looks are paid.
        panel: Who can look.
        given: Replies by example id, all of one teacher.
        drafts: The student's explanations, for `student`.
        check: Whose answer is the second one.

    Returns:
        One look a reply.

    Raises:
        ConfigError: Another teacher is to look, and there is none.
    """
    replies = list(given.values())
    if not replies:
        return LookedAgain(looks={})
    if check == "student":
        answers = {id_: drafts[id_].answer for id_ in given if id_ in drafts}
        return _compared(course, replies, answers)
    if check == "sample":
        return _asked_again(course, panel.writers[replies[0].teacher], replies, sample=1)
    other = _another(panel, replies[0].teacher, check)
    return (
        _verified(course, other, replies)
        if check == "verify"
        else _asked_again(course, other, replies, sample=0)
    )


def _another(panel: Panel, name: str, check: str) -> Panelist:
    others = [who for who in panel.everyone if who.table.name != name]
    if not others:
        raise ConfigError(
            f"allocation.check = {check!r} wants a second teacher beside {name!r}; add a [[teacher]] table, "
            "or set check = 'sample' or 'student'."
        )
    return min(others, key=lambda who: dearness(who.teacher))


def _asked_again(course: Course, who: Panelist, replies: Sequence[Annotation], *, sample: int) -> LookedAgain:
    """Have a teacher answer by itself: another one, or the same a second time."""
    bench = course.bench
    came = annotate(
        [course.pool[item.example_id] for item in replies],
        who.teacher,
        train=tuple(course.pool.values()),
        task=bench.task,
        till=course.till.telling(f"{who.table.name}, a second look"),
        config=annotation_of(bench.config, who.table, who.teacher).model_copy(update={"forced": False}),
        seed=bench.config.seed,
        first_sample=sample,
        parameters=who.table.parameters(),
    )
    answers = {item.example_id: item.answer for item in (*came.annotations, *came.dropped)}
    return _compared(course, replies, answers, is_spent=came.spent)


def _verified(course: Course, who: Panelist, replies: Sequence[Annotation]) -> LookedAgain:
    """Ask another teacher what follows from the reply."""
    bench = course.bench
    asked = verifiable(replies, course.pool, task=bench.task)
    requests = verify_requests(asked, course.pool, who.teacher, parameters=who.table.parameters())
    came = ask_panelist(bench, who, requests)
    found = verifications(asked, came.replies, course.pool, task=bench.task, verifier=who.table.name)
    looks = {
        check.example_id: Checked(
            example_id=check.example_id,
            teacher=check.teacher,
            holds=None if check.outcome == "unanswered" else check.outcome == "leads",
        )
        for check in found
    }
    return LookedAgain(looks=looks, is_spent=came.refused is not None)


def _compared(
    course: Course,
    replies: Sequence[Annotation],
    answers: Mapping[str, str | None],
    *,
    is_spent: bool = False,
) -> LookedAgain:
    looks: dict[str, Checked] = {}
    for item in replies:
        said = [item.answer]
        if item.example_id in answers:
            example = course.pool[item.example_id]
            said.append(_as_said(answers[item.example_id], item.answer, example, task=course.bench.task))
        looks[item.example_id] = Checked(example_id=item.example_id, teacher=item.teacher, holds=agree(said))
    return LookedAgain(looks=looks, is_spent=is_spent)


def _as_said(answer: str | None, first: str | None, example: Example, *, task: Task) -> str | None:
    """Write an answer as the first was written, where they mean the same."""
    return first if is_same_answer(answer, first, example, task=task) else answer
