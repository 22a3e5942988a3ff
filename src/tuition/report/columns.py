"""The columns of every table of results, each said once: what it shows, its head, how a cell is written.

Terminal, page and card lay their tables out from here, and escape the cells. Knows no recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuition.core.records import Record

__all__ = [
    "ABLATION",
    "CALIBRATION",
    "ESTIMATES",
    "MADE",
    "PARTS",
    "RESULTS",
    "ROUNDS",
    "Column",
    "Table",
    "lay_out",
    "money",
    "parts_of",
    "per_cent",
]

_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    key: str
    """Entry of a row; a table has the column where one of its rows has the entry."""
    head: str
    cell: Callable[[_Row], str]
    is_text: bool = False
    """Words stand to the left, numbers to the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Record):
    """Rows of text, laid out."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    """Each as long as the columns."""

    @property
    def heads(self) -> tuple[str, ...]:
        """The head of each column."""
        return tuple(column.head for column in self.columns)

    @property
    def shown(self) -> list[dict[str, str]]:
        """The cells of each row by their heads."""
        return [dict(zip(self.heads, cells, strict=True)) for cells in self.rows]


def lay_out(
    rows: Sequence[_Row],
    columns: Sequence[Column],
    *,
    without: Collection[str] = (),
    has_others: bool = False,
) -> Table:
    """Lay rows out in those of the columns that they have.

    Args:
        rows: Entries by key.
        columns: In order.
        without: Keys that are not shown.
        has_others: Whether further words and numbers get a column by their key, behind the others.

    Returns:
        The table.
    """
    present = dict.fromkeys(key for row in rows for key in row if key not in without)
    shown = [column for column in columns if column.key in present]
    if has_others:
        # An interval stands beside its number.
        known = {column.key for column in columns} | {key for key in present if key.endswith("ci95")}
        for key in (key for key in present if key not in known):
            values = [row[key] for row in rows if row.get(key) is not None]
            if values and all(isinstance(value, str | int | float) for value in values):
                shown.append(_plain(key, key.replace("_", " ")))
    return Table(
        columns=tuple(shown), rows=tuple(tuple(column.cell(row) for column in shown) for row in rows)
    )


def money(usd: float | None) -> str:
    """Write dollars as a person does, such as `$0.06`, `$1,204` or `< $0.01`.

    Args:
        usd: None: unknown, and never shown as 0.

    Returns:
        The text; cents up to 1,000 dollars.
    """
    if usd is None:
        return "unknown"
    if 0 < usd < 0.005:
        return "< $0.01"
    return f"${usd:,.2f}" if usd < 999.995 else f"${usd:,.0f}"


def per_cent(share: float | None, ends: Sequence[float | None] | None, *, sign: str = "") -> str:
    """Write a share, or with `sign="+"` a difference, with its interval, such as `41.0 [38.2, 44.1]`.

    Args:
        share: In [-1, 1]; None: there is none.
        ends: Of its interval.
        sign: `+` where it is a difference, which then always has its sign.

    Returns:
        The text; empty where something is missing.
    """
    numbers = (share, *(ends or (None,)))
    # A zero has no sign.
    told = [f"{round(100 * number, 1) + 0.0:{sign}.1f}" for number in numbers if number is not None]
    return f"{told[0]} [{told[1]}, {told[2]}]" if len(told) == 3 else ""


def _plain(key: str, head: str = "", *, is_text: bool = False) -> Column:
    def cell(row: _Row) -> str:
        match row.get(key):
            case None:
                return ""
            case bool(value):
                return "yes" if value else "no"
            case float(value):
                return f"{value:.3f}"
            case int(value):
                return f"{value:,}"
            case value:
                return value

    return Column(key, head or key, cell, is_text)


def _words(key: str, head: str = "") -> Column:
    return _plain(key, head, is_text=True)


def _money(key: str, head: str) -> Column:
    return Column(key, head, lambda row: money(row.get(key)))


def _number(key: str, head: str, ends: str = "", *, form: str = ".2f") -> Column:
    """A number with its interval, if it has one; what is not known is a dash, never a number."""

    def cell(row: _Row) -> str:
        if row.get(key) is None:
            return "—"
        value = f"{row[key]:{form}}"
        return f"{value} [{row[ends][0]:{form}}, {row[ends][1]:{form}}]" if row.get(ends) else value

    return Column(key, head, cell)


def _of_paid(key: str, head: str) -> Column:
    return Column(key, head, lambda row: f"{row[key] / row['paid_usd']:.2f}" if row["paid_usd"] else "")


_REMARK = _words("remark")
RESULTS = (
    _words("name", "row"),
    _words("split"),
    _plain("n", "items"),
    _words("label_source", "labels"),
    _words("reader"),
    Column("accuracy", "right %", lambda row: per_cent(row["accuracy"], (row["low"], row["high"]))),
    Column("unreadable", "unreadable %", lambda row: f"{100 * row['unreadable']:.1f}"),
    Column(
        "difference",
        "over label_only",
        lambda row: per_cent(row["difference"], (row["difference_low"], row["difference_high"]), sign="+"),
    ),
    _money("usd", "cost"),
    _money("paid_usd", "paid"),
    _REMARK,
)
"""Of `report.Row`."""
ABLATION = (
    _words("name"),
    _words("split"),
    _plain("n"),
    _words("labels"),
    Column("accuracy", "right %", lambda row: per_cent(row["accuracy"], row["ci95"])),
    Column(
        "difference",
        "over the main run",
        lambda row: per_cent(row["difference"], row["difference_ci95"], sign="+"),
    ),
    _plain("p"),
    _money("usd", "cost"),
    _REMARK,
)
"""Of `ablation.json`."""
ROUNDS = (
    _words("round"),
    _plain("asked"),
    _plain("annotated"),
    _money("usd", "cost so far"),
    Column(
        "valid_accuracy",
        "right on valid %",
        lambda row: per_cent(row.get("valid_accuracy"), row.get("ci95")) or "—",
    ),
    _plain("n", "items"),
)
"""Of the entry `rounds` of the metrics."""
CALIBRATION = (
    _words("score"),
    _words("of"),
    _plain("n", "items"),
    _plain("wrong"),
    _number("auroc", "AUROC", "auroc_ci95"),
    _number("rank_correlation", "rank correlation", "rank_correlation_ci95"),
    _number("student_tokens_per_item", "student tokens an item", form=",.1f"),
)
"""Of the entry `calibration`."""
STEPWISE = (
    _words("domain"),
    _plain("n", "items"),
    _number("recall", "knowledge recalled, F1"),
    _number("use", "its use, F1"),
    *(
        Column(key, head, lambda row, key=key: f"{100 * row[key]:.1f}")
        for key, head in (("answer", "right %"), ("told", "right % with the knowledge given"))
    ),
    Column("p", "p (McNemar)", lambda row: f"{row['p']:.2g}"),
)
"""Of the rows of `stepwise.json`."""
VERIFIED = (
    _words("hypothesis", "the student errs where"),
    Column("precision", "precision %", lambda row: per_cent(row["precision"], row["ci95"])),
    Column("recall", "recall %", lambda row: f"{100 * row['recall']:.0f}"),
    _plain("flagged", "items"),
    Column("p", "p (Fisher)", lambda row: f"{row['p']:.2g}"),
)
"""Of the verified hypotheses in `errors.json`."""
ESTIMATES = (
    _words("teacher"),
    _plain("calls", "calls paid"),
    _money("guessed_usd", "guessed"),
    _money("bound_usd", "at most"),
    _money("paid_usd", "paid"),
    _of_paid("guessed_usd", "guessed ÷ paid"),
    _of_paid("bound_usd", "at most ÷ paid"),
)
"""Of the entry `estimates`: what calls were guessed to cost, and at most, beside what they did."""
PARTS = (
    _words("name", "label or field"),
    _plain("n", "items"),
    _plain("said"),
    _plain("right"),
    Column("unreadable", "unreadable %", lambda row: f"{100 * row['unreadable']:.1f}"),
    _number("accuracy", "share right"),
    _number("precision", "precision"),
    _number("recall", "recall"),
    _number("f1", "F1"),
    _words("instead", "said instead"),
)
"""Of the entries `by_label` and `by_field` of a split's figures."""
MADE = (
    _words("run"),
    _words("recipe"),
    _plain("seed"),
    _plain("examples", "training examples"),
    _plain("parameters"),
    _plain("calls"),
    _plain("reused_calls", "reused"),
    _plain("unknown", "unknown outcomes"),
    Column("wall_s", "seconds", lambda row: f"{row['wall_s']:.0f}"),
    _words("config_hash", "configuration"),
    _words("code", "source"),
)
"""How a run was made."""


def parts_of(figures: _Row) -> list[dict[str, Any]]:
    """List the labels or the fields of a split's figures, with what was said in the place of a label.

    Args:
        figures: The entry `valid` or `test` of the metrics.

    Returns:
        Rows for `PARTS`; none where answers have no such form.
    """
    parts = figures.get("by_label") or figures.get("by_field") or {}
    rows = []
    for name, part in parts.items():
        row = {"name": name, **{key: value for key, value in part.items() if key != "confused"}}
        if "confused" in part:
            said = (f"{other or 'unreadable'} {count}" for other, count in part["confused"].items())
            row["instead"] = ", ".join(said)
        rows.append(row)
    return rows
