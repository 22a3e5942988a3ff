"""Show things to people: tables, progress, errors.

On stdout what was asked for, on stderr what goes on meanwhile.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from tuition.core.protocols import Listener
from tuition.core.records import Json
from tuition.report import Row, money

__all__ = ["print_json", "print_rows", "print_table", "progress_bars", "say"]

_WIDTH = None if sys.stdout.isatty() else 160
"""A pipe has no width of its own; tables are then as wide as they need to be, within reason."""
_OUT = Console(width=_WIDTH)
_ERR = Console(stderr=True, width=None if sys.stderr.isatty() else 160)


def say(text: str, *, is_error: bool = False) -> None:
    """Print a sentence.

    Args:
        text: Printed as it is; square brackets are no markup.
        is_error: To stderr rather than stdout.
    """
    (_ERR if is_error else _OUT).print(text, markup=False, highlight=False, soft_wrap=True)


def print_json(value: Mapping[str, Json] | list[Json]) -> None:
    """Print a value for machines.

    Args:
        value: What to print.
    """
    _OUT.out(json.dumps(value, indent=2, ensure_ascii=False), highlight=False)


def print_table(title: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Print rows under the names of the first one's entries.

    Args:
        title: Stands above.
        rows: Numbers stand to the right.
    """
    _OUT.print(_table(title, list(rows)))


def _table(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        is_number = isinstance(rows[0][name], int | float)
        table.add_column(str(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    return table


def print_rows(title: str, rows: list[Row]) -> None:
    """Print a result table: accuracies in per cent, money in dollars.

    Args:
        title: Stands above.
        rows: From `report.rows_of`.
    """
    is_all_gold = all(row.label_source == "gold" for row in rows)
    print_table(title, [_shown(row, names_labels=not is_all_gold) for row in rows])


class _Screen:
    """Shows what a run tells: bars and tables, on stderr."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def progress(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total, visible=done < total)

    def table(self, title: str, rows: Sequence[Mapping[str, Json]]) -> None:
        self._bars.console.print(_table(title, rows))


@contextmanager
def progress_bars() -> Generator[Listener]:
    """Show how runs go, on stderr, while they go.

    Yields:
        What the runs tell it to.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_ERR, transient=True) as bars:
        yield _Screen(bars)


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)


def _shown(row: Row, *, names_labels: bool) -> dict[str, object]:
    gain = ""
    if row.difference is not None and row.difference_low is not None and row.difference_high is not None:
        low, high = 100 * row.difference_low, 100 * row.difference_high
        gain = f"{100 * row.difference:+.1f} [{low:+.1f}, {high:+.1f}]"
    return {
        "row": row.name,
        "items": row.n,
        **({"labels": row.label_source} if names_labels else {}),
        "right %": f"{100 * row.accuracy:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]",
        "unreadable %": f"{100 * row.unreadable:.1f}",
        "over label_only": gain,
        "cost": money(row.usd),
        "paid": money(row.paid_usd),
        "remark": row.remark,
    }
