"""The configuration every recipe shares: one table a room, checked whole before anything is spent.

Knows which table belongs to which room, and nothing of what the rooms do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, SerializeAsAny, field_validator, model_validator

from tuition.annotation.config import AnnotationConfig
from tuition.annotation.own_words import template_of
from tuition.annotation.routing import Route, RoutingConfig
from tuition.core.budget import Budget
from tuition.core.config import Section, override, parse, read_words
from tuition.core.errors import near_name, some_of
from tuition.core.plugins import admit, is_place
from tuition.core.protocols import Task
from tuition.core.run import held_config
from tuition.experiment.defaults import CONFIG_VERSION, completed, kind_of, with_preset
from tuition.experiment.knowledge import KnowledgeConfig
from tuition.experiment.recipe import RECIPES, RationaleAs
from tuition.selection import SelectionConfig
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.tasks import TASKS, make_task
from tuition.tasks.label import label_set
from tuition.tasks.load import source_type
from tuition.teachers.config import TeacherConfig

__all__ = [
    "EvaluationConfig",
    "Experiment",
    "LabelsConfig",
    "RationaleAs",
    "beside",
    "code_named",
    "dump",
    "folder_name",
    "resolve",
    "route_of",
    "source_of",
    "task_of",
]

LabelSource = Literal["gold", "teacher", "majority", "weighted", "file"]


class EvaluationConfig(Section):
    """How the student is examined, and what it is compared with."""

    scoring: Literal["generate", "exact", "options"] = "generate"
    """Read the answer from what the student writes, or want the label's very text as published, or take the
    option it finds likeliest."""
    baselines: tuple[str, ...] = ()
    """Runs made beside this one, for the same table: `blind` (learns and is examined without the questions),
    `zero_shot`, `label_only`, `single_teacher` (one run for each teacher), `teachers`."""
    answer_by: Literal["auto", "answer", "chain"] = "auto"
    """How a student is asked: for the answer at once, or for a chain that ends in it; `auto`: as it was
    taught, by the chain where it was taught both."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Bound of what the student writes in the examination; None: `student.max_output_tokens`."""
    votes: Annotated[int, Field(ge=0)] = 0
    """Samples of a student that writes, whose most frequent answer stands beside the greedy one, with what it
    costs; 0: none, 1 is one draw."""
    vote_temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.7
    """Of these samples."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Examine on the first so many examples of a split; None: on all."""
    jobs: Annotated[int, Field(ge=1)] = 2
    """Runs at once, a process each, when there are baselines."""


class LabelsConfig(Section):
    """Who labels the examples of each split, where the task's own labels are absent or set aside."""

    train: LabelSource = "gold"
    """`gold`: the task's own labels; `teacher`: one teacher's answers; `majority` of the panel; `weighted`
    majority, by reliability estimated from agreement; `file`: labels made by people."""
    valid: LabelSource = "gold"
    """The same for validation; other than gold, every figure on it says so."""
    test: LabelSource = "gold"
    """The same for the test; those who label it see its questions and no label."""
    teacher: str = ""
    """Name of the teacher of `teacher`."""
    panel: tuple[TeacherConfig, ...] = ()
    """Tables of the teachers that label; empty: every `[[teacher]]`, also of weight 0."""
    file: str = ""
    """File of labels for `file` (.jsonl, .csv, also .gz); a column `split` in it tells equal ids apart."""
    id_column: str = "id"
    """Column of the examples' ids in that file."""
    answer_column: str = "answer"
    """Column of the labels in that file: an option's text or letter, a number, a text."""
    least_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Training examples whose label by `majority` or `weighted` is less sure leave training."""
    replace: bool = False
    """Whether labels of the task give way too; false: only examples without one are labelled."""

    @model_validator(mode="after")
    def _is_whole(self) -> LabelsConfig:
        named = self.sources()
        for source, field in (("teacher", self.teacher), ("file", self.file)):
            if (source in named.values()) != bool(field):
                splits = ", ".join(split for split, by in named.items() if by == source) or "no split"
                raise ValueError(
                    f"labels.{source} = {field!r}, and the labels of {splits} are by "
                    f"{source!r}; name both or neither"
                )
        if self.least_confidence and self.train not in ("majority", "weighted"):
            raise ValueError(
                f"labels.least_confidence wants labels.train to be 'majority' or 'weighted', not "
                f"{self.train!r}: other labels come without a confidence"
            )
        return self

    def source(self, split: str) -> str:
        """Say who labels a split: gold, teacher, majority, weighted or file."""
        return self.sources()[split]

    def sources(self) -> dict[str, str]:
        """Say the same of every split."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def asks(self) -> tuple[str, ...]:
        """The splits that teachers label, those first that must be labelled whole."""
        splits = ("test", "valid", "train")
        return tuple(split for split in splits if self.source(split) not in ("gold", "file"))

    def by(self, teachers: tuple[TeacherConfig, ...]) -> LabelsConfig:
        """Write down who labels, for a run beside this one that has other teachers or none."""
        return self.model_copy(update={"panel": self.panel or teachers}) if self.asks else self


