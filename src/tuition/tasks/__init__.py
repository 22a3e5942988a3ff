"""What is asked and what is right: load examples, read answers out of text, grade.

Knows no teacher and no student.
"""

from __future__ import annotations

import importlib

from tuition.core.errors import ConfigError, near_name
from tuition.core.protocols import Task
from tuition.tasks.kinds import FreeText, Mixed, MultipleChoice, Number, YesNo
from tuition.tasks.maths import Math

__all__ = ["TASKS", "make_task"]

TASKS: dict[str, type[Task]] = {
    "multiple_choice": MultipleChoice,
    "number": Number,
    "free_text": FreeText,
    "yes_no": YesNo,
    "mixed": Mixed,
    "math": Math,
}
"""The kinds of task by name."""


def make_task(kind: str) -> Task:
    """Make a task of a kind.

    Args:
        kind: A name of `TASKS`, or `package.module:Name` for a class of one's own that fits
            `core.protocols.Task`.

    Returns:
        The task.

    Raises:
        ConfigError: There is no such kind, module or class.
    """
    if kind in TASKS:
        return TASKS[kind]()
    module_name, sign, name = kind.partition(":")
    if not sign:
        raise ConfigError(f"{near_name(kind, TASKS, kind='task kind')} Your own: 'package.module:Name'.")
    try:
        made = getattr(importlib.import_module(module_name), name)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"task kind {kind!r} cannot be made: {error}; "
            "expected 'package.module:Name' of a class without arguments that can be imported"
        ) from None
    missing = [part for part in ("name", "version", "read", "grade") if not hasattr(made, part)]
    if missing:
        raise ConfigError(f"task kind {kind!r} lacks {', '.join(missing)}; see tuition.core.protocols.Task")
    return made
