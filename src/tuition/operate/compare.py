"""Compare runs on the same items: two of them, or a recipe and the same run without one part at a time.

Which parts there are, each recipe says in its own file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuition.core.errors import ConfigError, DataError, some_of
from tuition.core.records import Grade, Json
from tuition.core.rows import read_metrics, read_rows
from tuition.evaluation.compare import compare
from tuition.experiment.config import Experiment, beside, folder_name
from tuition.experiment.recipe import Apart, Recipe, Variant
from tuition.operate.execute import Finished, within_one_budget
from tuition.recipes import RECIPES

__all__ = [
    "ablation_rows",
    "ablation_table",
    "ablations",
    "compare_runs",
    "compare_with",
    "graded_rows",
    "left_out",
    "new_calls",
]

_Rows = Sequence[dict[str, Any]]


def compare_runs(left: Path, right: Path) -> dict[str, Json]:
    """Say how much better the left run is, item by item, and who read the answers of each.

    Where two readers graded, there is a `warning`. Raises a DataError where the items are not the same ones,
    or have other labels: an answer may be right by one label and wrong by the other.
    """
    (left_split, left_rows), (right_split, right_rows) = graded_rows(left), graded_rows(right)
    if left_split != right_split:
        raise DataError(
            f"{str(left)!r} has answers on {left_split}, {str(right)!r} on {right_split}; nothing to compare"
        )
    labels = {_question(row): row["label"] for row in left_rows}
    other = [
        str(row["example_id"])
        for row in right_rows
        if labels.get(_question(row), row["label"]) != row["label"]
    ]
    if other:
        raise DataError(
            f"{str(left)!r} is graded by {_sources(left_rows)} labels and {str(right)!r} by "
            f"{_sources(right_rows)}, and on {len(other)} of {len(right_rows)} items they differ "
            f"({some_of(other)}); run both with the same [labels]."
        )
    found = compare(_grades(left_rows), _grades(right_rows), seed=0)
    figures = (read_metrics(folder).get(left_split) or {} for folder in (left, right))
    own, theirs = (figure.get("reader") or "an unknown reader" for figure in figures)
    warning = f"graded by {own} against {theirs}: the difference holds that of the readings too"
    return {
        "left": str(left),
        "right": str(right),
        "split": left_split,
        "labels": _sources(left_rows),
        "readers": [own, theirs],
        **({"warning": warning} if own != theirs else {}),
        **found.to_json(),
        "ci95": [found.low, found.high],
    }


def compare_with(folders: dict[str, Path], *, reference: str) -> dict[str, Json]:
    """Compare every run of a group with one of them; empty where the group has no such run.

    A run without answers on the reference's split has no comparison. Where the labels are a panel's and two
    runs got different ones, since a call failed in one of them, the entry is `refused` with the reason: a
    table is not lost for one comparison.
    """
    found: dict[str, Json] = {}
    if reference not in folders:
        return found
    base = folders[reference]
    for name, folder in folders.items():
        if name == reference or graded_rows(folder)[0] != graded_rows(base)[0]:
            continue
        try:
            found[name] = compare_runs(folder, base)
        except DataError as error:
            if {_sources(graded_rows(one)[1]) for one in (folder, base)} <= {"gold", ""}:
                raise
            found[name] = {"refused": f"not compared: {error}"}
    return found


def graded_rows(folder: Path) -> tuple[str, _Rows]:
    """Read the graded answers of a run on the split that was examined last: test where there is one."""
    path = folder / "predictions.jsonl"
    if not path.exists():
        raise DataError(f"{str(folder)!r} has no predictions.jsonl; name the folder of a finished run.")
    rows = [dict(row) for row in read_rows(path)]
    if rows and "fingerprint" not in rows[0]:
        raise DataError(f"{str(path)!r} was written by an older version; run it anew in another folder.")
    split = "test" if any(row["split"] == "test" for row in rows) else "valid"
    return split, [row for row in rows if row["split"] == split]


def _question(row: dict[str, Any]) -> str:
    return f"{row['example_id']} {row['fingerprint']}"


def _grades(rows: _Rows) -> dict[str, Grade]:
    # By id, question and label: equal ids of other questions are other items.
    return {f"{_question(row)} {row['label']}": Grade(row["grade"]) for row in rows}


def _sources(rows: _Rows) -> str:
    return "+".join(sorted({str(row.get("label_source", "gold")) for row in rows}))


def ablations(config: Experiment, of: Apart = "parts") -> dict[str, Experiment]:
    """Make the configurations of the runs that each leave one part out, by row name.

    Each has everything else of the main run, its seed and its grid of α included, and a folder of its own
    within it. All of them share the main run's budget, whose folder gets its `run_id` now.
    """
    return within_one_budget(config, ablation_rows(config, of))


def ablation_rows(config: Experiment, of: Apart = "parts") -> dict[str, Experiment]:
    """Make the same configurations for a look at them alone: nothing is written, no budget is shared."""
    parts = {folder_name(part.name): part for part in _variants(config, of) if not part.why_not}
    if Path(config.out).name in parts:
        raise ConfigError(
            f"the run folder {config.out!r} is named like one of its ablations; choose another `out`."
        )
    return {name: beside(config, name, **part.changed) for name, part in parts.items()}


def left_out(config: Experiment, of: Apart = "parts") -> dict[str, str]:
    """Give the reason of each row that an ablation has not, because it would change nothing."""
    return {part.name: part.why_not for part in _variants(config, of) if part.why_not}


def new_calls(config: Experiment, of: Apart = "parts") -> list[str]:
    """Name the rows that may ask something the main run does not ask, so that their cost comes on top."""
    return [folder_name(part.name) for part in _variants(config, of) if part.asks and not part.why_not]


def ablation_table(
    config: Experiment, finished: Mapping[str, Finished], of: Apart = "parts"
) -> list[dict[str, Json]]:
    """Compare every row that is finished with the main run, on the same items, and write `ablation.json`."""
    main = Path(config.out).name
    remarks = {main: "", **{folder_name(part.name): part.remark for part in _variants(config, of)}}
    names = [name for name in remarks if name in finished]
    differences = compare_with({name: finished[name].path for name in names}, reference=main)
    rows = [
        _row(name, finished[name], remark=remarks[name], difference=differences.get(name, {}))
        for name in names
    ]
    written = {"reference": main, "rows": rows, "left_out": left_out(config, of)}
    path = Path(config.out) / ("ablation.json" if of == "parts" else f"ablation-{of}.json")
    path.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return rows


def _variants(config: Experiment, of: Apart) -> Sequence[Variant]:
    def declared(recipe: Recipe) -> Callable[[Any], Sequence[Variant]] | None:
        return recipe.ablations if of == "parts" else recipe.lessons

    parts = declared(RECIPES[config.recipe])
    if parts is None:
        known = " or ".join(repr(name) for name, recipe in RECIPES.items() if declared(recipe))
        raise ConfigError(
            f"an ablation takes recipe = {known} apart, this one is {config.recipe!r}; leave --ablate out."
        )
    return parts(config)


def _row(name: str, run: Finished, *, remark: str, difference: Mapping[str, Any]) -> dict[str, Json]:
    split = "test" if run.metrics["test"] else "valid"
    figures: Any = run.metrics[split] or {}
    spend: Any = run.metrics["spend"]
    spent = "the budget ended it early" if run.metrics["stopped_by"] == "budget" else ""
    told = (remark, spent, difference.get("warning", ""))
    return {
        "name": name,
        "split": split,
        "n": figures.get("n"),
        "labels": figures.get("label_source"),
        "reader": figures.get("reader"),
        "accuracy": figures.get("accuracy"),
        "ci95": figures.get("ci95"),
        "difference": difference.get("difference"),
        "difference_ci95": difference.get("ci95"),
        "p": difference.get("p"),
        "usd": spend["usd"],
        "remark": difference.get("refused") or "; ".join(part for part in told if part),
    }
