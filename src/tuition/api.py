"""The Python face: what a notebook does with configurations, runs, students and teachers.

The names that `tuition` itself offers are defined here; what they do is done by the rooms below.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuition.annotation import Account, ask_all
from tuition.core.budget import Budget
from tuition.core.config import parse, read_toml
from tuition.core.errors import BudgetSpent, ConfigError, DataError
from tuition.core.protocols import Learner, Progress, Task, Teacher
from tuition.core.records import Example, Json, Message, Prediction, Reply, Request
from tuition.core.rows import read_metrics
from tuition.core.store import Place, Store
from tuition.recipes import RECIPES
from tuition.recipes.check import make_student
from tuition.recipes.compare import compare_runs, compare_with
from tuition.recipes.config import Experiment, resolve, task_of
from tuition.recipes.confirm import objection
from tuition.recipes.distil import answer_prefix
from tuition.recipes.dry_run.plan import Plan, plan_of
from tuition.recipes.examine import ask_student
from tuition.recipes.execute import Finished, baselines, execute_all, reread
from tuition.report import write_card, write_page
from tuition.teachers import TeacherConfig, make_teacher

__all__ = ["Student", "ask", "close_group", "compare", "load_config", "plan", "run"]


def load_config(source: str | Path | Mapping[str, object], *settings: str, trust: bool = False) -> Experiment:
    """Read a configuration, fill in its defaults and check it whole; nothing is asked and nothing written.

    Args:
        source: A TOML file, or its tables as a dictionary.
        *settings: Overrides as on the command line, such as `"training.steps=50"`.
        trust: Whether code that it names may run where no installed package has it.

    Returns:
        The configuration of its recipe, frozen.

    Raises:
        ConfigError: It cannot be used; the text lists every fault found.
    """
    if isinstance(source, Mapping):
        return resolve(source, settings, where="the tables", trust=trust)
    return resolve(read_toml(Path(source)), settings, where=str(source), trust=trust)


def plan(config: Experiment) -> Plan:
    """Say what a run and its baselines would ask, and what that would cost; nothing is spent.

    Args:
        config: From `load_config`.

    Returns:
        Calls, tokens and dollars by teacher and role, what the data check found, and notes.

    Raises:
        TuitionError: What the run itself would end with before its first call.
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
    """Run a configuration with its baselines, or go on with it; a finished run is read and costs nothing.

    Args:
        config: From `load_config`.
        progress: Told `(stage, done, total)` while it goes on.
        confirmed: Whether a cost above `budget.confirm_above_usd`, or one that nobody knows, may be paid; as
            `--yes` on the command line.
        jobs: Runs at once where there are baselines; above 1 each has a process of its own, so that a script
            needs `if __name__ == "__main__":`.

    Returns:
        The finished run: `.path` is its folder, `.metrics` what its `metrics.json` holds.

    Raises:
        ConfigError: The cost needs to be confirmed; nothing was spent.
        BudgetSpent: The budget left nothing for a baseline, or the run itself could not be finished.
    """
    out = Path(config.out)
    if (
        not confirmed
        and not (out / "done").exists()
        and (found := objection([plan_of(config)], config.budget))
    ):
        raise ConfigError(f"{found[0]}; nothing was spent. Say run(config, confirmed=True), or {found[1]}.")
    configs = {out.name: config, **baselines(config)}
    finished = execute_all(configs, jobs=jobs, listener=_Told(progress))
    close_group(out, finished)
    if missing := [name for name in configs if name not in finished]:
        raise BudgetSpent(
            f"the budget left nothing for {', '.join(missing)}; raise [budget] and run it again."
        )
    return finished[out.name]


def close_group(out: Path, finished: Mapping[str, Finished]) -> None:
    """Write the cards of runs and the page above them, where a run is new.

    A run that was killed between its end and its card gets the card now.

    Args:
        out: The main run's folder, or the one that holds them all.
        finished: By name, the main run first.
    """
    for one in finished.values():
        if one.metrics["student"] is not None and (one.is_new or not (one.path / "MODEL_CARD.md").exists()):
            write_card(one.path)
    if any(one.is_new for one in finished.values()) or not (out / "report.html").exists():
        folders = {name: one.path for name, one in finished.items()}
        comparisons = compare_with(folders, reference="label_only")
        (out / "comparisons.json").write_text(json.dumps(comparisons, indent=2) + "\n", encoding="utf-8")
        write_page(out, RECIPES)


