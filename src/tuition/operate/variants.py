"""Take a recipe apart: the same run without one of its parts at a time, each compared with the whole.

Which parts there are, each recipe says in its own file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuition.core.errors import ConfigError
from tuition.core.records import Json
from tuition.experiment.config import Experiment, beside, folder_name
from tuition.experiment.recipe import Variant
from tuition.operate.compare import compare_with
from tuition.operate.execute import Finished, within_one_budget
from tuition.recipes import RECIPES

__all__ = ["ablation_rows", "ablation_table", "ablations", "left_out", "new_calls"]


def ablations(config: Experiment) -> dict[str, Experiment]:
    """Make the configurations of the runs that each leave one part out, by row name.

    Each has everything else of the main run, its seed and its grid of α included, and a folder of its own
    within it. All of them share the main run's budget, whose folder gets its `run_id` now.
    """
    return within_one_budget(config, ablation_rows(config))


def ablation_rows(config: Experiment) -> dict[str, Experiment]:
    """Make the same configurations for a look at them alone: nothing is written, no budget is shared."""
    parts = {folder_name(part.name): part for part in _variants(config) if not part.why_not}
    if Path(config.out).name in parts:
        raise ConfigError(
            f"the run folder {config.out!r} is named like one of its ablations; choose another `out`."
        )
    return {name: beside(config, name, **part.changed) for name, part in parts.items()}


def left_out(config: Experiment) -> dict[str, str]:
    """Give the reason of each row that an ablation has not, because it would change nothing."""
    return {part.name: part.why_not for part in _variants(config) if part.why_not}


def new_calls(config: Experiment) -> list[str]:
    """Name the rows that may ask something the main run does not ask, so that their cost comes on top."""
    return [folder_name(part.name) for part in _variants(config) if part.asks and not part.why_not]


def ablation_table(config: Experiment, finished: Mapping[str, Finished]) -> list[dict[str, Json]]:
    """Compare every row that is finished with the main run, on the same items, and write `ablation.json`."""
    main = Path(config.out).name
    remarks = {main: "", **{folder_name(part.name): part.remark for part in _variants(config)}}
    names = [name for name in remarks if name in finished]
    differences = compare_with({name: finished[name].path for name in names}, reference=main)
    rows = [
        _row(name, finished[name], remark=remarks[name], difference=differences.get(name, {}))
        for name in names
    ]
    written = {"reference": main, "rows": rows, "left_out": left_out(config)}
    path = Path(config.out) / "ablation.json"
    path.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return rows


def _variants(config: Experiment) -> Sequence[Variant]:
    parts = RECIPES[config.recipe].ablations
    if parts is None:
        known = " or ".join(repr(name) for name, recipe in RECIPES.items() if recipe.ablations)
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
