"""What the student of a finished run answered, as a teacher is told it, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuition.annotation.prompts import receipt_of
from tuition.core.errors import DataError, some_of
from tuition.core.protocols import Task
from tuition.core.records import Example, Grade, Json, Prediction
from tuition.core.rows import read_rows
from tuition.core.splits import fingerprint
from tuition.evaluation.gate import Isotonic, isotonic, override_rows

__all__ = ["Receipts", "predicted_rows", "scored", "trust_of"]


def predicted_rows(folder: Path) -> list[dict[str, Any]]:
    """Read the graded predictions of a finished run."""
    path = folder / "predictions.jsonl"
    if not (folder / "done").exists() or not path.exists():
        raise DataError(
            f"{str(folder)!r} is no finished run with a predictions.jsonl, so it is not known how sure its "
            "student was and how often right; name the folder of a run that examined a student."
        )
    return [*read_rows(path)]


def trust_of(rows: Sequence[Mapping[str, Any]], *, where: str) -> Isotonic:
    """Calibrate a student's confidence on its graded answers to validation."""
    sure, right = scored(rows, "valid")
    if not any(value is not None for value in sure):
        raise DataError(
            f"the student of {where!r} gave no confidence on validation ({len(sure)} rows), so nothing can "
            "be calibrated; examine it with a validation split."
        )
    return isotonic(sure, right)


def scored(rows: Sequence[Mapping[str, Any]], split: str) -> tuple[list[float | None], list[bool]]:
    """Give confidence and rightness of the rows of a split."""
    own = [row for row in rows if row["split"] == split]
    return [row.get("confidence") for row in own], [row["grade"] == Grade.RIGHT for row in own]


class Receipts:
    """The answers of one student by example, with a calibrated confidence."""

    def __init__(self, folder: str) -> None:
        rows = predicted_rows(Path(folder))
        self.trust = trust_of(rows, where=folder)
        self._where = folder
        self._rows = {(row["split"], row["example_id"]): row for row in rows}

    def lines(self, examples: Sequence[Example]) -> dict[str, str]:
        """Write what a prompt tells of each example, by id."""
        rows = self._of(examples)
        said = [Prediction(example_id=row["example_id"], text="", answer=row["answer"]) for row in rows]
        sure = [self.trust(row.get("confidence")) for row in rows]
        return {one.example_id: receipt_of(one, share) for one, share in zip(said, sure, strict=True)}

    def overrides(
        self, examples: Sequence[Example], answers: Sequence[str | None], *, task: Task
    ) -> list[dict[str, Json]]:
        """Say by bin of confidence how often a teacher's answers depart from the student's."""
        rows = self._of(examples)
        graded = zip(answers, examples, strict=True)
        return override_rows(
            [None if row.get("confidence") is None else self.trust(row["confidence"]) for row in rows],
            [answer != row["answer"] for answer, row in zip(answers, rows, strict=True)],
            student_right=[row["grade"] == Grade.RIGHT for row in rows],
            teacher_right=[task.grade(answer, example) == Grade.RIGHT for answer, example in graded],
        )

    def _of(self, examples: Sequence[Example]) -> list[Mapping[str, Any]]:
        found = [self._rows.get((example.split, example.id)) for example in examples]
        other = [
            example.id
            for example, row in zip(examples, found, strict=True)
            if row is None or row["fingerprint"] != fingerprint(example)[:16]
        ]
        if other:
            raise DataError(
                f"the student of {self._where!r} was not examined on {len(other)} of {len(examples)} "
                f"questions: {some_of(other)}. Both runs need the same data and the same evaluation.limit."
            )
        return [row for row in found if row is not None]
