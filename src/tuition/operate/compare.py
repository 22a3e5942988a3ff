"""Compare two runs on the same items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuition.core.errors import DataError, some_of
from tuition.core.records import Grade, Json
from tuition.core.rows import read_metrics, read_rows
from tuition.evaluation.compare import compare

__all__ = ["compare_runs", "compare_with", "graded"]

_Rows = Sequence[dict[str, Any]]


def graded(folder: Path) -> tuple[str, dict[str, Grade]]:
    """Read how a run's answers were graded: the split, test where there is one, and the grades by item."""
    split, rows = _read(folder)
    return split, _grades(rows)


def compare_runs(left: Path, right: Path, *, seed: int = 0) -> dict[str, Json]:
    """Say how much better the left run is, item by item, and who read the answers of each.

    Where two readers graded, there is a `warning`. Raises a DataError where the items are not the same ones,
    or have other labels: an answer may be right by one label and wrong by the other.
    """
    (left_split, left_rows), (right_split, right_rows) = _read(left), _read(right)
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
    found = compare(_grades(left_rows), _grades(right_rows), seed=seed)
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


def compare_with(folders: dict[str, Path], *, reference: str, seed: int = 0) -> dict[str, Json]:
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
        if name == reference or _read(folder)[0] != _read(base)[0]:
            continue
        try:
            found[name] = compare_runs(folder, base, seed=seed)
        except DataError as error:
            if {_sources(_read(one)[1]) for one in (folder, base)} <= {"gold", ""}:
                raise
            found[name] = {"refused": f"not compared: {error}"}
    return found


def _read(folder: Path) -> tuple[str, _Rows]:
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
