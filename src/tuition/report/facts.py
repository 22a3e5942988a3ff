"""What a reader wants first: how good, how sure, for how much, and what next; and what stands behind it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuition.core.errors import StoreError
from tuition.core.records import Record
from tuition.core.rows import read_metrics, read_own_rows
from tuition.core.store import reading
from tuition.report.columns import money
from tuition.report.rows import Row, read_json

__all__ = ["RunFacts", "best_of", "facts_of", "headline", "read_run"]

_PAID = """SELECT ended_at, paid_nano FROM attempts WHERE run = ? AND ended_at IS NOT NULL AND paid_nano > 0
ORDER BY ended_at"""
_USED = """SELECT DISTINCT uses.teacher, attempts.returned_model, attempts.price FROM uses
JOIN attempts ON attempts.key = uses.key AND attempts.state = 'kept' WHERE uses.run = ?"""
_MOST_POINTS = 120
"""Of a line over time; a page needs no more."""
_NANO = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts(Record):
    """A finished run, read."""

    name: str
    path: str
    metrics: dict[str, Any]
    config: dict[str, Any]
    events: list[dict[str, Any]]
    health: dict[str, Any]
    data: dict[str, Any]
    paid: list[tuple[float, float]] = field(default_factory=list)
    """Minutes since its first call, and dollars paid by then; empty where nothing was paid or known."""
    used: list[tuple[str, str, str]] = field(default_factory=list)
    """Teacher, model as it was returned, price; each once."""
    has_store: bool = True

    @property
    def is_teacher(self) -> bool:
        """Whether a teacher was examined."""
        return self.metrics["student"] is None

    @property
    def is_trained(self) -> bool:
        """Whether a student learnt."""
        return bool(self.metrics["student"] and self.metrics["student"].get("is_trained", True))

    @property
    def usd_per_answer(self) -> float | None:
        """Mean price of an answer it used; None: unknown, or it used none."""
        usd = self.metrics["spend"]["usd"]
        n = sum(one.get("answers", 0) for one in self.metrics["spend"]["by_teacher"].values())
        return usd / n if usd is not None and n else None

    @property
    def losses(self) -> dict[str, list[tuple[float, float]]]:
        """By trained model: step and training loss; rounds are laid end to end."""
        found: dict[str, list[tuple[float, float]]] = {}
        for event in self.events:
            if event["event"] == "trained" and event.get("losses"):
                is_round = str(event.get("student", "student")).startswith("rounds/")
                line = found.setdefault("" if is_round else event.get("student", "student"), [])
                begin = line[-1][0] if line else 0
                line += [(begin + step, loss) for step, loss in event["losses"]]
        return {name: _thinned(line) for name, line in found.items()}


def _thinned(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    every = -(-len(line) // _MOST_POINTS) or 1
    return [*line[::every], *line[-1:]] if len(line) > 1 else list(line)


def read_run(name: str, path: Path) -> RunFacts:
    """Read what a finished run keeps, and what its store knows of it, where that is still there."""
    config = tomllib.loads((path / "config.toml").read_text(encoding="utf-8"))
    events = list(read_own_rows(path / "events.jsonl")) if (path / "events.jsonl").exists() else []
    run_id = (path / "run_id").read_text(encoding="utf-8") if (path / "run_id").exists() else ""
    store = Path(config.get("store", ""))
    paid, used, has_store = [], [], store.is_file()
    try:
        if has_store:
            with reading(store) as connection:
                paid = connection.execute(_PAID, (run_id,)).fetchall()
                used = connection.execute(_USED, (run_id,)).fetchall()
    except StoreError:
        has_store = False
    total, line = 0, []
    for moment, nano in paid:
        total += nano
        line.append(((moment - paid[0][0]) / 60, total / _NANO))
    return RunFacts(
        name=name,
        path=str(path),
        metrics=read_metrics(path),
        config=config,
        events=events,
        health=read_json(path / "health.json"),
        data=read_json(path / "data.json"),
        paid=_thinned(line),
        used=[(teacher, model, _price(price)) for teacher, model, price in used],
        has_store=has_store,
    )


def _price(price: str | None) -> str:
    """Say a price as people do."""
    if price is None:
        return "price unknown"
    sides = json.loads(price)
    costs = [f"${sides[side] / _NANO:,.2f}" for side in ("prompt", "completion")]
    return f"{costs[0]} a million tokens of prompt, {costs[1]} of completion"


def headline(rows: Sequence[Row], runs: Mapping[str, RunFacts]) -> list[str]:
    """Say in a few sentences what a manager wants to know; the student is the best one by validation."""
    student, teacher = best_of(rows, runs)
    rest = [row for row in rows if row.recipe in ("rule", "classical")]
    if student is None:
        return [f"{_told(row)}." for row in rows[-1:]] or ["No run here has an examined student."]
    run = runs[student.name]
    others = sum(one.is_trained for one in runs.values()) > 1
    first = (
        f"The student {student.name}{', the best by validation,' if others else ''} answers {_told(student)}"
    )
    if teacher is not None:
        first += f"; the best teacher, {teacher.name}, {_share(teacher)}"
    if rest:
        best = max(rest, key=lambda row: row.accuracy)
        first += f"; the best rule without a network, {best.name}, {_share(best)}"
    return [f"{first}.", *_money(run, runs[teacher.name] if teacher else None), _next(student, teacher, run)]


def best_of(rows: Sequence[Row], runs: Mapping[str, RunFacts]) -> tuple[Row | None, Row | None]:
    """Choose the best student and the best teacher by validation; where there is none, by what there is."""

    def key(row: Row) -> float:
        valid = runs[row.name].metrics["valid"]
        return valid["accuracy"] if valid else row.accuracy

    known = [row for row in rows if row.name in runs]
    students = [row for row in known if runs[row.name].is_trained]
    teachers = [row for row in known if runs[row.name].is_teacher]
    return max(students, key=key, default=None), max(teachers, key=key, default=None)


def _share(row: Row) -> str:
    return f"{100 * row.accuracy:.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}]"


def _told(row: Row) -> str:
    unread = f", {100 * row.unreadable:.1f} % unreadable" if row.unreadable else ""
    graded = "" if row.label_source == "gold" else f", by {row.label_source} labels"
    return f"{_share(row)} of {row.n:,} {row.split} questions rightly{unread}{graded}"


def _money(run: RunFacts, teacher: RunFacts | None) -> Iterator[str]:
    usd, is_play = run.metrics["spend"]["usd"], run.metrics.get("is_simulated")
    each = (teacher or run).usd_per_answer
    if usd is None:
        yield "What its teachers' answers cost is unknown: a price is missing."
    elif usd == 0 and not run.metrics["spend"]["calls"]:
        yield "It learnt from labels alone: no teacher was paid."
    else:
        yield f"The teachers' answers that it learnt from cost {money(usd)}."
    if each:
        who = teacher.name if teacher else "its teachers, in the mean"
        after = "" if not usd else f"; it has paid for itself after {usd / each:,.0f} questions"
        yield f"1,000 questions cost {money(1000 * each)} by {who}, and no paid call here{after}."
    if is_play or (teacher and teacher.metrics.get("is_simulated")):
        yield "The teachers are simulated: programs, whose money is play money."


def _next(student: Row, teacher: Row | None, run: RunFacts) -> str:
    serve = f"Next: put it to use with tuition serve {run.path}."
    if teacher is None:
        return f"Whether a teacher is better was not measured (evaluation.baselines). {serve}"
    if student.high < teacher.low:
        return (
            "Next: it is surely not as good as its teacher. Read below what it gets wrong, and teach it from "
            "more questions or with another recipe, before anybody relies on it."
        )
    return f"It is as good as its teacher, as far as {student.n:,} questions can tell. {serve}"


def facts_of(runs: Mapping[str, RunFacts]) -> list[tuple[str, str]]:
    """Say by name and version who learnt, who taught, on which data, when, and at which prices."""
    students = {
        f"{found['model']} ({found['parameters']:,} parameters)": None
        for run in runs.values()
        if (found := run.metrics["student"])
    }
    models: dict[str, list[str]] = {}
    for run in runs.values():
        simulated = ", simulated" if run.metrics.get("is_simulated") else ""
        for teacher, model, price in run.used:
            models.setdefault(teacher, []).append(f"{model or 'model not told'}{simulated}; {price}")
    named = {
        table["name"]: f"{table.get('model') or table['kind']}; its price is in no store here"
        for run in runs.values()
        for table in run.config.get("teacher", [])
    }
    teachers = {name: " or ".join(dict.fromkeys(models.get(name, [text]))) for name, text in named.items()}
    first = next(iter(runs.values()))
    task = first.config.get("task", {})
    sources = [
        str(task[key]) for key in ("source", "train", "valid", "test") if isinstance(task.get(key), str)
    ]
    counts = {"train": (first.metrics["train"] or {}).get("n")} | {
        split: (first.metrics[split] or {}).get("n") for split in ("valid", "test")
    }
    times = [event["time"] for run in runs.values() for event in run.events if "time" in event]
    days = [datetime.fromtimestamp(moment, UTC).date().isoformat() for moment in sorted(times)]
    versions = {f"{run.metrics['versions'].get('tuition', '')}" for run in runs.values()}
    return [
        ("student", "; ".join(students) or "none: teachers alone were examined"),
        *((f"teacher {name}", text) for name, text in teachers.items()),
        ("data", f"{first.metrics['task']}: {', '.join(sources) or 'source not told'}; "
         + ", ".join(f"{n:,} {split}" for split, n in counts.items() if n)),
        ("date", " to ".join(dict.fromkeys(days[:1] + days[-1:])) or "not kept"),
        ("made by", f"Tuition {', '.join(sorted(versions))}"),
    ]  # fmt: skip
