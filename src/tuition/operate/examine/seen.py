"""The answers of a finished run on validation, beside their questions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tuition.annotation.invent.diagnose import Seen
from tuition.core.errors import ConfigError, DataError, near_name
from tuition.core.records import Example, Grade
from tuition.core.rows import read_rows
from tuition.experiment.checks import load_splits
from tuition.experiment.config import Experiment
from tuition.operate.execute import reread
from tuition.teachers.config import TeacherConfig

__all__ = ["run_of", "seen_on_valid", "teacher_named"]


def run_of(folder: Path, *, trust: bool = False) -> Experiment:
    """Read the configuration of a finished run."""
    if not (folder / "done").exists():
        raise DataError(
            f"{str(folder)!r} is no finished run; name the folder of one, or go on with it first."
        )
    return reread(folder, trust=trust)


def seen_on_valid(config: Experiment) -> list[Seen]:
    """Give every answer of a run on validation; the test split is for figures alone, and stays closed."""
    folder = Path(config.out)
    examples = {example.id: example for example in load_splits(config)[0].valid}
    found: list[Seen] = []
    for row in read_rows(folder / "predictions.jsonl"):
        if row["split"] == "valid" and row["example_id"] in examples:
            example: Example = dataclasses.replace(examples[str(row["example_id"])], answer=row["label"])
            said = str(row["answer"] or row["text"] or "nothing")
            found.append(Seen(example=example, answer=said, is_right=row["grade"] == Grade.RIGHT))
    if not found:
        raise DataError(
            f"{str(folder)!r} has no answers on validation, which are what is looked at; give its task a "
            "validation split (task.valid, or task.valid_share) and run it again."
        )
    return found


def teacher_named(config: Experiment, name: str) -> TeacherConfig:
    """Find the teacher that is asked; by default the first one that reads prompts."""
    tables = [table for table in config.teacher if table.kind != "recorded"]
    if name and name not in (table.name for table in tables):
        raise ConfigError(
            near_name(name, [table.name for table in tables], kind="teacher that reads prompts")
        )
    if not tables:
        raise ConfigError(f"no teacher of {config.out!r} reads a prompt, and this needs one that does.")
    return next(table for table in tables if name in ("", table.name))
