"""The Python face: what a notebook does with configurations, runs, students and teachers.

The names that `tuition` itself offers are defined here; what they do is done by the rooms below.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuition.annotation import Account, HealthRow, ask_all, without_closing
from tuition.annotation.own_words import OwnWords
from tuition.core.budget import Budget
from tuition.core.config import parse, read_toml
from tuition.core.errors import BudgetSpent, ConfigError, DataError
from tuition.core.protocols import Progress, Teacher
from tuition.core.records import Json, Message, Reply, Request
from tuition.core.rows import read_metrics
from tuition.core.store import Place, Store
from tuition.core.texts.steps import split_steps
from tuition.evaluation.accuracy import wilson
from tuition.experiment.config import Experiment, resolve
from tuition.experiment.recipe import Apart
from tuition.operate.compare import ablation_table, ablations, compare_runs, compare_with, new_calls
from tuition.operate.dry_run.plan import Plan, is_over, objection, plan_of
from tuition.operate.execute import Finished, baselines, execute_all
from tuition.operate.export import find_questions
from tuition.operate.student import Student
from tuition.recipes import RECIPES
from tuition.report import Material, run_folders, write_card, write_page
from tuition.tasks.conclusion import reading_rule
from tuition.teachers import TeacherConfig, make_teacher

__all__ = [
    "Group",
    "Student",
    "ask",
    "close_group",
    "compare",
    "load_config",
    "plan",
    "run",
    "run_group",
    "write_report",
]


def load_config(source: str | Path | Mapping[str, object], *settings: str, trust: bool = False) -> Experiment:
    """Read a configuration, fill in its defaults and check it whole; nothing is asked and nothing written."""
    if isinstance(source, Mapping):
        return resolve(source, settings, where="the tables", trust=trust)
    return resolve(
        read_toml(Path(source)), settings, where=str(source), folder=Path(source).parent, trust=trust
    )


def plan(config: Experiment) -> Plan:
    """Say what a run and its baselines would ask, and what that would cost; nothing is spent.

    Returns:
        Calls, tokens and dollars by teacher and role, what the data check found, and notes.
    """
    return plan_of(config)


@dataclass(frozen=True, slots=True)
class _Told:
    """Passes progress on, and no tables."""

    tell: Progress | None

    def progress(self, stage: str, done: int, total: int) -> None:
        if self.tell is not None:
            self.tell(stage, done, total)

    def table(self, title: str, rows: Sequence[Mapping[str, Json]]) -> None:
        pass


def run(
    config: Experiment, *, progress: Progress | None = None, confirmed: bool = False, jobs: int = 1
) -> Finished:
    """Run a configuration with its baselines, or go on with it; a finished run is read and costs nothing."""

    def agree(_: Sequence[Plan], finding: str, way_out: str) -> None:
        raise ConfigError(f"{finding}; nothing was spent. Say run(config, confirmed=True), or {way_out}.")

    group = run_group(
        config,
        execute=lambda configs: execute_all(configs, jobs=jobs, listener=_Told(progress)),
        agree=None if confirmed else agree,
    )
    group.refuse_missing()
    return group.finished[Path(config.out).name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A run with those beside it, as far as the budget went."""

    finished: dict[str, Finished]
    """By row name, the main run first."""
    missing: tuple[str, ...]
    """Rows for which the budget left nothing."""
    ablation: list[dict[str, Json]]
    """The table of the run without one part at a time; empty: nobody asked for it."""

    def refuse_missing(self) -> None:
        """Raise a `BudgetSpent` that names the rows which are missing."""
        if self.missing:
            raise BudgetSpent(
                f"the budget left nothing for {', '.join(self.missing)}; raise [budget] and run it again."
            )


def run_group(
    config: Experiment,
    *,
    execute: Callable[[Mapping[str, Experiment]], dict[str, Finished]],
    agree: Callable[[Sequence[Plan], str, str], None] | None = None,
    looks_over: bool = False,
    is_ablated: bool = False,
    of: Apart = "parts",
) -> Group:
    """Plan a run and those beside it, have the plans agreed to, execute them, and write the page.

    `agree` raises where a plan that costs too much is not to be carried out; None: all are. Then plans are
    made with `looks_over` alone, for the faults that they find.
    """
    out, parts = Path(config.out), ablations(config, of) if is_ablated else {}
    todo = [config, *(parts[name] for name in new_calls(config, of))] if is_ablated else [config]
    plans = [plan_of(one) for one in todo if not is_over(one)] if agree or looks_over else []
    if agree is not None and plans and (found := objection(plans, config.budget)):
        agree(plans, *found)
    configs = {out.name: config, **baselines(config)}
    finished = execute(configs)
    if parts:
        # After the main run, so that no part of it takes the budget from the whole.
        finished = {**execute({out.name: config, **parts}), **finished}
    close_group(out, finished)
    return Group(
        finished=finished,
        missing=tuple(name for name in {**configs, **parts} if name not in finished),
        ablation=ablation_table(config, finished, of) if is_ablated else [],
    )


