"""What several commands share: arguments and options, sentences, tables, progress, JSON.

The result goes to stdout, progress and errors to stderr.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from tuition.core.plugins import is_trusting, trust_all
from tuition.core.texts.visible import visible

if TYPE_CHECKING:
    from tuition.core.protocols import Listener
    from tuition.core.records import Json as JsonValue
    from tuition.experiment.config import Experiment
    from tuition.report import Row

__all__ = [
    "Config",
    "Database",
    "Folder",
    "Json",
    "Settings",
    "Trust",
    "Yes",
    "answer",
    "answer_in_json",
    "print_json",
    "print_rows",
    "print_table",
    "progress_bars",
    "resolved",
    "say",
    "trusting",
    "typed",
]

_WIDTH = None if sys.stdout.isatty() else 160
"""A pipe has no width of its own; tables are then as wide as they need to be, within reason."""
_OUT = Console(width=_WIDTH)
_JSON = Console(width=_WIDTH)
_ERR = Console(stderr=True, width=None if sys.stderr.isatty() else 160)


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


Config = Annotated[Path, typer.Argument(help="A TOML file; `tuition init` writes one.")]
Settings = Annotated[list[str] | None, typer.Argument(help="Overrides, such as seed=3 training.steps=50.")]
Folder = Annotated[Path, typer.Argument(help="A run folder, or one that holds several.")]
Database = Annotated[Path, typer.Argument(help="The store, such as tuition.db.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.", callback=answer_in_json)]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run code that it names and no installed package has.", callback=trusting),
]
Yes = Annotated[bool, typer.Option("--yes", help="Answer confirmations with yes.")]


def resolved(config: Path, settings: list[str] | None) -> Experiment:
    """Read a configuration file with its overrides."""
    from tuition.core.config import read_toml
    from tuition.experiment.config import resolve

    return resolve(read_toml(config), tuple(settings or ()), where=str(config), folder=config.parent)


def say(text: str, *, is_error: bool = False) -> None:
    """Print a sentence; square brackets are no markup, control characters are shown as escapes."""
    (_ERR if is_error else _OUT).print(visible(text), markup=False, highlight=False, soft_wrap=True)


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
    _OUT.print(_table(title, list(rows)))


def _table(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    table = Table(title=escape(visible(title)), title_justify="left")
    for name in rows[0] if rows else ():
        is_number = isinstance(rows[0][name], int | float)
        table.add_column(
            escape(visible(str(name))), justify="right" if is_number else "left", overflow="fold"
        )
    for row in rows:
        cells = [f"{value:.3f}" if isinstance(value, float) else value for value in row.values()]
        table.add_row(*("" if cell is None else escape(visible(str(cell))) for cell in cells))
    return table


def print_rows(title: str, rows: list[Row]) -> None:
    """Print a result table: accuracies in per cent, money in dollars."""
    from tuition.report.columns import RESULTS, lay_out

    readers = {row.reader for row in rows}
    without = {"split"}
    without |= {"label_source"} if all(row.label_source == "gold" for row in rows) else set()
    without |= {"reader"} if len(readers) == 1 else set()
    table = lay_out([row.to_json() for row in rows], RESULTS, without=without)
    print_table(f"{title}, read by {readers.pop()}" if len(readers) == 1 else title, table.shown)


class _Screen:
    """Shows what a run reports: bars and tables, on stderr."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def progress(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(escape(visible(stage)), total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total, visible=done < total)

    def table(self, title: str, rows: Sequence[Mapping[str, JsonValue]]) -> None:
        self._bars.console.print(_table(title, rows))


@contextmanager
def progress_bars() -> Generator[Listener]:
    """Show on stderr how runs go, as the runs report it to the listener."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_ERR, transient=True) as bars:
        yield _Screen(bars)
