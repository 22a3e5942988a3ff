"""The configuration every recipe shares: one table a room, checked whole before anything is spent.

Knows which table belongs to which room, and nothing of what the rooms do.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, SerializeAsAny, field_validator, model_validator

from tuition.annotation.config import AnnotationConfig
from tuition.core.budget import Budget
from tuition.core.config import Section, override, parse
from tuition.core.errors import ConfigError, near_name, some_of
from tuition.recipes.presets import with_preset
from tuition.selection import SelectionConfig
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.tasks.load import FileSource
from tuition.teachers.config import TeacherConfig

__all__ = ["EvaluationConfig", "Experiment", "dump", "resolve", "source_types"]


class EvaluationConfig(Section):
    """How the student is examined, and what it is held against."""

    scoring: Literal["generate", "options"] = "generate"
    """Read the answer from what the student writes, or take the option it finds likeliest."""
    baselines: tuple[Literal["zero_shot", "label_only", "single_teacher", "teachers"], ...] = ()
    """Runs made beside this one, for the same table; `single_teacher` is one run for each teacher."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Examine on the first so many examples of a split; None: on all."""
    jobs: Annotated[int, Field(ge=1)] = 2
    """Runs at once, a process each, when there are baselines."""


class Experiment(Section):
    """What every recipe is told."""

    recipe: str
    """Name of the recipe."""
    out: str
    """Run folder; one that exists is gone on with."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of everything that is drawn: examples, demonstrations, batches, initial weights."""
    store: str = "tuition.db"
    """The file of every reply and payment, shared by all runs of the workspace."""
    preset: Literal["paper", "repo"] | None = None
    """Published settings for whatever is left open; None: the defaults."""
    task: SerializeAsAny[Section]
    """Where the examples come from; `source` picks the kind of table."""
    teacher: tuple[TeacherConfig, ...] = ()
    """One table a teacher, any number."""
    selection: SelectionConfig = SelectionConfig()
    """Which examples are asked about."""
    annotation: AnnotationConfig = AnnotationConfig()
    """How teachers are asked, and which answers are kept."""
    budget: Budget = Budget()
    """What this run may newly pay."""
    student: StudentConfig = StudentConfig()
    """Who learns."""
    training: TrainingConfig = TrainingConfig()
    """How it learns."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How it is examined."""

    @field_validator("task", mode="before")
    @classmethod
    def _pick_source(cls, value: object) -> object:
        """Read the task's table as its source wants it."""
        if not isinstance(value, Mapping):
            return value
        name = str(value.get("source", "files"))
        known = source_types()
        if name not in known:
            raise ValueError(near_name(name, known, kind="source"))
        return parse(known[name].config_type, value, where="[task]")

    @model_validator(mode="after")
    def _check_names(self) -> Experiment:
        names = [teacher.name for teacher in self.teacher]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"teachers need names of their own; {some_of(twice)} named more than once")
        return self


def source_types() -> dict[str, Any]:
    """List the kinds of sources: files, and those plugged in by installed packages.

    Returns:
        The class of each by name; its `config_type` is the table it reads.
    """
    entry_points = metadata.entry_points(group="tuition.sources")
    return {"files": FileSource} | {point.name: point.load() for point in entry_points}


def resolve(tables: Mapping[str, object], settings: tuple[str, ...] = (), *, where: str) -> Experiment:
    """Make the configuration of a recipe from a file's tables and the command line's settings.

    Args:
        tables: From `read_toml`.
        settings: Such as `training.steps=50`.
        where: For errors, such as the file's name.

    Returns:
        The recipe's own configuration.

    Raises:
        ConfigError: With every fault found.
    """
    from tuition.recipes import RECIPES

    tables = with_preset(override(tables, settings))
    name = tables.get("recipe")
    if not isinstance(name, str):
        raise ConfigError(f"{where}: `recipe` is missing; one of {', '.join(sorted(RECIPES))}.")
    if name not in RECIPES:
        raise ConfigError(f"{where}: " + near_name(name, RECIPES, kind="recipe"))
    return parse(RECIPES[name].config_type, tables, where=where)


def dump(config: Experiment) -> str:
    """Write a configuration as TOML, every default filled in.

    Args:
        config: The resolved configuration.

    Returns:
        A text that `resolve` reads back to an equal configuration; fields that are None are left out.
    """
    return tomli_w.dumps(_plain(config.model_dump(mode="json")))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
