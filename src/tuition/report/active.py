"""The tables of an active run: what each round asked and reached, and how well the scores knew what is wrong.

Knows the entries that `metrics.json` may have, and no recipe's inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuition.core.records import Record
from tuition.report.rows import money

__all__ = ["Table", "calibration_table", "rounds_table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Record):
    """Text in rows; whoever shows it escapes it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Each as long as the heads."""


def rounds_table(rounds: Sequence[Mapping[str, Any]]) -> Table | None:
    """Lay out the rounds of a run.

    Args:
        rounds: The entry `rounds` of the metrics; numbers and words that have no column of their own get one
            by their name.

    Returns:
        One row a round; None: the run has no rounds.
    """
    return _table(rounds, columns=_ROUNDS, folded=("ci95",))


def calibration_table(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    """Lay out how well each score ordered items by whether they are wrong.

    Args:
        rows: The entry `calibration` of the metrics, as `evaluation.calibration_rows` makes them; further
            numbers and words get a column by their name.

    Returns:
        One row a score; None: the run measured none.
    """
    return _table(rows, columns=_CALIBRATION, folded=("auroc_ci95", "rank_correlation_ci95"))


_Cell = Callable[[Mapping[str, Any]], str]


def _table(
    rows: Sequence[Mapping[str, Any]], *, columns: Mapping[str, tuple[str, _Cell]], folded: tuple[str, ...]
) -> Table | None:
    """The known columns that any row has, then what else it says in numbers and words."""
    if not rows:
        return None
    present = list(dict.fromkeys(key for row in rows for key in row))
    known = [columns[key] for key in columns if key in present]
    other = [
        key
        for key in present
        if key not in columns
        and key not in folded
        and all(isinstance(row.get(key), str | int | float | None) for row in rows)
        and any(row.get(key) is not None for row in rows)
    ]
    return Table(
        heads=(*(head for head, _ in known), *(key.replace("_", " ") for key in other)),
        rows=tuple(
            (*(cell(row) for _, cell in known), *(_plain(row.get(key)) for key in other)) for row in rows
        ),
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def _of(key: str) -> _Cell:
    return lambda row: _plain(row.get(key))


def _with_ends(key: str, ends: str, *, factor: float = 1.0, form: str = ".2f") -> _Cell:
    """A number and its interval; what is not known is a dash, never a number."""

    def cell(row: Mapping[str, Any]) -> str:
        if row.get(key) is None:
            return "—"
        value = f"{factor * row[key]:{form}}"
        if row.get(ends) is None:
            return value
        low, high = (f"{factor * end:{form}}" for end in row[ends])
        return f"{value} [{low}, {high}]"

    return cell


_ROUNDS: dict[str, tuple[str, _Cell]] = {
    "round": ("round", _of("round")),
    "asked": ("asked", _of("asked")),
    "annotated": ("annotated", _of("annotated")),
    "usd": ("cost so far", lambda row: money(row.get("usd"))),
    "valid_accuracy": ("right on valid %", _with_ends("valid_accuracy", "ci95", factor=100, form=".1f")),
    "n": ("items", _of("n")),
}
_CALIBRATION: dict[str, tuple[str, _Cell]] = {
    "score": ("score", _of("score")),
    "of": ("of", _of("of")),
    "n": ("items", _of("n")),
    "wrong": ("wrong", _of("wrong")),
    "auroc": ("AUROC", _with_ends("auroc", "auroc_ci95")),
    "rank_correlation": ("rank correlation", _with_ends("rank_correlation", "rank_correlation_ci95")),
    "student_tokens_per_item": (
        "student tokens an item",
        _with_ends("student_tokens_per_item", "", form=",.1f"),
    ),
}
