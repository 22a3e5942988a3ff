"""Write one self-contained HTML page from run folders.

The page has no script and no link; everything a model wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from tuition.core.errors import MissingExtra
from tuition.core.rows import read_metrics, read_rows
from tuition.core.texts.visible import visible
from tuition.report.chart import folder_chart
from tuition.report.columns import (
    CALIBRATION,
    ESTIMATES,
    MADE,
    PARTS,
    RESULTS,
    ROUNDS,
    lay_out,
    parts_of,
)
from tuition.report.rows import Standing, read_json, rows_of, run_folders

__all__ = ["write_page"]


_ITEMS_SHOWN = 12
"""Answers shown in full for each run, spread evenly over its split."""


def write_page(folder: Path, recipes: Mapping[str, Standing]) -> Path:
    """Write `report.html` into a folder of runs; with a chart where one has rounds, and matplotlib is there.

    Args:
        folder: A run folder, or one that holds some.
        recipes: By name, such as `tuition.recipes.RECIPES`.

    Returns:
        The page's path.
    """
    runs = [_run(name, path) for name, path in run_folders(folder).items()]
    chart, without_chart = "", ""
    try:
        chart = folder_chart(folder) or ""
    except MissingExtra as error:
        without_chart = str(error)
    environment = Environment(loader=PackageLoader("tuition.report", "."), autoescape=True)
    environment.filters["percent"] = lambda share: "" if share is None else f"{100 * share:.1f}"
    rows = rows_of(folder, recipes)
    text = environment.get_template("page.html.jinja").render(
        title=folder.resolve().name,
        rows=rows,
        results=lay_out([row.to_json() for row in rows], RESULTS),
        made=lay_out([run["made"] for run in runs], MADE),
        runs=runs,
        chart=chart,
        without_chart=without_chart,
        findings=next((run["findings"] for run in runs if run["findings"]), []),
        domains=sorted({domain for run in runs for domain in run["by_domain"]}),
    )
    path = folder / "report.html"
    path.write_text(visible(text), encoding="utf-8")
    return path


def _run(name: str, path: Path) -> dict[str, Any]:
    metrics = read_metrics(path)
    health = read_json(path / "health.json")
    figures = metrics["test"] or metrics["valid"] or {}
    rows = [dict(row) for row in read_rows(path / "predictions.jsonl")]
    split = "test" if any(row["split"] == "test" for row in rows) else "valid"
    shown = [row for row in rows if row["split"] == split]
    return {
        "name": name,
        "metrics": metrics,
        "by_domain": figures.get("by_domain", {}),
        "health": health.get("teachers", []),
        "checks": health.get("checks", {}),
        "findings": read_json(path / "data.json").get("findings", []),
        "made": {
            **metrics,
            **metrics["spend"],
            "run": name,
            "examples": metrics["train"]["n"],
            "parameters": (metrics["student"] or {}).get("parameters"),
            "code": metrics["versions"]["code"],
        },
        "items": shown[:: max(1, len(shown) // _ITEMS_SHOWN)][:_ITEMS_SHOWN],
        "macro_f1": figures.get("macro_f1"),
        "parts": lay_out(parts_of(figures), PARTS),
        "estimates": lay_out(metrics.get("estimates") or [], ESTIMATES),
        "rounds": lay_out(metrics.get("rounds") or [], ROUNDS, has_others=True),
        "calibration": lay_out(metrics.get("calibration") or [], CALIBRATION, has_others=True),
    }
