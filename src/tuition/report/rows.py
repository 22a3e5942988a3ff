"""Read run folders and give the rows of a table. Knows the files of a run, and no recipe's inside."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuition.core.errors import DataError
from tuition.core.records import Record
from tuition.core.rows import read_metrics

__all__ = ["Row", "graded_by", "money", "read_json", "rows_of", "run_folders"]

_ORDER = {
    "rule": 0,
    "without_question": 1,
    "zero_shot": 2,
    "label_only": 3,
    "step_by_step": 4,
    "tinyllm": 5,
    "ask_teacher": 9,
}
"""Where a recipe's rows stand; an unknown recipe stands among the students."""

_RULES = {
    "longest_option": "; no answer where there are no options",
    "frequent_position": "; no answer where there are no options",
}
"""What a reader must know of a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Record):
    """One line of a result table. Accuracies are shares in [0, 1]."""

    name: str
    recipe: str
    """The recipe, or `rule` for a rule that needs no question."""
    split: str
    """test, or valid where the task has no test."""
    n: int
    accuracy: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    unreadable: float
    """Share of answers that could not be read."""
    label_source: str = "gold"
    """By whose labels it is graded: gold, teacher:NAME, majority, weighted, human, or several with a +."""
    reader: str = ""
    """Who read and graded the answers: the task's kind, and the version of its reader."""
    usd: float | None
    """Cost of every answer it used, as if bought alone; None: unknown."""
    paid_usd: float | None
    """What it newly paid; None: at an unknown price."""
    difference: float | None = None
    """Accuracy less the reference run's, on the same items; None: not compared."""
    difference_low: float | None = None
    """Lower end of its 95 % interval."""
    difference_high: float | None = None
    remark: str = ""


def money(usd: float | None) -> str:
    """Write dollars for people.

    Args:
        usd: None: unknown, and never shown as 0.

    Returns:
        Such as `$0.0125`.
    """
    return "unknown" if usd is None else f"${usd:.4f}"


def graded_by(metrics: dict[str, Any], split: str) -> str:
    """Say by whose labels a figure is graded.

    Args:
        metrics: Of a run.
        split: Whose figure is meant; the run has one.

    Returns:
        Such as `weighted labels of ada, bela, chen, not gold`; empty where all labels are gold.
    """
    sources = metrics[split].get("label_source", "gold").split("+")
    others = [source for source in sources if source != "gold"]
    panel = ", ".join((metrics.get("labels") or {}).get("panel", []))
    words = [
        f"{source} labels of {panel}" if source in ("majority", "weighted") else f"labels of {source}"
        for source in others
    ]
    told = ", ".join(word.replace("labels of human", "human labels") for word in words)
    return told and told + (", else gold" if "gold" in sources else ", not gold")


