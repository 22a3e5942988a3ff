"""What every recipe must hold: a whole run folder, and a second start that spends nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuition.api import load_config, plan, run
from tuition.core.config import read_toml
from tuition.core.rows import read_metrics, read_rows
from tuition.experiment.config import dump, resolve
from tuition.recipes import RECIPES, Recipe
from tuition.testing.expect import expect

__all__ = ["SMALLEST", "check_recipe", "check_run", "hashes", "paid_calls"]

SMALLEST: Mapping[str, Any] = {
    "task": {
        "source": "playground",
        "train": 12,
        "valid": 6,
        "test": 6,
        "domains": ["knowledge", "tracking"],
    },
    "teacher": [{"kind": "playground", "name": "ada"}],
    "annotation": {"examples": 1, "filters": ["empty"]},
    "student": {"model": "fresh:llama-nano", "max_output_tokens": 6},
    "training": {"steps": 2, "batch_examples": 4, "lr": 1e-3},
    "evaluation": {"jobs": 1},
}
"""Tables of a run of seconds, which lack the recipe: questions with options, one teacher, a tiny student."""
_FILES = (
    "config.toml",
    "data.json",
    "events.jsonl",
    "metrics.json",
    "predictions.jsonl",
    "done",
    "report.html",
)
_METRICS = (
    *("recipe", "task", "seed", "student", "valid", "test"),
    *("spend", "rounds", "stopped_by", "wall_s", "versions"),
)
_FIGURES = {
    *("n", "right", "accuracy", "ci95", "unreadable"),
    *("label_source", "reader", "by_domain", "blind", "classical"),
}
_OF_A_FORM = {"macro_f1", "by_label", "by_field"}
"""What tasks say more whose answers have one form."""
_SPEND = {
    *("calls", "reused_calls", "prompt_tokens", "completion_tokens", "usd", "paid_usd", "failed_usd"),
    *("estimated", "unknown", "by_teacher", "by_role"),
}


def check_recipe(recipe: str, **tables: Any) -> None:
    """Ask of a recipe what is asked of every one, by two smallest runs in a folder of their own.

    What it asks lies within its plan; the run folder is whole and `metrics.json` has its form; a student can
    be loaded; a second start changes no file and asks nothing.

    Args:
        recipe: Its name, or its place `package.module:NAME`; its code is trusted.
        **tables: Tables of the run in place of those of `SMALLEST`, and the recipe's own keys.

    Raises:
        AssertionError: One of these does not hold.
        TuitionError: The run itself does not come to its end.
    """
    with tempfile.TemporaryDirectory(prefix="tuition-check-") as folder:
        place = {"out": f"{folder}/run", "store": f"{folder}/tuition.db"}
        config = load_config({**SMALLEST, **place, "recipe": recipe, **tables}, trust=True)
        planned = plan(config)
        done = run(config, confirmed=True)
        calls = paid_calls(Path(config.store))
        low, high = (
            sum(getattr(row, name) for row in planned.teachers) for name in ("low_calls", "high_calls")
        )
        expect(low <= calls <= high, f"{recipe!r} made {calls} calls, and {low} to {high} were planned")
        check_run(done.path)
        before = hashes(done.path)
        again = run(config, confirmed=True)
        expect(not again.is_new and hashes(done.path) == before, f"{recipe!r} changed a finished run")
        expect(
            paid_calls(Path(config.store)) == calls, f"{recipe!r} asked again when a finished run was started"
        )


def check_run(folder: Path) -> None:
    """Ask of the folder of a finished run what is asked of every one.

    Args:
        folder: The run folder.

    Raises:
        AssertionError: A file is missing, or holds something else than it should.
    """
    tables, metrics = read_toml(folder / "config.toml"), read_metrics(folder)
    recipe = RECIPES[str(tables["recipe"])]
    is_trained = recipe.has_student and metrics["student"]["is_trained"]
    wanted = (
        *_FILES,
        *(("MODEL_CARD.md",) if recipe.has_student else ()),
        *(("student",) if is_trained else ()),
    )
    missing = [name for name in wanted if not (folder / name).exists()]
    expect(not missing, f"{folder} lacks {', '.join(missing)}")
    events = list(read_rows(folder / "events.jsonl"))
    expect(events[-1]["event"] == "done", f"the last event is {events[-1]['event']!r}, expected 'done'")
    text = (folder / "config.toml").read_text(encoding="utf-8")
    again = dump(resolve(tables, where="config.toml", trust=True))
    expect(again == text, "config.toml is not what it resolves to")
    _check_metrics(metrics, recipe, str(tables["recipe"]))
    rows = list(read_rows(folder / "predictions.jsonl"))
    n = sum(metrics[split]["n"] for split in ("valid", "test") if metrics[split])
    expect(len(rows) == n, f"predictions.jsonl has {len(rows)} rows, and {n} questions were examined")
    if is_trained:
        # transformers takes seconds to import, and only a student needs it.
        from tuition.api import Student

        found, wanted = Student.load(folder, trust=True).learner.parameters, metrics["student"]["parameters"]
        expect(found == wanted, f"the saved student has {found} weights, and metrics.json says {wanted}")
        kinds = {path.suffix for path in (folder / "student").iterdir()}
        expect(
            kinds <= {".json", ".safetensors", ".jinja", ".md"},
            f"the student's folder has files of {sorted(kinds)}",
        )


def _check_metrics(metrics: dict[str, Any], recipe: Recipe, name: str) -> None:
    missing = {*_METRICS} - set(metrics)
    expect(not missing, f"metrics.json lacks {', '.join(sorted(missing))}; `finish` writes them")
    expect(
        metrics["recipe"] == name, f"metrics.json names the recipe {metrics['recipe']!r}, expected {name!r}"
    )
    stops = "pool" if recipe.in_rounds else "done"
    expect(metrics["stopped_by"] == stops, f"it was stopped by {metrics['stopped_by']!r}, expected {stops!r}")
    reader = f"{metrics['task']} {metrics['task_version']}"
    for split in ("valid", "test"):
        figures = metrics[split]
        expect(
            set(figures) - _OF_A_FORM == _FIGURES,
            f"{split} has the entries {sorted(figures)}, expected {sorted(_FIGURES)}",
        )
        expect(figures["reader"] == reader, f"{split} was read by {figures['reader']!r}, expected {reader!r}")
        low, high = figures["ci95"]
        expect(low <= figures["accuracy"] <= high, f"{split}: the accuracy lies outside its own interval")
        expect(
            figures["accuracy"] == figures["right"] / figures["n"], f"{split}: the accuracy is not right / n"
        )
    expect(
        set(metrics["spend"]) >= _SPEND, f"spend lacks {', '.join(sorted(_SPEND - set(metrics['spend'])))}"
    )
    expect((metrics["format"], metrics["wall_s"] > 0) == (1, True), "format must be 1, and wall_s above 0")
    expect(
        {"python", "tuition", "code"} <= set(metrics["versions"]), "versions lacks python, tuition or code"
    )


def hashes(folder: Path) -> dict[str, str]:
    """Say what every file of a folder holds."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {os.fspath(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def paid_calls(store: Path) -> int:
    """Count the calls that a store has, kept or failed; one that was never made has none."""
    if not store.exists():
        return 0
    with contextlib.closing(sqlite3.connect(store)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM attempts").fetchone()[0])
