"""What a reader wants first: how good, how sure, for how much, and what next; and what stands behind it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

from tuition.core.config import read_toml
from tuition.core.errors import StoreError
from tuition.core.rows import read_metrics, read_own_rows
from tuition.core.store import reading
from tuition.report.columns import money
from tuition.report.rows import Row

__all__ = ["RunFacts", "best_of", "facts_of", "headline", "read_run"]

_PAID = """SELECT ended_at, paid_nano FROM attempts WHERE run = ? AND ended_at IS NOT NULL AND paid_nano > 0
ORDER BY ended_at"""
_USED = """SELECT DISTINCT uses.teacher, attempts.returned_model, attempts.price FROM uses
JOIN attempts ON attempts.key = uses.key AND attempts.state = 'kept' WHERE uses.run = ?"""
_MOST_POINTS = 120
"""Of a line over time; a page needs no more."""
_NANO = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A finished run, read."""

    name: str
    path: Path
    metrics: dict[str, Any]
    config: dict[str, Any]
    events: list[dict[str, Any]]
    paid: list[tuple[float, float]]
    """Minutes since its first call, and dollars paid by then; empty where nothing was paid or known."""
    used: list[tuple[str, str, str | None]]
    """Teacher, model as it was returned, price; each once."""

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
        usd, by_teacher = self.metrics["spend"]["usd"], self.metrics["spend"]["by_teacher"]
        n = sum(one.get("answers", 0) for one in by_teacher.values())
        return usd / n if usd is not None and n else None

    @property
    def losses(self) -> list[tuple[float, float]]:
        """Step and training loss of its student; rounds are laid end to end."""
        line: list[tuple[float, float]] = []
        for event in self.events:
            name = event.get("student", "student")
            if event["event"] == "trained" and (name == "student" or name.startswith("rounds/")):
                begin = line[-1][0] if line else 0
                line += [(begin + step, loss) for step, loss in event.get("losses", ())]
        return _thinned(line)


def _thinned(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [*line[:: -(-len(line) // _MOST_POINTS)], line[-1]] if line else []


def read_run(name: str, path: Path) -> RunFacts:
    """Read what a finished run keeps, and what its store knows of it, where that is still there."""
    config: dict[str, Any] = read_toml(path / "config.toml")
    events, store = path / "events.jsonl", Path(str(config.get("store", "")))
    paid, used = [], []
    with contextlib.suppress(StoreError):
        if store.is_file() and (path / "run_id").exists():
            run_id = (path / "run_id").read_text(encoding="utf-8")
            with reading(store) as connection:
                paid = connection.execute(_PAID, (run_id,)).fetchall()
                used = [tuple(row) for row in connection.execute(_USED, (run_id,))]
    sums = accumulate(nano / _NANO for _, nano in paid)
    return RunFacts(
        name=name,
        path=path,
        metrics=read_metrics(path),
        config=config,
        events=list(read_own_rows(events)) if events.exists() else [],
        paid=_thinned([((row[0] - paid[0][0]) / 60, usd) for row, usd in zip(paid, sums, strict=True)]),
        used=used,
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
    is_chosen = sum(one.is_trained and bool(one.metrics["valid"]) for one in runs.values()) > 1
    which = f"{student.name}, the best by validation," if is_chosen else student.name
    first = f"The student {which} answers {_told(student)}"
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
    metrics = [run.metrics for run in runs.values()]
    students = (one["student"] for one in metrics if one["student"])
    told = dict.fromkeys(f"{one['model']} ({one['parameters']:,} parameters)" for one in students)
    models: dict[str, dict[str, None]] = {}
    for run in runs.values():
        simulated = ", simulated" if run.metrics.get("is_simulated") else ""
        for table in run.config.get("teacher", []):
            models.setdefault(table["name"], {})
        for teacher, model, price in run.used:
            models.setdefault(teacher, {})[f"{model or 'model not told'}{simulated}; {_price(price)}"] = None
    first = next(iter(runs.values()))
    task = first.config.get("task", {})
    sources = [task[key] for key in ("source", "train", "valid", "test") if isinstance(task.get(key), str)]
    sizes = (f"{one['n']:,} {name}" for name in ("train", "valid", "test") if (one := metrics[0][name]))
    times = sorted(event["time"] for run in runs.values() for event in run.events if "time" in event)
    days = [datetime.fromtimestamp(moment, UTC).date().isoformat() for moment in (*times[:1], *times[-1:])]
    unknown = "neither model nor price stand in a store here"
    return [
        ("student", "; ".join(told) or "none: teachers alone were examined"),
        *((f"teacher {name}", " or ".join(found) or unknown) for name, found in models.items()),
        ("data", f"{metrics[0]['task']}: {', '.join(sources) or 'source not told'}; {', '.join(sizes)}"),
        ("date", " to ".join(dict.fromkeys(days)) or "not kept"),
        ("made by", f"Tuition {', '.join(sorted({one['versions'].get('tuition', '') for one in metrics}))}"),
    ]