def run_folders(folder: Path) -> dict[str, Path]:
    """Find the finished runs in a folder: itself, and those directly within it.

    Args:
        folder: A run folder, or one that holds some.

    Returns:
        Folders by name.

    Raises:
        DataError: There is no finished run.
    """
    candidates = (
        [folder, *sorted(child for child in folder.iterdir() if child.is_dir())] if folder.is_dir() else []
    )
    found = {path.resolve().name: path for path in candidates if (path / "done").exists()}
    if not found:
        raise DataError(
            f"{str(folder)!r} holds no finished run; `tuition list` shows the runs, "
            "`tuition resume` goes on with one."
        )
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file a run wrote.

    Args:
        path: The file.

    Returns:
        Its content; empty where there is no such file.
    """
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def rows_of(folder: Path) -> list[Row]:
    """Make the result table of a run and what stands beside it.

    Args:
        folder: A run folder, or one that holds some; `comparisons.json` in it adds the paired differences.

    Returns:
        Rules that need no question first, then the students, then the teachers.
    """
    runs = {name: read_metrics(path) for name, path in run_folders(folder).items()}
    differences = read_json(folder / "comparisons.json")
    # A teacher may have answered nothing on test; that must not take the students' result away.
    students = [metrics for metrics in runs.values() if metrics["student"]] or list(runs.values())
    split = "test" if all(metrics["test"] for metrics in students) else "valid"
    rows = [
        _row(name, metrics, split=split, difference=differences.get(name, {}))
        for name, metrics in runs.items()
        if metrics[split]
    ]
    rows.sort(key=lambda row: (_ORDER.get(row.recipe, 6), row.name))
    return _rules(runs, split) + _mark_best_single(rows, runs)


def _row(name: str, metrics: dict[str, Any], *, split: str, difference: dict[str, Any]) -> Row:
    figures, spend = metrics[split], metrics["spend"]
    return Row(
        name=name,
        recipe=metrics["recipe"],
        split=split,
        n=figures["n"],
        accuracy=figures["accuracy"],
        low=figures["ci95"][0],
        high=figures["ci95"][1],
        unreadable=figures["unreadable"],
        label_source=figures.get("label_source", "gold"),
        reader=figures["reader"],
        usd=spend["usd"],
        paid_usd=spend["paid_usd"],
        difference=difference.get("difference"),
        difference_low=(difference.get("ci95") or [None, None])[0],
        difference_high=(difference.get("ci95") or [None, None])[1],
        remark="; ".join([*_label_remarks(metrics, split), *_remarks(metrics, difference)]),
    )


def _label_remarks(metrics: dict[str, Any], split: str) -> list[str]:
    """What a reader must know of the labels a row is graded by and has learnt from."""
    remarks = []
    labels = metrics.get("labels") or {}
    if told := graded_by(metrics, split):
        remarks.append(f"graded by {told}")
        left_out = labels.get("splits", {}).get(split, {}).get("unanswered", 0)
        if left_out:
            remarks.append(f"{left_out} questions left out, nobody could label them")
        if metrics["student"] is None and set(metrics.get("teachers", [])) & set(labels.get("panel", [])):
            remarks.append("is one of its own judges")
    sources = metrics["train"].get("label_source", {})
    learnt = [source for source in sources if source not in ("gold", "none")]
    if learnt and (metrics["student"] or {}).get("is_trained"):
        remarks.append(f"learnt from {' and '.join(learnt)} labels")
    return remarks


def _remarks(metrics: dict[str, Any], difference: dict[str, Any]) -> list[str]:
    remarks = []
    remarks += [difference[kind] for kind in ("refused", "warning") if difference.get(kind)]
    if len(metrics.get("readers", ())) > 1:
        remarks.append(f"read by {', then by '.join(metrics['readers'])}")
    if metrics.get("is_simulated") or (metrics.get("labels") or {}).get("is_simulated"):
        remarks.append(
            "simulated: a program" if metrics["student"] is None else "simulated teachers and money"
        )
    if metrics.get("saw_answers"):
        remarks.append("recorded with the gold answer in the prompt")
    if metrics["recipe"] == "without_question":
        remarks.append("needs no question")
    if (
        metrics["student"]
        and metrics["recipe"] != "zero_shot"
        and not metrics["student"].get("is_trained", True)
    ):
        remarks.append("not trained")
    if metrics.get("answer_by", metrics.get("rationale_as")) == "chain":
        remarks.append("explains, then answers")
    if metrics.get("failures"):
        kinds = ", ".join(f"{n} {kind}" for kind, n in metrics["failures"].items())
        remarks.append(f"without a reply: {kinds}")
    if metrics["stopped_by"] == "budget":
        remarks.append("the budget ended first")
    if metrics["spend"]["unknown"]:
        remarks.append(f"{metrics['spend']['unknown']} calls of unknown outcome")
    return remarks


def _rules(runs: dict[str, dict[str, Any]], split: str) -> list[Row]:
    shown = next((metrics[split] for metrics in runs.values() if metrics[split]), {})
    return [
        Row(
            name=rule.replace("_", " "),
            recipe="rule",
            split=split,
            n=figures["n"],
            accuracy=figures["accuracy"],
            low=figures["ci95"][0],
            high=figures["ci95"][1],
            unreadable=figures["unreadable"],
            label_source=shown.get("label_source", "gold"),
            reader=shown["reader"],
            usd=0.0,
            paid_usd=0.0,
            remark="needs no question" + _RULES.get(rule, ""),
        )
        for rule, figures in shown.get("blind", {}).items()
    ]


def _mark_best_single(rows: list[Row], runs: dict[str, dict[str, Any]]) -> list[Row]:
    """Say which one-teacher student came out best on validation, as a remark."""
    single = [row.name for row in rows if row.recipe == "step_by_step" and runs[row.name]["valid"]]
    if len(single) < 2:
        return rows
    best = max(single, key=lambda name: runs[name]["valid"]["accuracy"])
    mark = "best single teacher by validation"
    return [
        replace(row, remark="; ".join(part for part in (row.remark, mark) if part))
        if row.name == best
        else row
        for row in rows
    ]
