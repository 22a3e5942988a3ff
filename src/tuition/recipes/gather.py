"""Ask the teachers of a run, look their rationales over, and keep what the student may learn from.

What was gathered once is read back when a run is gone on with: its training stands on exactly that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuition.annotation import CHECKS, Annotated, annotate, caps_of, health_table
from tuition.annotation.config import AnnotationConfig
from tuition.core.errors import BudgetSpent, TeacherError
from tuition.core.protocols import Teacher
from tuition.core.records import Annotation, Json
from tuition.core.rows import read_rows
from tuition.core.run import Run
from tuition.core.store import Place
from tuition.recipes.check import check_student, check_terms
from tuition.recipes.common import Bench
from tuition.recipes.config import Experiment
from tuition.recipes.targets import question_text
from tuition.teachers import make_teacher
from tuition.teachers.config import TeacherConfig

__all__ = ["Gathered", "annotation_of", "gather"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the teachers were asked for."""

    annotations: tuple[Annotation, ...]
    """Those that pass the filters, teacher by teacher, in the order of the examples."""
    health: list[dict[str, Json]]
    """One row a teacher, over all annotations."""
    is_spent: bool
    """Whether the budget ended first."""
    failures: dict[str, Json]
    """Examples left without a reply, counted by teacher and kind."""
    is_simulated: bool
    """Whether a teacher was a program."""


def gather(bench: Bench) -> Gathered:
    """Ask every teacher about every chosen example, and look the answers over.

    Args:
        bench: Its configuration names the teachers; one, two or five are the same loop.

    Returns:
        The annotations that pass the filters; `annotations.jsonl` and `health.json` hold all of them.

    Raises:
        BudgetSpent: The budget allowed not one annotation.
        TeacherError: Not one call of all teachers was answered.
    """
    config, run = bench.config, bench.run
    check_terms(config.teacher)
    before = next((event for event in run.events() if event["event"] == "annotated"), None)
    if before is not None:
        return _read_back(run, before)
    teachers = [make_teacher(table) for table in config.teacher]
    check_student(config, [question_text(example) for example in bench.train])
    found = {
        teacher.name: _ask(bench, table, teacher)
        for table, teacher in zip(config.teacher, teachers, strict=True)
    }
    return _write_down(run, found, is_simulated=any(teacher.abilities.is_simulated for teacher in teachers))


def annotation_of(config: Experiment, table: TeacherConfig, teacher: Teacher) -> AnnotationConfig:
    """Say how one teacher is asked: whether a recording saw the answers is a fact, not a wish.

    Args:
        config: Of the run.
        table: The teacher's.
        teacher: Made of it.

    Returns:
        The run's way of asking, with `forced` as it is for this teacher.
    """
    forced = config.annotation.forced if teacher.abilities.reads_prompt else table.saw_answers
    return config.annotation.model_copy(update={"forced": forced})


def _ask(bench: Bench, table: TeacherConfig, teacher: Teacher) -> Annotated:
    config, run = bench.config, bench.run
    return annotate(
        bench.train,
        teacher,
        train=bench.splits.train,
        task=bench.task,
        store=bench.store,
        place=Place(run=run.id, group=config.budget.scope),
        config=annotation_of(config, table, teacher),
        caps=caps_of(config.budget, run.id),
        budget=config.budget,
        seed=config.seed,
        samples=table.samples,
        parameters=table.parameters(),
        progress=lambda stage, done, total: run.progress(f"{stage} {table.name}", done, total),
    )


def _write_down(run: Run, found: Mapping[str, Annotated], *, is_simulated: bool) -> Gathered:
    """Write what came of the asking; the event is last, and says that all of it is there."""
    kept = [annotation for result in found.values() for annotation in result.annotations]
    dropped = [annotation for result in found.values() for annotation in result.dropped]
    failures = Counter(
        f"{name}: {failure.kind}" for name, result in found.items() for failure in result.failures
    )
    is_spent = any(result.spent for result in found.values())
    if found and not kept and not dropped:
        _refuse(failures, found, is_spent=is_spent)
    missing = {name: len(result.failures) for name, result in found.items()}
    health = [row.to_json() for row in health_table([*kept, *dropped], missing)]
    rows = [{**annotation.to_json(), "is_kept": True} for annotation in kept]
    rows += [{**annotation.to_json(), "is_kept": False} for annotation in dropped]
    run.write_rows("annotations.jsonl", rows)
    run.write_json("health.json", {"teachers": health, "checks": dict(CHECKS)})
    counts: dict[str, Json] = dict(failures)
    run.event(
        "annotated",
        annotations=len(rows),
        kept=len(kept),
        failures=counts,
        is_spent=is_spent,
        is_simulated=is_simulated,
    )
    run.table("rationale health before training, % of replies", _health_shown(health))
    return Gathered(
        annotations=tuple(kept),
        health=health,
        is_spent=is_spent,
        failures=counts,
        is_simulated=is_simulated,
    )


def _refuse(failures: Counter[str], found: Mapping[str, Annotated], *, is_spent: bool) -> None:
    if is_spent:
        raise BudgetSpent("the budget was spent before a single annotation; raise [budget].")
    first = next(failure for result in found.values() for failure in result.failures)
    raise TeacherError(
        f"not one of {failures.total()} calls was answered ({dict(failures)}); the first: {first.message}. "
        "Mend the endpoint or the table of the teacher, then start again: nothing is asked twice."
    )


def _read_back(run: Run, event: Mapping[str, Any]) -> Gathered:
    rows = list(read_rows(run.path / "annotations.jsonl"))
    health = json.loads((run.path / "health.json").read_text(encoding="utf-8"))["teachers"]
    return Gathered(
        annotations=tuple(Annotation.from_json(row) for row in rows if row["is_kept"]),
        health=health,
        is_spent=event["is_spent"],
        failures=event["failures"],
        is_simulated=event["is_simulated"],
    )


def _health_shown(health: Sequence[Mapping[str, Any]]) -> list[dict[str, Json]]:
    """The health table for people: a row a check, a column a teacher."""
    counts: dict[str, Json] = {row["teacher"]: str(row["asked"]) for row in health}
    shares: list[dict[str, Json]] = [
        {
            "check": check,
            **{row["teacher"]: f"{100 * row['shares'][check]:.1f}" for row in health},
            "means": meaning,
        }
        for check, meaning in CHECKS.items()
    ]
    return [
        {"check": "(replies)", **counts, "means": "replies and absent ones; the whole of the shares"},
        *shares,
    ]
