"""Read run folders and give the rows of a table. Knows the files of a run, and no recipe's inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tuition.core.errors import DataError
from tuition.core.records import Record
from tuition.core.rows import read_metrics

__all__ = ["Row", "Standing", "graded_by", "money", "read_json", "rows_of", "run_folders"]

_UNKNOWN = 60
"""Where the rows of a recipe stand that is not installed: among the students."""

_RULES = {
    "longest_option": "; no answer where there are no options",
    "frequent_position": "; no answer where there are no options",
}
"""What a reader must know of a rule."""


class Standing(Protocol):
    """What a table asks of a recipe; a recipe declares it."""

    @property
    def order(self) -> int:
        """Rows stand by rising order, then by name."""
        ...

    @property
    def remark(self) -> str:
        """Stands beside each of its rows."""
        ...

    @property
    def learns(self) -> bool:
        """Whether its student is to be trained."""
        ...

    @property
    def best_of(self) -> str:
        """Of several of its rows the best on validation is marked so; empty: none is."""
        ...


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


def rows_of(folder: Path, recipes: Mapping[str, Standing]) -> list[Row]:
    """Make the result table of a run and what stands beside it.

    Args:
        folder: A run folder, or one that holds some; `comparisons.json` in it adds the paired differences.
        recipes: By name, such as `tuition.recipes.RECIPES`.

    Returns:
        Rules that need no question first, then the rows in the order of their recipes.
    """
    runs = {name: read_metrics(path) for name, path in run_folders(folder).items()}
    differences = read_json(folder / "comparisons.json")
    # A teacher may have answered nothing on test; that must not take the students' result away.
    students = [metrics for metrics in runs.values() if metrics["student"]] or list(runs.values())
    split = "test" if all(metrics["test"] for metrics in students) else "valid"
    known = {name: recipes.get(name) for name in {metrics["recipe"] for metrics in runs.values()}}
    rows = [
        _row(
            name, metrics, split=split, difference=differences.get(name, {}), recipe=known[metrics["recipe"]]
        )
        for name, metrics in runs.items()
        if metrics[split]
    ]
    orders = {name: _UNKNOWN if recipe is None else recipe.order for name, recipe in known.items()}
    rows.sort(key=lambda row: (orders[row.recipe], row.name))
    best = {name: mark for recipe in known.items() for name, mark in _best(rows, runs, recipe)}
    marked = (replace(row, remark="; ".join(filter(None, (row.remark, best.get(row.name))))) for row in rows)
    return [*_rules(runs, split), *marked]


def _row(
    name: str, metrics: dict[str, Any], *, split: str, difference: dict[str, Any], recipe: Standing | None
) -> Row:
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
        remark="; ".join([*_label_remarks(metrics, split), *_remarks(metrics, difference, recipe)]),
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


def _remarks(metrics: dict[str, Any], difference: dict[str, Any], recipe: Standing | None) -> list[str]:
    remarks = [difference[kind] for kind in ("refused", "warning") if difference.get(kind)]
    if len(metrics.get("readers", ())) > 1:
        remarks.append(f"read by {', then by '.join(metrics['readers'])}")
    if metrics.get("is_simulated") or (metrics.get("labels") or {}).get("is_simulated"):
        remarks.append(
            "simulated: a program" if metrics["student"] is None else "simulated teachers and money"
        )
    if metrics.get("saw_answers"):
        remarks.append("recorded with the gold answer in the prompt")
    if recipe and recipe.remark:
        remarks.append(recipe.remark)
    is_to_learn = recipe is None or recipe.learns
    if is_to_learn and metrics["student"] and not metrics["student"].get("is_trained", True):
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


def _best(
    rows: list[Row], runs: dict[str, dict[str, Any]], recipe: tuple[str, Standing | None]
) -> list[tuple[str, str]]:
    """The row of a recipe that did best on validation, where there are several, and how it is marked."""
    name, standing = recipe
    own = [row.name for row in rows if row.recipe == name and runs[row.name]["valid"]]
    if standing is None or not standing.best_of or len(own) < 2:
        return []
    best = max(own, key=lambda row: runs[row]["valid"]["accuracy"])
    return [(best, f"best {standing.best_of} by validation")]
