"""Write a student's model card from what its run wrote down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuition.core.config import read_toml
from tuition.core.rows import read_metrics
from tuition.core.texts.visible import visible
from tuition.report.columns import RESULTS, lay_out, money, per_cent
from tuition.report.rows import graded_by

__all__ = ["write_card"]


def write_card(folder: Path) -> Path:
    """Write `MODEL_CARD.md` into a finished run's folder.

    Args:
        folder: The run folder.

    Returns:
        The card's path.
    """
    metrics, config = read_metrics(folder), read_toml(folder / "config.toml")
    lines = [
        f"# {folder.resolve().name}",
        "",
        f"Trained with the recipe `{metrics['recipe']}` of Tuition {metrics['versions'].get('tuition', '')}"
        f" (source {metrics['versions']['code']}), seed {metrics['seed']}.",
        "",
        *_student_lines(metrics),
        *_result_lines(metrics),
        *_teacher_lines(config),
        "## How to load it",
        "",
        '`transformers.AutoModel…from_pretrained("student")`, from this folder; weights are safetensors.',
        "",
        f"`config.toml` beside this card repeats the run: `tuition run config.toml out=NEW` "
        f"(configuration {metrics['config_hash']}).",
        "",
    ]
    path = folder / "MODEL_CARD.md"
    path.write_text(visible("\n".join(lines)), encoding="utf-8")
    return path


def _student_lines(metrics: dict[str, Any]) -> list[str]:
    student = metrics["student"]
    if student is None:
        return []
    return [
        f"- student: `{student['model']}`, {student['parameters']:,} parameters",
        f"- training examples: {metrics['train']['n']:,}; labels: {_train_labels(metrics)}",
        f"- targets by objective: {_listed(metrics.get('objectives', {}))}",
        "",
    ]


def _train_labels(metrics: dict[str, Any]) -> str:
    sources = metrics["train"].get("label_source", {"gold": metrics["train"]["n"]})
    return ", ".join(f"{count:,} {source}" for source, count in sources.items())


def _listed(objectives: dict[str, int]) -> str:
    listed = ", ".join(f"{name} {count:,}" for name, count in objectives.items())
    return listed or "none, the student is as it came"


def _result_lines(metrics: dict[str, Any]) -> list[str]:
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
    table = lay_out(rows, RESULTS)
    spend = metrics["spend"]
    simulated = " (simulated: the teachers are programs)" if metrics.get("is_simulated") else ""
    used, paid = money(spend["usd"]), money(spend["paid_usd"])
    return [
        "## Result",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (table.heads, ["---"] * len(table.heads), *table.rows)),
        "",
        "Intervals are 95 % over items.",
        *(f"The task has no {split} split." for split, figures in found.items() if not figures),
        *(line for split, figures in found.items() if figures for line in _classical_lines(split, figures)),
        "",
        f"- cost of the answers used: {used}; newly paid: {paid}{simulated}",
        "",
    ]


def _classical_lines(split: str, figures: dict[str, Any]) -> list[str]:
    """What the cheapest students come to, from the same examples."""
    kinds = {name: row for name, row in figures.get("classical", {}).items() if row}
    told = ", ".join(f"{name} {per_cent(row['accuracy'], row['ci95'])}" for name, row in kinds.items())
    return [f"Without a network on {split}, right %: {told}; from the same examples."] if told else []


def _teacher_lines(config: dict[str, Any]) -> list[str]:
    lines = []
    for teacher in config.get("teacher", []):
        licence = teacher.get("licence") or "licence and terms not stated"
        lines.append(f"- `{teacher['name']}` ({teacher['kind']}): {licence}")
    return ["## Teachers", "", *lines, ""] if lines else []
