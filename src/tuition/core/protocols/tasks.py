"""What a task must be able to do: bring examples, show them, read and grade answers, judge steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from tuition.core.records import Example, Grade
from tuition.core.splits import Splits

__all__ = ["Source", "StepChecker", "Task"]


class Task(Protocol):
    """What is asked and what is right: reads an answer out of a text, and grades it."""

    name: str
    version: str
    """Changes whenever the same text could be read or graded differently."""

    def read(self, text: str, example: Example) -> str | None:
        """Read the answer out of a text.

        Args:
            text: The whole of what a teacher or a student wrote; see `core.steps.before_spill`.
            example: The question; the form of its label may be looked at, such as a number, never its value.

        Returns:
            In the form of labels: an option's text, a plain number, a string. None: unreadable.
        """
        ...

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Say what an answer is worth.

        Args:
            answer: What `read` gave, or a label.
            example: The question; its answer is not None.

        Returns:
            UNREADABLE for None, else RIGHT or WRONG.
        """
        ...


class Source(Protocol):
    """Where the examples come from: a user's files, recorded data, a generator."""

    def load(self) -> Splits:
        """Read or make the splits.

        Returns:
            Train, valid and a sealed test; the test may be absent.
        """
        ...


@runtime_checkable
class StepChecker(Protocol):
    """Knows which step of an explanation is wrong, where that can be known; a source may be one too."""

    def first_wrong_step(self, example: Example, steps: Sequence[str]) -> int | None:
        """Find the first wrong step.

        Args:
            example: The question.
            steps: Of an explanation, its closing sentence left out.

        Returns:
            The 0-based index; the number of steps where all are right and the last step is missing; None:
            every step is right and none is missing.

        Raises:
            DataError: The question is none it knows.
        """
        ...
