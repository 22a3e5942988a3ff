"""What every task must hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

from tuition.core.errors import DataError
from tuition.core.plugins import check_whole
from tuition.core.protocols import Task
from tuition.core.records import Example, Grade
from tuition.tasks import TASK
from tuition.testing.expect import expect, expect_error

__all__ = ["check_task"]

_FORMS = ("{}.", "So the answer is {}.", "Thus.\n#### {}", "First.\nAnswer: {}")
"""Ways to close a text with an answer."""
_JUNK = "Well, that depends on many things.\nLet us think about what it could mean.\nHard to say, really"
_NO_ANSWER = ("", "  \n ", _JUNK, "So the answer is", "The answer is")


def check_task(make: Callable[[], Task], examples: Sequence[Example]) -> None:
    """Ask of a task what is asked of every one.

    The label is read out of every usual closing and is right; what was read is read again as it is; an answer
    that is taken back, junk, emptiness and an invented next question are unreadable; an example without a
    label is not graded.

    Args:
        make: Makes the task, such as its class.
        examples: Questions of its kind, each with a label.

    Raises:
        AssertionError: One of these does not hold.
        ConfigError: It lacks a part of its protocol.
    """
    task = make()
    check_whole(TASK, task, getattr(make, "__name__", str(make)))
    expect(task.name and task.version, f"name {task.name!r} and version {task.version!r} must not be empty")
    expect(examples, "give at least one example of its kind, with a label")
    for example in examples:
        expect(example.answer, f"example {example.id!r} has no label; give examples with labels")
        for form in _FORMS:
            text = form.format(example.answer)
            answer = task.read(text, example)
            grade = task.grade(answer, example)
            said = f"{text!r} is read as {answer!r} and graded {grade}; it is the label, so right"
            expect(grade is Grade.RIGHT, said)
            is_itself = answer is not None and task.read(answer, example) == answer
            expect(is_itself, f"{answer!r}, read out of {text!r}, is not read as itself")
        taken_back = f"The answer is {example.answer}? No."
        invented = f"We look at it.\nQuestion: another one?\nThe answer is {example.answer}."
        for text in (*_NO_ANSWER, taken_back, invented):
            answer = task.read(text, example)
            expect(answer is None, f"{text!r} is read as {answer!r}; it holds no answer, expected None")
        expect(task.grade(None, example) is Grade.UNREADABLE, "no answer must be graded UNREADABLE")
        said = "grade must raise a DataError for an example without a label, and grades"
        bare = dataclasses.replace(example, answer=None)
        grade_bare = partial(task.grade, "anything", bare)
        expect_error(DataError, grade_bare, f"{said} {example.id!r} without one")
