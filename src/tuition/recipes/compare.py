"""Hold two runs against each other on the same items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuition.core.errors import DataError
from tuition.core.records import Grade, Json
from tuition.core.rows import read_rows
from tuition.evaluation.compare import compare

__all__ = ["compare_runs", "compare_with", "graded"]


def graded(folder: Path) -> tuple[str, dict[str, Grade]]:
    """Read how a run's answers were graded.

    Args:
        folder: A run folder.

    Returns:
        The split, test where there is one and else valid; and the grades by item.

    Raises:
        DataError: The folder has no predictions.
    """
    path = folder / "predictions.jsonl"
    if not path.exists():
        raise DataError(f"{str(folder)!r} has no predictions.jsonl; name the folder of a finished run.")
    rows = list(read_rows(path))
    if rows and "fingerprint" not in rows[0]:
        raise DataError(f"{str(path)!r} was written by an older version; run it anew in another folder.")
    split = "test" if any(row["split"] == "test" for row in rows) else "valid"
    return split, {_item(row): Grade(row["grade"]) for row in rows if row["split"] == split}


def _item(row: Mapping[str, Json]) -> str:
    """Name an item by its id, question and label: equal ids of other questions are other items."""
    return f"{row['example_id']} {row['fingerprint']} {row['label']}"


def compare_runs(left: Path, right: Path, *, seed: int = 0) -> dict[str, Json]:
    """Compare two runs item by item.

    Args:
        left: A run folder.
        right: Another one, examined on the same items.
        seed: Of the bootstrap.

    Returns:
        The split, and the comparison: how much better the left one is.

    Raises:
        DataError: They were not examined on the same items.
    """
    (left_split, left_grades), (right_split, right_grades) = graded(left), graded(right)
    if left_split != right_split:
        raise DataError(
            f"{str(left)!r} has answers on {left_split}, {str(right)!r} on {right_split}; nothing to compare"
        )
    found = compare(left_grades, right_grades, seed=seed)
    return {
        "left": str(left),
        "right": str(right),
        "split": left_split,
        **found.to_json(),
        "ci95": [found.low, found.high],
    }


def compare_with(folders: dict[str, Path], *, reference: str, seed: int = 0) -> dict[str, Json]:
    """Compare every run of a group with one of them.

    Args:
        folders: Run folders by name.
        reference: The name of the one.
        seed: Of the bootstrap.

    Returns:
        A comparison by name, the reference itself left out, and whoever answered nothing on its split; empty
        where the group has no such run.
    """
    if reference not in folders:
        return {}
    split, _ = graded(folders[reference])
    return {
        name: compare_runs(folder, folders[reference], seed=seed)
        for name, folder in folders.items()
        if name != reference and graded(folder)[0] == split
    }
