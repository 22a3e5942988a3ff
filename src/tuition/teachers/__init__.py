"""Who answers, one attempt at a time: endpoints, recorded replies, models here, whatever is plugged in.

Retrying, budgets and prompts are the annotation room's. A new teacher is one file and one line in `TEACHERS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points

from tuition.core.errors import ConfigError, near_name
from tuition.core.protocols import Teacher
from tuition.teachers.config import TeacherConfig

__all__ = ["TEACHERS", "TeacherConfig", "make_teacher"]

_GROUP = "tuition.teachers"

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
        ConfigError: The kind is unknown.
    """
    if config.kind in TEACHERS:
        return TEACHERS[config.kind](config)
    plugged = {entry.name: entry for entry in entry_points(group=_GROUP)}
    if config.kind in plugged:
        return plugged[config.kind].load()(config)
    if ":" in config.kind:
        return _stranger(config.kind)(config)
    raise ConfigError(
        f"teacher {config.name!r}: {near_name(config.kind, [*TEACHERS, *plugged], kind='kind of teacher')} "
        "Or name your own as 'package.module:Name'."
    )


def _stranger(place: str) -> Factory:
    module_name, _, name = place.partition(":")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"no teacher at {place!r}: {error}. Expected 'package.module:Name', importable from here, "
            "which takes a TeacherConfig."
        ) from None
