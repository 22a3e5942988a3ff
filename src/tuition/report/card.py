"""Write a student's model card from its run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuition.core.config import read_toml
from tuition.core.rows import read_metrics
from tuition.core.texts.visible import visible
from tuition.report.columns import RESULTS, lay_out, money, parts_of, per_cent
from tuition.report.rows import graded_by, read_json
from tuition.report.use import how_to_use

__all__ = ["write_card"]


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
