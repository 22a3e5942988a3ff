"""Hold two runs against each other on the same items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tuition.core.errors import DataError, some_of
from tuition.core.records import Grade, Json
from tuition.core.rows import read_metrics, read_rows
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
    split, rows = _read(folder)
    return split, {_item(row): Grade(row["grade"]) for row in rows}


def _read(folder: Path) -> tuple[str, list[dict[str, Json]]]:
    path = folder / "predictions.jsonl"
    if not path.exists():
        raise DataError(f"{str(folder)!r} has no predictions.jsonl; name the folder of a finished run.")
    rows = list(read_rows(path))
    if rows and "fingerprint" not in rows[0]:
        raise DataError(f"{str(path)!r} was written by an older version; run it anew in another folder.")
    split = "test" if any(row["split"] == "test" for row in rows) else "valid"
    return split, [row for row in rows if row["split"] == split]


def _question(row: Mapping[str, Json]) -> str:
    return f"{row['example_id']} {row['fingerprint']}"


def _item(row: Mapping[str, Json]) -> str:
    """Name an item by its id, question and label: equal ids of other questions are other items."""
    return f"{_question(row)} {row['label']}"


def _sources(rows: Sequence[Mapping[str, Json]]) -> str:
    return "+".join(sorted({str(row.get("label_source", "gold")) for row in rows}))


def compare_runs(left: Path, right: Path, *, seed: int = 0) -> dict[str, Json]:
    """Compare two runs item by item.

    Args:
        left: A run folder.
        right: Another one, examined on the same items.
        seed: Of the bootstrap.

    Returns:
        The split, the comparison: how much better the left one is, and whose readings were graded; where two
        readers graded, a `warning`.

    Raises:
        DataError: They were not examined on the same items.
    """
    (left_split, left_rows), (right_split, right_rows) = _read(left), _read(right)
    if left_split != right_split:
        raise DataError(
            f"{str(left)!r} has answers on {left_split}, {str(right)!r} on {right_split}; nothing to compare"
        )
    _refuse_other_labels(left, right, rows=(left_rows, right_rows))
    found = compare(graded(left)[1], graded(right)[1], seed=seed)
    readers = [_reader(folder, left_split) for folder in (left, right)]
    own, other = readers
    warning = f"graded by {own} against {other}: the difference holds that of the readings too"
    return {
        "left": str(left),
        "right": str(right),
        "split": left_split,
        "labels": _sources(left_rows),
        "readers": list(readers),
        **({"warning": warning} if own != other else {}),
        **found.to_json(),
        "ci95": [found.low, found.high],
    }


def _reader(folder: Path, split: str) -> str:
    """Name who read and graded a split, as the run wrote it down."""
    return (read_metrics(folder).get(split) or {}).get("reader") or "an unknown reader"


def _refuse_other_labels(
    left: Path, right: Path, *, rows: tuple[Sequence[Mapping[str, Json]], Sequence[Mapping[str, Json]]]
) -> None:
    """An answer may be right by one label and wrong by the other; the difference would say nothing."""
    labels = {_question(row): row["label"] for row in rows[0]}
    other = [
        str(row["example_id"]) for row in rows[1] if labels.get(_question(row), row["label"]) != row["label"]
    ]
    if other:
        raise DataError(
            f"{str(left)!r} is graded by {_sources(rows[0])} labels and {str(right)!r} by "
            f"{_sources(rows[1])}, and on {len(other)} of {len(rows[1])} items they differ "
            f"({some_of(other)}); run both with the same [labels]."
        )


def compare_with(folders: dict[str, Path], *, reference: str, seed: int = 0) -> dict[str, Json]:
    """Compare every run of a group with one of them.

    Args:
        folders: Run folders by name.
        reference: The name of the one.
        seed: Of the bootstrap.

    Returns:
        A comparison by name, the reference itself left out, and whoever answered nothing on its split; empty
        where the group has no such run. Where the labels are a panel's and two runs came to other ones, since
        a call failed in one of them, the entry is `refused` with the reason.
    """
    if reference not in folders:
        return {}
    split, _ = graded(folders[reference])
    return {
        name: _compare_or_say(folder, folders[reference], seed=seed)
        for name, folder in folders.items()
        if name != reference and graded(folder)[0] == split
    }


def _compare_or_say(left: Path, right: Path, *, seed: int) -> dict[str, Json]:
    """A table is not lost for one comparison that panel labels do not allow."""
    try:
        return compare_runs(left, right, seed=seed)
    except DataError as error:
        if {_sources(_read(left)[1]), _sources(_read(right)[1])} <= {"gold", ""}:
            raise
        return {"refused": f"not compared: {error}"}