def compare(folders: Sequence[str | Path]) -> list[dict[str, Json]]:
    """Lay finished runs side by side, each compared with the first on the same items.

    Args:
        folders: Run folders, the reference first.

    Returns:
        A row a run: `run`, `recipe`, `split`, `n`, `accuracy` and its `ci95` (shares), `unreadable`, `usd`;
        from the second on `difference`, `difference_ci95` and `p` (McNemar) against the first.

    Raises:
        DataError: A folder holds no finished run, or the runs were examined on other items or labels.
    """
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

    Args:
        questions: A text each, or a conversation of messages.
        teacher: A table as in `[[teacher]]`, or what fits `core.protocols.Teacher`.
        store: The file of replies and payments.
        budget: Limits on what all calls of this `name` pay into this store, as in `[budget]`, or dollars
            alone; None: no limit.
        name: Under which the store counts these calls.
        progress: Told `(stage, done, total)` after every answer.

    Returns:
        One reply a question, in order; where a call failed or was beyond the budget, `failure` says why.

    Raises:
        ConfigError: The table or the budget cannot be used.
        TeacherError: The price is unknown under a limit in dollars, or the endpoint does not accept the key.
    """
    if isinstance(teacher, Mapping):
        teacher = parse(TeacherConfig, teacher, where="the teacher's table")
    parameters: dict[str, Json] = {"max_tokens": 512}
    if isinstance(teacher, TeacherConfig):
        parameters, teacher = teacher.parameters(), make_teacher(teacher)
    limits = {"usd": budget} if isinstance(budget, int | float) else budget or {}
    if not isinstance(limits, Budget):
        limits = parse(Budget, limits, where="the budget")
    requests = [
        Request(
            endpoint=teacher.endpoint,
            model=teacher.model,
            messages=(Message(role="user", content=one),) if isinstance(one, str) else tuple(one),
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


class Student:
    """A student that a run has trained and saved; it answers in the form it was taught."""

    def __init__(self, learner: Learner, config: Experiment, task: Task) -> None:
        """Take a student; `load` does it from a folder.

        Args:
            learner: Who answers.
            config: Of the run that trained it: the instruction, and how answers are written.
            task: Reads its answers.
        """
        self.learner = learner
        self.config = config
        self._answer = ask_student(learner, config, task, prefix=answer_prefix(config))

    @classmethod
    def load(cls, folder: str | Path, *, trust: bool = False) -> Student:
        """Load the student of a run.

        Args:
            folder: The run folder, or `student` within it.
            trust: As of `load_config`.

        Returns:
            Ready to answer.

        Raises:
            DataError: There is no saved student, or nothing says how it was taught.
            ConfigError: It cannot be loaded.
        """
        place = Path(folder)
        place = place if (place / "config.json").exists() else place / "student"
        if not (place / "config.json").exists():
            raise DataError(
                f"{str(folder)!r} holds no saved student; name a run folder, or the `student` in it."
            )
        if not (place.parent / "config.toml").exists():
            raise DataError(
                f"{str(place)!r} does not lie in its run folder, whose config.toml says in which form it was "
                "taught to answer. Load it where the run left it."
            )
        config = reread(place.parent, trust=trust)
        saved = config.student.model_copy(update={"model": str(place), "update": "full"})
        return cls(make_student(saved, config.training), config, task_of(config))

    def answer(self, question: str, choices: Sequence[str] = (), *, context: str = "") -> Prediction:
        """Answer one question.

        Args:
            question: As it would stand in the task's data.
            choices: The options, in order; none for an open question.
            context: What the question is about.

        Returns:
            `.answer` in the form of labels, such as an option's text, None where it cannot be read; `.text`
            is all that the student wrote.

        Raises:
            DataError: The student scores options, and there are none.
        """
        scores = self.config.evaluation.scoring == "options" or not self.learner.abilities.generates
        if scores and len(choices) < 2:
            raise DataError(
                f"this student scores options and writes no answer; {len(choices)} choices were given, give "
                "two or more."
            )
        example = Example(id="asked", question=question, choices=tuple(choices), context=context)
        return self._answer([example])[0]
