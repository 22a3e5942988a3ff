"""What several commands share: sentences, tables, progress, JSON.

The result goes to stdout, progress and errors to stderr.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tuition.core.plugins import is_trusting, trust_all
from tuition.core.texts.visible import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tuition.core.protocols import Listener
    from tuition.core.records import Json as JsonValue
    from tuition.experiment.config import Experiment
    from tuition.report import Row

__all__ = [
    "answer",
    "answer_in_json",
    "paragraph",
    "print_json",
    "print_rows",
    "print_table",
    "progress_bars",
    "resolved",
    "say",
    "time_left",
    "trusting",
    "typed",
]

_PIPE = None if "COLUMNS" in os.environ else 160
"""A pipe has no width of its own; tables are then as wide as they need to be, within reason."""
_OUT = Console(width=None if sys.stdout.isatty() else _PIPE)
_JSON = Console(width=160)
_ERR = Console(stderr=True, width=None if sys.stderr.isatty() else _PIPE)


def answer_in_json(context: typer.Context, is_wanted: bool) -> bool:
    """With --json, silence sentences and tables while the command runs; `answer` alone prints then."""
    _OUT.quiet = is_wanted
    context.call_on_close(lambda: setattr(_OUT, "quiet", False))
    return is_wanted


def answer(value: Mapping[str, JsonValue] | list[JsonValue]) -> bool:
    """Print a value for machines where the command has --json, and say whether it has."""
    if _OUT.quiet:
        print_json(value)
    return _OUT.quiet


def trusting(context: typer.Context, is_wanted: bool) -> bool:
    """With --trust, code that configurations name is trusted while the command runs."""
    trust_all(is_wanted)
    context.call_on_close(lambda: trust_all(False))
    return is_wanted


def resolved(config: Path, settings: list[str] | None) -> Experiment:
    """Read a configuration file with its overrides."""
    from tuition.core.config import read_toml
    from tuition.experiment.config import resolve

    return resolve(read_toml(config), tuple(settings or ()), where=str(config), folder=config.parent)


def say(text: str) -> None:
    """Print a sentence; square brackets are no markup, control characters are shown as escapes."""
    _OUT.print(visible(text), markup=False, highlight=False, soft_wrap=True)


def typed(*words: object) -> str:
    """Write a command of this program as it can be typed where this one was.

    The program is `tuition` where the shell finds it by that name, else the path by which it was called. What
    runs a configuration is trusted as this command was.
    """
    called = sys.argv[0]
    program = [called]
    if Path(called).name == "__main__.py":
        program = [sys.orig_argv[0], "-m", "tuition"]
    elif (found := shutil.which("tuition")) and Path(called).exists() and os.path.samefile(found, called):
        program = ["tuition"]
    trust = ["--trust"] if is_trusting() and words[0] in ("check", "pilot", "resume", "run") else []
    return shlex.join([*program, *map(str, words), *trust])


def print_json(value: Mapping[str, JsonValue] | list[JsonValue]) -> None:
    """Print a value for machines."""
    _JSON.out(visible(json.dumps(value, indent=2, ensure_ascii=False)), highlight=False)


def print_table(title: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Print rows under the names of the first one's entries; numbers stand to the right."""
    _print_fitting(_OUT, title, list(rows))


_ROOM = 24
"""Words in a cell may wrap, in a column that keeps this width."""
_GAP = 2
_INTERVAL = re.compile(r" \[[^\]]*\]$")
_NUMBER = re.compile(r"[\d\s.,:/%$<+−–—\[\]-]*|unknown|never")


