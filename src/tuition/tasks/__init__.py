"""What is asked and what is right: load examples, read answers out of text, grade.

Knows no teacher and no student.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuition.core.errors import ConfigError
from tuition.core.plugins import Kind, check_whole, find
from tuition.core.protocols import Task
from tuition.tasks.fields import Fields
from tuition.tasks.kinds import FreeText, Math, Mixed, MultipleChoice, Number, YesNo
from tuition.tasks.label import Label

__all__ = ["TASK", "TASKS", "make_task"]

TASK = Kind(name="task kind", group="tuition.tasks", needs=("name", "version", "read", "grade"))
"""What a user's own task must have; it is a class without arguments."""

TASKS: dict[str, type[Task]] = {
    "multiple_choice": MultipleChoice,
    "label": Label,
    "fields": Fields,
    "number": Number,
    "free_text": FreeText,
    "yes_no": YesNo,
    "mixed": Mixed,
    "math": Math,
}
"""The kinds of task by name."""


def make_task(kind: str, settings: Mapping[str, Any] | None = None) -> Task:
    """Make a task of a kind.

    Args:
        kind: A name of `TASKS`, of an entry point, or `package.module:Name` for a class of one's own that
            fits `core.protocols.Task`.
        settings: The table `[task]`, of which a kind with one form of answers takes what it is made of.

    Returns:
        The task.

    Raises:
        ConfigError: There is no such kind, module or class, or it lacks a method.
    """
    found = find(TASK, kind, TASKS)
    of = (settings or {}).get(getattr(found, "made_of", ""))
    try:
        made = found(of) if of else found()
    except TypeError as error:
        raise ConfigError(
            f"task kind {kind!r} cannot be made: {error}; expected a class without arguments, as {TASK.page} "
            "shows."
        ) from None
    check_whole(TASK, made, kind)
    return made
