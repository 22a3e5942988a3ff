"""The charts and tables of a page, by name; a run that lacks something has no part in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tuition.report.chart import Look, Spec, bars, both_widths, looks_of, series, whiskers
from tuition.report.columns import (
    CALIBRATION,
    ESTIMATES,
    MADE,
    PARTS,
    RESULTS,
    ROUNDS,
    STEPWISE,
    VERIFIED,
    lay_out,
    parts_of,
)
from tuition.report.curve import Line, curves, lines_of
from tuition.report.facts import RunFacts
from tuition.report.rows import Row, read_json

__all__ = ["agreement_chart", "charts_of", "figures_of", "health_of", "looks_of_rows", "tables_of"]

_AUROC = "AUROC; 0.5 is chance"
_GROUPS = {"rule": "rules", "classical": "without a network", "votes": "students, by a majority of samples"}
_MOST_HEADS = 20
"""Columns that a page of paper holds; where there are more, a table says in words what was confused."""

Runs = Mapping[str, RunFacts]
"""By name."""


def figures_of(run: RunFacts) -> Mapping[str, Any]:
    """Figures of the split that was examined last."""
    return run.metrics["test"] or run.metrics["valid"] or {}


def looks_of_rows(rows: Sequence[Row], runs: Runs) -> dict[str, Look]:
    """Give one look a row, in every chart; a teacher looks like the row in which it was examined."""
    examined = {
        teachers[0]: name
        for name, run in runs.items()
        if run.is_teacher and len(teachers := run.metrics.get("teachers", ())) == 1
    }
    paid = dict.fromkeys(name for run in runs.values() for name in run.metrics["spend"]["by_teacher"])
    # Where the colours end, marks tell the rows apart: rather those that learnt nothing.
    taught_first = sorted(runs, key=lambda name: not (runs[name].is_trained or runs[name].is_teacher))
    loud = [*taught_first, *(name for name in paid if name not in examined)]
    looks = looks_of(loud, quiet=[row.name for row in rows if row.recipe in _GROUPS])
    return {teacher: looks[name] for teacher, name in examined.items()} | looks


def charts_of(rows: Sequence[Row], runs: Runs, looks: Mapping[str, Look]) -> dict[str, str]:
    """Draw what there is to draw."""
    paid = {name: run.paid for name, run in runs.items() if run.paid}
    losses = {name: line for name, run in runs.items() if (line := run.losses)}
    bills = [
        {"y": name, "name": teacher, "usd": one["usd"]}
        for name, run in runs.items()
        for teacher, one in run.metrics["spend"]["by_teacher"].items()
        if one.get("usd")
    ]
    scores = [
        _dot(one["score"], one["auroc"], one["auroc_ci95"], told=f"AUROC {one['auroc']:.2f}", group=name)
        | {"look": name}
        for name, run in runs.items()
        for one in run.metrics.get("calibration") or []
        if one.get("auroc_ci95") and one.get("of", "answers") == "answers"
    ]
    times = ("minutes since the first call", "paid so far, US dollars")
    specs: dict[str, Spec | None] = {
        "every row with its interval": _rows_chart(rows, runs, looks),
        "accuracy against money": _money_chart(rows, runs, looks),
        "money by teacher": bars(bills, looks=looks, title="cost of the answers used, US dollars"),
        "money over time": series(paid, looks=looks, titles=times, is_money=True),
        "training loss": series(losses, looks=looks, titles=("training step", "training loss")),
        "uncertainty against being wrong": whiskers(scores, looks=looks, title=_AUROC, most=1.0),
    }
    return {name: both_widths(spec, name=name) for name, spec in specs.items()}


def _dot(name: str, share: float, ends: Sequence[float], *, told: str, group: str = "") -> dict[str, Any]:
    dot = {"group": group, "name": name, "value": share, "low": ends[0], "high": ends[1]}
    return {**dot, "told": f"{name}: {told}, 95 % interval {ends[0]:.3g} to {ends[1]:.3g}"}


def _rows_chart(rows: Sequence[Row], runs: Runs, looks: Mapping[str, Look]) -> Spec | None:
    dots = []
    for row in rows:
        group = _GROUPS.get(row.recipe) or ("teachers" if runs[row.name].is_teacher else "students")
        told = f"{100 * row.accuracy:.1f} % right on {row.split}, {100 * row.unreadable:.1f} % unreadable"
        ends = (100 * row.low, 100 * row.high)
        dots.append(_dot(row.name, 100 * row.accuracy, ends, told=told, group=group))
    return whiskers(dots, looks=looks, title=f"right on {rows[0].split if rows else ''}, %")


def _money_chart(rows: Sequence[Row], runs: Runs, looks: Mapping[str, Look]) -> Spec | None:
    """Accuracy against money, on validation where a run has rounds; teachers are lines across."""
    lines, split = lines_of({name: run.metrics for name, run in runs.items()}), "valid"
    if not lines:
        split = rows[0].split if rows else split
        lines = [
            Line(name=row.name, usd=(row.usd,), accuracy=(row.accuracy,), low=(row.low,), high=(row.high,))
            for row in rows
            if row.usd is not None and row.name in runs and not runs[row.name].is_teacher
        ]
    teachers = []
    for name, run in runs.items():
        if run.is_teacher and run.metrics[split]:
            share = 100 * run.metrics[split]["accuracy"]
            teachers.append(
                {"name": name, "across": share, "told": f"{name}: {share:.1f} % right on {split}"}
            )
    return curves(lines, looks=looks, split=split, teachers=teachers) if lines else None


def agreement_chart(
    pairs: Iterable[tuple[str, int, int]], interval: Callable[[int, int], tuple[float, float]]
) -> str:
    """Draw how often teachers agree: pairs by name, answers alike, answers in all."""
    dots = [
        _dot(name, 100 * n / of, [100 * end for end in interval(n, of)], told=f"{n} of {of} answers alike")
        for name, n, of in pairs
    ]
    return both_widths(whiskers(dots, looks={}, title="answers alike, %"), name="agreement of teachers")


def health_of(runs: Runs, remedy: Callable[[Mapping[str, Any]], str]) -> list[dict[str, Any]]:
    """List the health of each teacher once: several runs may share its rationales."""
    found: dict[str, dict[str, Any]] = {}
    for name, run in runs.items():
        for row in (row for row in read_json(run.path / "health.json").get("teachers", []) if row["asked"]):
            shares = sorted((share, check) for check, share in row["shares"].items() if share >= 0.005)
            faults = [f"{check} {100 * share:.1f}" for share, check in reversed(shares)]
            shown = {"teacher": row["teacher"], "what to do": remedy(row), "replies": row["asked"]}
            shown["faults, %"] = ", ".join(faults)
            found.setdefault(repr(shown), {**shown, "in": []})["in"].append(name)
    return [{**row, "in": ", ".join(row["in"])} for row in found.values()]


def _matrix_of(figures: Mapping[str, Any]) -> tuple[list[str], dict[str, dict[str, int]]] | None:
    """Count what was said for each label, or how each field was graded; "" is unreadable."""
    labels = figures.get("by_label") or {}
    rows = {name: {name: part["right"], **part["confused"]} for name, part in labels.items() if part["n"]}
    for name, part in (figures.get("by_field") or {}).items():
        unread = round(part["n"] * part["unreadable"])
        rows[name] = {"right": part["right"], "wrong": part["n"] - part["right"] - unread, "": unread}
    heads = [
        one for one in (*(labels or ("right", "wrong")), "") if any(row.get(one) for row in rows.values())
    ]
    return (heads, rows) if 0 < len(heads) <= _MOST_HEADS else None


def tables_of(rows: Sequence[Row], runs: Runs) -> dict[str, Any]:
    """Lay out what is a table: one of all runs, or by run where each has its own."""

    def by_run(
        rows_of: Callable[[RunFacts], Any], columns: Any, *, has_others: bool = False
    ) -> dict[str, Any]:
        found = {
            name: lay_out(rows_of(run) or [], columns, has_others=has_others) for name, run in runs.items()
        }
        return {name: table for name, table in found.items() if table.rows}

    matrices = {name: found for name, run in runs.items() if (found := _matrix_of(figures_of(run)))}
    parts = {
        name: lay_out(found, PARTS, without={"instead"} if name in matrices else ())
        for name, run in runs.items()
        if (found := parts_of(figures_of(run)))
    }
    made = [
        {
            **run.metrics,
            **run.metrics["spend"],
            **{"run": name, "examples": run.metrics["train"]["n"], "code": run.metrics["versions"]["code"]},
            "parameters": (run.metrics["student"] or {}).get("parameters"),
        }
        for name, run in runs.items()
    ]
    is_one_reader = len({row.reader for row in rows}) == 1
    return {
        "results": lay_out(
            [row.to_json() for row in rows], RESULTS, without={"split", "reader"} if is_one_reader else ()
        ),
        "parts": parts,
        "matrices": matrices,
        "macro_f1": {name: figures_of(run).get("macro_f1") for name, run in runs.items()},
        "rounds": by_run(lambda run: run.metrics.get("rounds"), ROUNDS, has_others=True),
        "calibration": by_run(lambda run: run.metrics.get("calibration"), CALIBRATION, has_others=True),
        "estimates": by_run(lambda run: run.metrics.get("estimates"), ESTIMATES),
        "stepwise": by_run(lambda run: read_json(run.path / "stepwise.json").get("rows"), STEPWISE),
        "verified": by_run(
            lambda run: read_json(run.path / "errors" / "errors.json").get("verified"), VERIFIED
        ),
        "stops": {name: stop for name, run in runs.items() if (stop := run.metrics.get("stop"))},
        "roles": [
            {"run": name, "role": role, "answers": one.get("answers"), "usd": one.get("usd")}
            for name, run in runs.items()
            for role, one in run.metrics["spend"]["by_role"].items()
        ],
        "made": lay_out(made, MADE),
    }