class Experiment(Section):
    """What every recipe is told."""

    config_version: int = CONFIG_VERSION
    """Whose defaults hold for what is left open: 1: those of 0.1.0; left out: those that the run in `out` was
    begun with, where there is one, and else today's."""
    recipe: str
    """Name of the recipe."""
    out: str
    """Run folder; one that exists is gone on with."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of everything that is drawn: examples, demonstrations, batches, initial weights."""
    store: str = "tuition.db"
    """The file of every reply and payment, shared by all runs of the workspace."""
    preset: Literal["paper", "repo"] | None = None
    """Published settings for what is left open; None: the defaults."""
    task: SerializeAsAny[Section]
    """Where the examples come from; `source` picks the kind of table."""
    teacher: tuple[TeacherConfig, ...] = ()
    """One table a teacher, any number."""
    selection: SelectionConfig = SelectionConfig()
    """Which examples are asked about."""
    annotation: AnnotationConfig = AnnotationConfig()
    """How teachers are asked, and which answers are kept."""
    prompts: Mapping[str, str] = {}
    """Prompts of your own, by what they are for: `solve = "solve.jinja"`, a file that is read once, relative
    to the configuration, or the template itself. For `rationale`, `solve`, `answer`, `verify`, `judge`,
    `judge_step`, `revise`, `confirm`, `locate`, `clear`, `repair`."""
    labels: LabelsConfig = LabelsConfig()
    """Who labels the examples."""
    budget: Budget = Budget()
    """What this run may newly pay."""
    student: StudentConfig = StudentConfig()
    """Who learns."""
    training: TrainingConfig = TrainingConfig()
    """How it learns."""
    knowledge: KnowledgeConfig = KnowledgeConfig()
    """Passages that stand beside the questions."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How it is examined."""

    @property
    def writers(self) -> tuple[TeacherConfig, ...]:
        """The teachers that write rationales: those whose weight is not 0."""
        return tuple(table for table in self.teacher if table.weight > 0)

    @property
    def selects_in_rounds(self) -> bool:
        """Whether the strategy chooses in rounds what is asked, and not the training examples beforehand."""
        return RECIPES[self.recipe].in_rounds

    @field_validator("task", mode="before")
    @classmethod
    def _pick_source(cls, value: object) -> object:
        """Read the task's table as its source wants it."""
        if not isinstance(value, Mapping):
            return value
        return parse(source_type(str(value.get("source", "files"))).config_type, value, where="[task]")

    @field_validator("prompts", mode="before")
    @classmethod
    def _read_prompts(cls, value: object) -> object:
        """Read the files of templates, and every template; a run keeps what they hold."""
        if not isinstance(value, Mapping):
            return value
        texts = {str(role): text if "{{" in str(text) else read_words(text) for role, text in value.items()}
        for role, text in texts.items():
            template_of(role, text)
        return texts

    @model_validator(mode="after")
    def _check_names(self) -> Experiment:
        names = [teacher.name for teacher in self.teacher]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"teachers need names of their own; {some_of(twice)} named more than once")
        folders = [folder_name(name) for name in names]
        alike = [name for name in names if folders.count(folder_name(name)) > 1]
        if alike:
            raise ValueError(f"teachers {some_of(alike)} would have one run folder; rename one")
        return self

    @model_validator(mode="after")
    def _check_baselines(self) -> Experiment:
        for name in self.evaluation.baselines:
            known = [recipe.baseline for recipe in RECIPES.values() if recipe.baseline]
            if name not in known:
                raise ValueError(near_name(name, known, kind="baseline in evaluation.baselines"))
        return self

    @model_validator(mode="after")
    def _check_panel(self) -> Experiment:
        panel = [teacher.name for teacher in self.labels.panel or self.teacher]
        if len(set(panel)) < len(panel):
            raise ValueError(f"labels.panel names a teacher twice: {', '.join(panel)}")
        other = {teacher.name: teacher for teacher in self.labels.panel}
        clash = [teacher.name for teacher in self.teacher if other.get(teacher.name, teacher) != teacher]
        if clash:
            raise ValueError(f"labels.panel has another table for {some_of(clash)} than [[teacher]] has")
        if self.labels.teacher and self.labels.teacher not in panel:
            raise ValueError(near_name(self.labels.teacher, panel, kind="teacher in labels.teacher"))
        votes = [split for split in self.labels.asks if self.labels.source(split) != "teacher"]
        if votes and len(panel) < 2:
            raise ValueError(
                f"labels by majority ({', '.join(votes)}) need two teachers or more, {len(panel)} are given; "
                "name them in [[teacher]] or [[labels.panel]]"
            )
        return self


