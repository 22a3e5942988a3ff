"""What a run asks first, before any answer is known: made here to be written down instead of asked."""

from __future__ import annotations

from tuition.annotation import annotation_requests
from tuition.core.errors import ConfigError, near_name, some_of
from tuition.core.records import Request
from tuition.recipes import RECIPES
from tuition.recipes.asking import asker_of
from tuition.recipes.common import choose_train
from tuition.recipes.config import Experiment, route_of
from tuition.recipes.plan.routes import asked_for_certain
from tuition.recipes.ready import make_ready
from tuition.teachers.config import TeacherConfig

__all__ = ["batch_table", "first_requests"]


def batch_table(config: Experiment, name: str) -> TeacherConfig:
    """Find the teacher whose calls are written to a file.

    Args:
        config: Of the run.
        name: The teacher's; empty: the only one.

    Returns:
        Its table.

    Raises:
        ConfigError: It is not one, or none of an endpoint that batches are for.
    """
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
    """Make what a run asks a teacher first of all, whatever others answer.

    Args:
        config: Of the run.
        table: The teacher's.

    Returns:
        The requests for its rationales.

    Raises:
        ConfigError: The run asks for none beforehand, or they stand on labels that are made as it goes.
    """
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
    splits = make_ready(config).splits
    route, routing = route_of(config)
    examples = asked_for_certain(
        choose_train(config, splits), table.name, route=route, routing=routing, config=config
    )
    return annotation_requests(examples, asker_of(config, table, train=splits.train), samples=table.samples)
