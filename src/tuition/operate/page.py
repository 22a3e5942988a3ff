"""Write the report of runs: find again the questions that they name, and say how their answers were read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuition.annotation import HealthRow, without_closing
from tuition.core.config import read_toml
from tuition.core.errors import TuitionError
from tuition.core.records import Example, canonical_json
from tuition.core.texts.steps import own_words, split_steps
from tuition.evaluation.accuracy import wilson
from tuition.experiment.checks import load_splits
from tuition.operate.execute import reread
from tuition.recipes import RECIPES
from tuition.report import Material, run_folders, write_page
from tuition.tasks.conclusion import marks

__all__ = ["report"]


def report(folders: Sequence[Path], *, out: Path | None = None, trust: bool = False) -> Path:
    """Write one page about the finished runs of some folders; else it is `report.html` in the first."""
    runs = run_folders(*folders)
    loaded: dict[str, dict[str, Example]] = {}
    questions, missing = {}, {}
    for name, path in runs.items():
        key = canonical_json(read_toml(path / "config.toml").get("task", {}))
        if key not in loaded:
            try:
                loaded[key] = _questions(path, trust=trust)
            except (TuitionError, OSError) as error:
                loaded[key], missing[key] = {}, f"The questions of {name} could not be found again: {error}"
        questions[name] = loaded[key]
    material = Material(
        questions=questions,
        missing=tuple(missing.values()),
        rule=_rule,
        interval=wilson,
        steps=lambda text: split_steps(without_closing(text)),
        remedy=lambda row: HealthRow.from_json(row).what_to_do,
    )
    return write_page(folders, RECIPES, material=material, out=out)


def _questions(folder: Path, *, trust: bool) -> dict[str, Example]:
    """Load the data of a run again; a finished run has opened its test split."""
    splits, _ = load_splits(reread(folder, trust=trust))
    test = splits.test.open("the report") if splits.test else ()
    return {example.id: example for example in (*splits.train, *splits.valid, *test)}


def _rule(text: str) -> str:
    """Say where in a text the readers of `tasks` look for the answer (docs/answers.md)."""
    body = own_words(text)
    if mark := next(marks(body), None):
        sign = " ".join(body[mark.place : mark.start].split())
        return f"the last conclusion mark, “{sign}”" + (", which is taken back" if mark.is_taken_back else "")
    if not body.strip():
        return ""
    return "no conclusion mark, so the whole text where it is nothing but an answer, else its last sentence"