def resolve(
    tables: Mapping[str, object],
    settings: tuple[str, ...] = (),
    *,
    where: str,
    folder: Path | None = None,
    trust: bool = False,
) -> Experiment:
    """Make the configuration of a recipe from a file's tables and the command line's settings.

    Raises a ConfigError with every fault found; `where` names the file in it. Files of the user's own words
    lie in `folder`. With `trust` the code that it names runs also where no installed package has it.
    """
    tables = _anchored(with_preset(override(tables, settings)), folder or Path())
    admit(code_named(tables), where=where, trust=trust)
    kind, out, source = kind_of(tables, where=where), tables.get("out"), where
    if "config_version" not in tables and isinstance(out, str):
        held = held_config(Path(out))
        source = where if held is None else f"the run in {out!r}"
        tables["config_version"] = CONFIG_VERSION if held is None else held.get("config_version", 1)
    if tables.get("config_version", CONFIG_VERSION) != CONFIG_VERSION:
        tables = completed(tables, where=source)
    return _with_form(parse(kind, tables, where=where))


def _with_form(config: Experiment) -> Experiment:
    """Write down the form of the answers where the source has it, or the training examples show it."""
    kind = getattr(config.task, "kind", "mixed")
    key = getattr(TASKS.get(kind), "made_of", "")
    if key and not getattr(config.task, key, None):
        source = source_of(config)
        form = getattr(source, key, None) or label_set(source.load(), kind=kind, key=key)
        config = config.model_copy(update={"task": config.task.model_copy(update={key: form})})
    if key:
        task_of(config)
    return config


def _anchored(tables: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Say of the files of a user's own words where they lie: beside the configuration."""
    task, prompts = tables.get("task"), tables.get("prompts")
    if isinstance(task, Mapping) and task.get("instruction_file"):
        tables["task"] = {**task, "instruction_file": str(folder / str(task["instruction_file"]))}
    if isinstance(prompts, Mapping):
        tables["prompts"] = {
            role: text if "{{" in str(text) else str(folder / str(text)) for role, text in prompts.items()
        }
    return tables


def code_named(tables: Mapping[str, Any]) -> dict[str, str]:
    """Find the parts that a configuration names by their place, `package.module:Name`, by their key."""
    named: dict[str, object] = {"recipe": tables.get("recipe"), "annotator": tables.get("annotator")}
    for key in ("task.kind", "task.source", "selection.strategy"):
        table, _, entry = key.partition(".")
        named[key] = held.get(entry) if isinstance(held := tables.get(table), Mapping) else None
    labels = tables.get("labels")
    panels = {
        "teacher": tables.get("teacher"),
        "labels.panel": isinstance(labels, Mapping) and labels.get("panel"),
    }
    for key, panel in panels.items():
        for i, table in enumerate(panel if isinstance(panel, list | tuple) else ()):
            named[f"{key}.{i}.kind"] = table.get("kind") if isinstance(table, Mapping) else None
    return {key: str(place) for key, place in named.items() if is_place(place)}


def folder_name(row: str) -> str:
    """Name the folder of a row; a teacher may be called `organisation/model`."""
    return re.sub(r"[^\w.-]+", "-", row)


def beside(config: Experiment, name: str, *, recipe: str = "", **changed: Any) -> Experiment:
    """Make the configuration of a run beside another: the same experiment but for what is changed.

    Every field that both recipes have is carried over. Its labels are those of the same panel, whichever
    teachers it has, its folder lies within the other's, and it has no baselines of its own.
    """
    recipe = recipe or config.recipe
    kind = RECIPES[recipe].config_type
    evaluation: dict[str, Any] = {"baselines": ()}
    if "rationale_as" not in kind.model_fields:
        # A student that learns no rationale can be asked in one way alone.
        evaluation["answer_by"] = "auto"
    carried = {field: getattr(config, field) for field in kind.model_fields if hasattr(config, field)}
    if config.selects_in_rounds and not RECIPES[recipe].in_rounds:
        # What chooses among the pool in rounds cannot choose beforehand; the pool itself is the same.
        selection = config.selection
        carried["selection"] = SelectionConfig(examples=selection.examples, share=selection.share)
    labels = config.labels.by(config.teacher)
    # How many rationales a teacher writes, and what they weigh, changes no label; its table must stay one.
    now = {teacher.name: teacher for teacher in changed.get("teacher", config.teacher)}
    panel = tuple(now.get(teacher.name, teacher) for teacher in labels.panel)
    own = {
        "recipe": recipe,
        "out": f"{config.out}/{name}",
        "labels": labels.model_copy(update={"panel": panel}),
        "evaluation": config.evaluation.model_copy(update=evaluation),
    }
    return kind.model_validate({**carried, **own, **changed})


def task_of(config: Experiment) -> Task:
    """Make the task of an experiment; a source whose table names no kind has questions of all kinds."""
    return make_task(getattr(config.task, "kind", "mixed"), dict(config.task))


def source_of(config: Experiment) -> Any:
    """Make the source that an experiment reads its examples from."""
    return source_type(getattr(config.task, "source", "files"))(config.task)


def route_of(config: Experiment) -> tuple[Route, RoutingConfig]:
    """Say whom a run asks about an example, and how."""
    return RECIPES[config.recipe].route(config)


def dump(config: Experiment) -> str:
    """Write a configuration as TOML with every default, for `resolve` to read back; None is left out."""
    return tomli_w.dumps(_plain(config.model_dump(mode="json")))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
