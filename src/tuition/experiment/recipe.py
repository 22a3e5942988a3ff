"""What others need to know of a recipe, declared in its own file; and the list of all, loaded by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from tuition.annotation.routing import Route, RoutingConfig
from tuition.core.config import Section
from tuition.core.errors import ConfigError
from tuition.core.plugins import Kind, find, is_admitted, plugged
from tuition.core.records import Example, Json
from tuition.core.run import Run
from tuition.core.splits import Splits
from tuition.student.config import StudentConfig, TrainingConfig

__all__ = ["RECIPE", "RECIPES", "Apart", "RationaleAs", "Recipe", "SecondModel", "Variant"]

RationaleAs = Literal["task", "chain", "both"]
"""What the student learns to do with a rationale."""
Apart = Literal["parts", "lessons"]
"""What an ablation takes apart: a recipe's parts, or what its student learns of a mentor."""


class SecondModel(Section):
    """The table of a model that learns beside the student."""

    explains: ClassVar[bool] = True
    """Whether it writes rationales."""
    student: StudentConfig = StudentConfig()
    """Which model it is."""
    training: TrainingConfig = TrainingConfig()
    """How it learns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A run beside another, the same but for what is changed."""

    name: str
    """Of its row and its folder."""
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the configuration; `recipe` may be one of them."""
    why_not: str = ""
    """Why there is no such row; empty: there is one."""
    remark: str = ""
    """What a reader must know of the row."""
    asks: bool = True
    """Whether it may ask something that the main run does not ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A method: its configuration, the function that runs it, and facts for what works with every recipe."""

    config_type: type[Any]
    """The configuration it reads, an `Experiment`."""
    run: Callable[[Any, Run], dict[str, Json]]

    asks: bool = False
    """Whether teachers write rationales for the training examples."""
    in_rounds: bool = False
    """Whether the strategy chooses in rounds what is asked, and not the training examples beforehand."""
    scores: bool = False
    """Whether its student scores options, as an encoder does, and writes nothing."""
    counts_examples: bool = False
    """Whether it asks about a number of examples, however many there are: its plan needs the whole pool."""
    has_student: bool = True
    """Whether a student is trained or examined."""
    models: Callable[[Any], Mapping[str, SecondModel]] = lambda _: {}
    """What its configuration trains beside the student, each by the name of its table and folder."""
    imitated: Callable[[Any], str] = lambda _: ""
    """Which of them the student follows token by token, so that both must have one tokenizer; empty: none."""
    route: Callable[[Any], tuple[Route, RoutingConfig]] = lambda _: ("all", RoutingConfig())
    """Whom its configuration asks about an example."""
    instruction: Callable[[Any], str] = lambda _: ""
    """By which instruction its student is asked for an answer; empty: the answer's or the chain's."""
    rationale_as: Callable[[Any], RationaleAs] = lambda _: "task"
    """What its configuration teaches the student to do with a rationale."""
    shown: Callable[[Any, Sequence[Example]], list[Example]] = lambda _, pool: list(pool)
    """The pool as teachers and student may see it, such as without its labels."""
    draft_steps: Callable[[Any], int] = lambda _: 1
    """Steps, at most, of a student's draft that a teacher is asked to mend."""
    check: Callable[[Any, Splits], None] = lambda _config, _splits: None
    """Raises `ConfigError` or `DataError`, before anything is asked, where it cannot work with the data."""

    notes: Callable[[Any, bool], list[str]] = lambda _config, _has_valid: []
    """What a user should know before a run begins, given whether there is validation; without full stops."""

    baseline: str = ""
    """By which name `evaluation.baselines` wants it beside another run; empty: it is no baseline."""
    beside: Callable[[Any], Sequence[Variant]] = lambda _: ()
    """As a baseline: its runs beside one of another configuration."""
    ablations: Callable[[Any], Sequence[Variant]] | None = None
    """The runs without one part of a configuration of its own; None: it cannot be taken apart."""
    lessons: Callable[[Any], Sequence[Variant]] | None = None
    """The runs that differ in what the student learns of a mentor alone; None: it has no such runs."""

    order: int = 60
    """Its rows stand in tables by rising order: students from 10 on, teachers from 90 on."""
    remark: str = ""
    """Stands beside each of its rows."""
    learns: bool = True
    """Whether its student is to be trained; a row says so where one was not."""
    best_of: str = ""
    """Of several of its rows the best on validation is marked so, such as `single teacher`."""


RECIPE = Kind(name="recipe", group="tuition.recipes")
"""What a user's own recipe is: a `Recipe`."""

_OWN = (
    *("without_question", "zero_shot", "label_only", "step_by_step", "tinyllm", "mentor_kd", "kard", "mint"),
    *("retrikt", "ddk", "know_gate", "evokd", "mgsr", "elad", "ask_teacher"),
)
"""Modules of `tuition.recipes`, in the order in which runs beside a main one are made."""


class _Recipes(Mapping[str, Recipe]):
    """Every recipe by name, loaded when it is asked for: this floor lies below the recipes."""

    def __getitem__(self, name: str) -> Recipe:
        if name in _OWN:
            return importlib.import_module(f"tuition.recipes.{name}").RECIPE
        if name not in plugged(RECIPE) and not is_admitted(name):
            raise KeyError(name)
        found = find(RECIPE, name)
        if not isinstance(found, Recipe):
            raise ConfigError(
                f"recipe {name!r} is of type {type(found).__name__!r}, expected a tuition.recipes.Recipe; "
                f"{RECIPE.page} has an example."
            )
        return found

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*_OWN, *sorted(plugged(RECIPE))))

    def __len__(self) -> int:
        return sum(1 for _ in self)


RECIPES: Mapping[str, Recipe] = _Recipes()
