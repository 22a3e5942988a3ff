"""Write one self-contained HTML page from run folders, and a student's model card.

The page has no script and no link; everything a model wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from tuition.core.config import read_toml
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
    STEPWISE,
    VERIFIED,
    lay_out,
    money,
    parts_of,
    per_cent,
)
from tuition.report.rows import Standing, graded_by, read_json, rows_of, run_folders
from tuition.report.use import how_to_use

__all__ = ["write_card", "write_page"]


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
        "stepwise": lay_out(read_json(path / "stepwise.json").get("rows") or [], STEPWISE),
        "verified": lay_out(read_json(path / "errors" / "errors.json").get("verified") or [], VERIFIED),
        "calibration": lay_out(metrics.get("calibration") or [], CALIBRATION, has_others=True),
    }


def write_card(folder: Path) -> Path:
    """Write `MODEL_CARD.md` into a finished run's folder, and into its student's.

    Args:
        folder: The run folder.

    Returns:
        The card's path in the run folder.
    """
    student = folder / "student"
    if student.is_dir():
        (student / "MODEL_CARD.md").write_text(_card(folder, place="."), encoding="utf-8")
    path = folder / "MODEL_CARD.md"
    path.write_text(_card(folder, place="student"), encoding="utf-8")
    return path


def _card(folder: Path, *, place: str) -> str:
    """The card, to be read where the student lies at a place."""
    metrics, config = read_metrics(folder), read_toml(folder / "config.toml")
    lines = [
        f"# {folder.resolve().name}",
        "",
        f"Trained with the recipe `{metrics['recipe']}` of Tuition {metrics['versions'].get('tuition', '')}"
        f" (source {metrics['versions']['code']}), seed {metrics['seed']}.",
        "",
    ]
    if student := metrics["student"]:
        n = metrics["train"]["n"]
        labels = metrics["train"].get("label_source", {"gold": n})
        targets = [f"{name} {count:,}" for name, count in metrics.get("objectives", {}).items()]
        lines += [
            f"- student: `{student['model']}`, {student['parameters']:,} parameters",
            f"- training examples: {n:,}; labels: "
            + ", ".join(f"{count:,} {source}" for source, count in labels.items()),
            f"- targets by objective: {', '.join(targets) or 'none, the student is as it came'}",
            "",
        ]
    lines += _results(metrics)
    teachers: Any = config.get("teacher", [])
    if teachers:
        lines += ["## Teachers", ""]
        lines += [
            f"- `{one['name']}` ({one['kind']}): {one.get('licence') or 'licence and terms not stated'}"
            for one in teachers
        ]
        lines.append("")
    form = read_json(folder / "student" / "tuition.json")
    lines += how_to_use(form, place=place, name=folder.resolve().name)
    lines += [
        f'`transformers.AutoModel…from_pretrained("{place}")` loads it too; weights are safetensors.'
        if (folder / "student").is_dir()
        else "This run trained no student, so none is saved here; `config.toml` names the model it examined.",
        "",
        f"`config.toml` in the run's folder repeats the run: `tuition run config.toml out=NEW` "
        f"(configuration {metrics['config_hash']}).",
        "",
    ]
    return visible("\n".join(lines))


def _results(metrics: dict[str, Any]) -> list[str]:
    """The figures of both splits as a table of Markdown, and what they cost."""
    found = {split: metrics[split] for split in ("valid", "test")}
    rows = [
        {
            **figures,
            "split": split,
            "label_source": graded_by(metrics, split) or figures["label_source"],
            "low": figures["ci95"][0],
            "high": figures["ci95"][1],
        }
        for split, figures in found.items()
        if figures
    ]
    table, spend = lay_out(rows, RESULTS), metrics["spend"]
    simulated = " (simulated: the teachers are programs)" if metrics.get("is_simulated") else ""
    return [
        "## Result",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (table.heads, ["---"] * len(table.heads), *table.rows)),
        "",
        "Intervals are 95 % over items.",
        *(line for split, figures in found.items() if figures for line in _part_lines(split, figures)),
        *(f"The task has no {split} split." for split, figures in found.items() if not figures),
        *(line for split, figures in found.items() if figures for line in _classical_lines(split, figures)),
        "",
        f"- cost of the answers used: {money(spend['usd'])}; newly paid: {money(spend['paid_usd'])}"
        + simulated,
        "",
    ]


def _part_lines(split: str, figures: dict[str, Any]) -> list[str]:
    """Say the F1 of every label or field."""
    told = [f"{row['name']} {row['f1']:.2f}" for row in parts_of(figures) if row["f1"] is not None]
    macro = figures.get("macro_f1")
    head = "F1 by field" if macro is None else f"Macro-F1 {macro:.3f}, by label"
    return [f"{head} on {split}: {', '.join(told)}."] if told else []


def _classical_lines(split: str, figures: dict[str, Any]) -> list[str]:
    """What the cheapest students come to, from the same examples."""
    kinds = {name: row for name, row in figures.get("classical", {}).items() if row}
    told = ", ".join(f"{name} {per_cent(row['accuracy'], row['ci95'])}" for name, row in kinds.items())
    return [f"Without a network on {split}, right %: {told}; from the same examples."] if told else []