@dataclass(frozen=True)
class _Fitted:
    """Heads and cells of a table as text, which gives way until it fits a width."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def widths(self, room: int) -> list[int] | None:
        """Share a line out among the columns; None: some word would break."""
        needs, wants = [], []
        for head, cells in zip(self.heads, zip(*self.rows, strict=True), strict=True):
            lines = [line for cell in cells for line in cell.splitlines()]
            longest = max(map(cell_len, lines), default=0)
            words = max((cell_len(word) for line in [head, *lines] for word in line.split()), default=0)
            needs.append(max(words, min(longest, _ROOM)))
            wants.append(max(longest, cell_len(head)))
        spare = room - sum(needs) - _GAP * (len(needs) - 1)
        if spare < 0:
            return None
        for i, want in enumerate(wants):
            more = min(spare, max(0, want - needs[i]))
            needs[i], spare = needs[i] + more, spare - more
        return needs

    def without(self, i: int) -> _Fitted:
        rows = tuple(row[:i] + row[i + 1 :] for row in self.rows)
        return _Fitted(self.heads[:i] + self.heads[i + 1 :], rows)

    def smaller(self) -> tuple[_Fitted, str]:
        """Take out the last intervals, else the last numbers, and name them; empty: nothing can go."""
        columns = list(zip(*self.rows, strict=True))
        for i in reversed(range(len(columns))):
            if any(map(_INTERVAL.search, columns[i])):
                shorter = ((*row[:i], _INTERVAL.sub("", row[i]), *row[i + 1 :]) for row in self.rows)
                return replace(self, rows=tuple(shorter)), f"the intervals of {self.heads[i]}"
        for i in reversed(range(3, len(columns))):
            if _is_number(columns[i]):
                return self.without(i), self.heads[i]
        return self, ""


def _print_fitting(console: Console, title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table no wider than the screen.

    Remarks give way first, then intervals, then the last numbers, and it is said what is left out. Words stay
    whole: where not even that is enough, each row is a paragraph.
    """
    write = partial(_write, console)
    console.print(visible(title), style="bold", markup=False, highlight=False)
    if not rows:
        return
    whole = table = _Fitted(
        tuple(visible(str(name)) for name in rows[0]),
        tuple(tuple(_cell(value) for value in row.values()) for row in rows),
    )
    remarks: dict[str, list[str]] = {}
    if table.widths(console.width) is None and "remark" in table.heads[1:]:
        i = table.heads.index("remark")
        for row in table.rows:
            for part in filter(None, row[i].split("; ")):
                remarks.setdefault(part, []).append(row[0])
        table = table.without(i)
    lost: list[str] = []
    while (widths := table.widths(console.width)) is None:
        table, what = table.smaller()
        if not what:
            break
        lost.append(what)
    if widths is None:
        for row in whole.rows:
            write(row[0], 0)
            cells = zip(whole.heads[1:], row[1:], strict=True)
            write("; ".join(f"{head}: {cell}" for head, cell in cells if cell))
        return
    console.print(_drawn(table, widths))
    for remark, names in remarks.items():
        is_all = len(names) == len(rows) > 1
        write(f"{remark}: {'every row' if is_all else ', '.join(names)}")
    if lost:
        write(f"no room here for {', '.join(reversed(lost))}; a wider terminal shows it")


def paragraph(text: str, *, indent: int = 2, most: int = 80) -> None:
    """Print a text in lines no wider than the screen, and than `most`."""
    _write(_OUT, visible(text), indent, most=most)


def _write(console: Console, text: str, indent: int = 2, *, most: int = sys.maxsize) -> None:
    for line in Text(text).wrap(console, min(console.width, most) - indent):
        console.print(" " * indent + line.plain.rstrip(), markup=False, highlight=False, soft_wrap=True)


def _is_number(cells: Sequence[str]) -> bool:
    return all(map(_NUMBER.fullmatch, cells))


def _drawn(table: _Fitted, widths: list[int]) -> Table:
    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for i, (head, width) in enumerate(zip(table.heads, widths, strict=True)):
        is_number = _is_number([row[i] for row in table.rows])
        drawn.add_column(escape(head), width=width, justify="right" if is_number else "left")
    for row in table.rows:
        drawn.add_row(*map(escape, row))
    return drawn


def _cell(value: object) -> str:
    return "" if value is None else visible(f"{value:.3f}" if isinstance(value, float) else str(value))


def print_rows(title: str, rows: list[Row]) -> None:
    """Print a result table: accuracies in per cent, money in dollars."""
    from tuition.report.columns import RESULTS, lay_out

    readers = {row.reader for row in rows}
    without = {"split"}
    without |= {"label_source"} if all(row.label_source == "gold" for row in rows) else set()
    if len(readers) == 1:
        title, without = f"{title}, read by {readers.pop()}", without | {"reader"}
    if len(sizes := {row.n for row in rows}) == 1:
        title, without = f"{title}, {sizes.pop():,} items", without | {"n"}
    without |= set() if any(row.difference is not None for row in rows) else {"difference"}
    print_table(title, lay_out([row.to_json() for row in rows], RESULTS, without=without).shown)


class _Screen:
    """Shows what a run reports: bars and tables, on stderr."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._rows = (0, 0)
        # From when on the pace is measured, and how many rows were finished by then.
        self._began, self._found = time.monotonic(), 0

    def progress(self, stage: str, done: int, total: int) -> None:
        if stage == "rows":
            self._rows = done, total
            # The first row also loads torch, and earlier rows are read in a moment: neither tells the pace.
            if done == 1 or time.monotonic() - self._began < 1:
                self._began, self._found = time.monotonic(), done
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(escape(visible(stage)), total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total, visible=done < total)
        if "rows" in self._tasks:
            left = time_left(
                self._rows[0] - self._found, self._rows[1] - self._found, time.monotonic() - self._began
            )
            place = f"row {min(self._rows[0] + 1, self._rows[1])} of {self._rows[1]}"
            self._bars.update(self._tasks["rows"], description=", ".join(filter(None, (place, left))))

    def table(self, title: str, rows: Sequence[Mapping[str, JsonValue]]) -> None:
        _print_fitting(self._bars.console, title, rows)


def time_left(done: int, total: int, elapsed_s: float) -> str:
    """Say how long the rest takes at the pace so far, such as `3 min left`; empty: nothing is done yet."""
    if not 0 < done < total:
        return ""
    rest = elapsed_s / done * (total - done)
    return f"{rest:.0f} s left" if rest < 90 else f"{rest / 60:.0f} min left"


@contextmanager
def progress_bars() -> Generator[Listener]:
    """Show on stderr how runs go, as the runs report it to the listener."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_ERR, transient=True) as bars:
        yield _Screen(bars)