def close_group(out: Path, finished: Mapping[str, Finished]) -> None:
    """Write the cards of runs and the page above them, where a run is new.

    A run that was killed between its end and its card gets the card now.
    """
    for one in finished.values():
        if one.metrics["student"] is not None and (one.is_new or not (one.path / "MODEL_CARD.md").exists()):
            write_card(one.path)
    if any(one.is_new for one in finished.values()) or not (out / "report.html").exists():
        folders = {name: one.path for name, one in finished.items()}
        comparisons = compare_with(folders, reference="label_only")
        (out / "comparisons.json").write_text(json.dumps(comparisons, indent=2) + "\n", encoding="utf-8")
        write_report([out])


def write_report(folders: Sequence[Path], *, out: Path | None = None, trust: bool = False) -> Path:
    """Write one page about the finished runs of some folders; without `out`, into the first one."""
    questions, missing = find_questions(run_folders(*folders), trust=trust)
    material = Material(
        questions=questions,
        missing=missing,
        rule=reading_rule,
        interval=wilson,
        steps=lambda text: split_steps(without_closing(text)),
        remedy=lambda row: HealthRow.from_json(row).what_to_do,
    )
    return write_page(folders, RECIPES, material=material, out=out)


def compare(folders: Sequence[str | Path]) -> list[dict[str, Json]]:
    """Lay finished runs side by side, each compared with the first on the same items."""
    return [_row(Path(folder), first=Path(folders[0])) for folder in folders]


def _row(folder: Path, *, first: Path) -> dict[str, Json]:
    if not (folder / "done").exists():
        raise DataError(f"{str(folder)!r} holds no finished run; `tuition list` shows the runs.")
    metrics: dict[str, Any] = read_metrics(folder)
    split = "test" if metrics["test"] else "valid"
    figures = metrics[split] or {}
    row: dict[str, Json] = {"run": str(folder), "recipe": metrics["recipe"], "split": split}
    row |= {name: figures.get(name) for name in ("n", "accuracy", "ci95", "unreadable")}
    row["usd"] = metrics["spend"]["usd"]
    if folder == first:
        return {**row, "difference": None, "difference_ci95": None, "p": None}
    found = compare_runs(folder, first)
    return {**row, "difference": found["difference"], "difference_ci95": found["ci95"], "p": found["p"]}


def ask(
    questions: Sequence[str | Sequence[Message]],
    *,
    teacher: Teacher | TeacherConfig | Mapping[str, object],
    store: str | Path = "tuition.db",
    budget: Budget | Mapping[str, object] | float | None = None,
    name: str = "notebook",
    progress: Progress | None = None,
) -> list[Reply]:
    """Ask a teacher through the ledger: what the store has comes free, every other call is reserved and kept.

    Works where an event loop is running already, such as in a notebook.
    """
    if isinstance(teacher, Mapping):
        teacher = parse(TeacherConfig, teacher, where="the teacher's table")
    parameters: dict[str, Json] = {"max_tokens": 512}
    words = OwnWords()
    if isinstance(teacher, TeacherConfig):
        words = OwnWords(system=teacher.system)
        parameters, teacher = teacher.parameters(), make_teacher(teacher)
    limits = {"usd": budget} if isinstance(budget, int | float) else budget or {}
    if not isinstance(limits, Budget):
        limits = parse(Budget, limits, where="the budget")
    requests = [
        Request(
            endpoint=teacher.endpoint,
            model=teacher.model,
            messages=words.around([Message(role="user", content=one)] if isinstance(one, str) else one)[0],
            parameters=parameters,
            teacher=teacher.name,
            role="ask",
            example_id=f"ask-{i}",
        )
        for i, one in enumerate(questions)
    ]
    with Store(Path(store)) as opened:
        account = Account(store=opened, place=Place(run=name), budget=limits, progress=progress)
        return list(ask_all(requests, teacher, account=account).replies)
