"""Who answers, one attempt at a time: endpoints, recorded replies, local models, plugged-in teachers.

Retrying, budgets and prompts are the annotation room's. A new teacher is one file and one line in `TEACHERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuition.core.plugins import Kind, check_whole, find
from tuition.core.protocols import Teacher
from tuition.teachers.config import TeacherConfig

__all__ = ["TEACHER", "TEACHERS", "TeacherConfig", "make_teacher"]

TEACHER = Kind(
    name="kind of teacher",
    group="tuition.teachers",
    needs=("name", "endpoint", "model", "price", "abilities", "complete"),
)
"""What a user's own teacher must have; it is made by something that takes its table."""

Factory = Callable[[TeacherConfig], Teacher]


def _chat(config: TeacherConfig) -> Teacher:
    # Here, for the HTTP client takes a tenth of a second to import.
    if config.wire.in_batches:
        from tuition.teachers.http.batch import BatchedTeacher

        return BatchedTeacher(config)
    from tuition.teachers.http.chat import ChatTeacher

    return ChatTeacher(config)


def _recorded(config: TeacherConfig) -> Teacher:
    from tuition.teachers.recorded import RecordedTeacher

    return RecordedTeacher(config)


def _local(config: TeacherConfig) -> Teacher:
    from tuition.teachers.local import LocalTeacher

    return LocalTeacher(config)


TEACHERS: Mapping[str, Factory] = {
    "chat": _chat,
    "recorded": _recorded,
    "local": _local,
}
"""What makes a teacher of each kind; entry points of the group `tuition.teachers` join them."""


def make_teacher(config: TeacherConfig) -> Teacher:
    """Make the teacher that a table of the configuration names.

    Args:
        config: The table.

    Returns:
        A teacher, ready to be asked.

    Raises:
        ConfigError: The kind is unknown, or lacks a method.
    """
    made = find(TEACHER, config.kind, TEACHERS, where=f"teacher {config.name!r}: ")(config)
    check_whole(TEACHER, made, config.kind)
    return made
