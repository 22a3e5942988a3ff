"""What a run asks first, before any answer is known: made here to be written down instead of asked."""

from __future__ import annotations

from tuition.core.errors import ConfigError, near_name, some_of
from tuition.core.records import Request
from tuition.experiment.checks import make_ready
from tuition.experiment.config import Experiment
from tuition.operate.dry_run.calls import dry_calls
from tuition.operate.dry_run.stand_ins import LOW
from tuition.recipes import RECIPES
from tuition.teachers.config import TeacherConfig

__all__ = ["batch_table", "first_requests"]

_WRITING = ("rationale", "solve")
"""Roles of calls for rationales; a teacher may be asked to verify another's before it writes its own."""


def batch_table(config: Experiment, name: str) -> TeacherConfig:
    """Find the teacher whose calls are written to a file."""
    tables = {table.name: table for table in config.writers}
    if not tables:
        raise ConfigError(
            "no [[teacher]] of this configuration writes rationales, so there is nothing to write."
        )
    if name and name not in tables:
        raise ConfigError(near_name(name, tables, kind="teacher"))
    if not name and len(tables) > 1:
        raise ConfigError(f"a file holds the calls of one teacher; choose with --teacher: {some_of(tables)}.")
    table = tables[name or next(iter(tables))]
    if table.kind != "chat" or table.wire.form != "openai":
        raise ConfigError(
            f"teacher {table.name!r} is of kind {table.kind!r} and form {table.wire.form!r}, and a batch is "
            "for endpoints of OpenAI's form: kind = 'chat'."
        )
    return table


def first_requests(config: Experiment, table: TeacherConfig) -> list[Request]:
    """Give what a run asks a teacher first of all, whatever others answer: its first asking in a dry run."""
    if not RECIPES[config.recipe].asks or config.selects_in_rounds:
        raise ConfigError(
            f"recipe {config.recipe!r} asks for no rationales beforehand, so there is nothing to write; "
            "tinyllm and step_by_step do. With wire.in_batches = true its teachers are asked in batches as "
            "it goes."
        )
    if config.labels.train != "gold":
        raise ConfigError(
            f"labels.train = {config.labels.train!r} is made while the run goes, and the rationales stand on "
            "it; write the labels into the data first, or set the teacher's wire.in_batches = true."
        )
    alone = config.evaluation.model_copy(update={"baselines": ()})
    calls = dry_calls(
        config.model_copy(update={"evaluation": alone}), make_ready(config), guess=LOW, most=None
    )
    mine = [call for call in calls if call.teacher == table.name and call.request.role in _WRITING]
    return [call.request for call in mine if call.place[0] == mine[0].place[0]]
