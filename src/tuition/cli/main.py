"""The commands: each prints what it wrote and the next likely command.

Nothing heavy is imported before it is needed.

Exit codes: 0 done, 2 the user's mistake, 3 the budget was spent before the end, 1 anything else.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import sys
import traceback
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal

import typer

from tuition import __version__
from tuition.cli.batch import batch
from tuition.cli.store import store
from tuition.core.errors import BudgetSpent, ConfigError, DataError, MissingExtra, TeacherError, TuitionError
from tuition.core.texts.visible import visible

__all__ = ["app", "main"]

_OF_PATHS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
"""What a wrong path comes to."""
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS)
"""What a disk comes to, whoever wrote."""

app = typer.Typer(
    help="Several teachers, one small student, one budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
playground = typer.Typer(
    help="The offline world: tasks, simulated teachers, their server.", no_args_is_help=True
)
app.add_typer(playground, name="playground")
app.add_typer(store, name="store")
app.add_typer(batch, name="batch")

Config = Annotated[Path, typer.Argument(help="A TOML file; `tuition init` writes one.")]
Settings = Annotated[list[str] | None, typer.Argument(help="Overrides, such as seed=3 training.steps=50.")]
Folder = Annotated[Path, typer.Argument(help="A run folder, or one that holds several.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", help="Answer confirmations with yes.")]


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs/demo"), json: Json = False
) -> None:
    """Run the whole journey offline: simulated teachers, the embedded student, one table, one page."""
    from tuition.cli.run import run_demo

    run_demo(out, as_json=json)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("tuition.toml"),
    kind: Annotated[
        str, typer.Option(help="playground or elad (both work offline), or files (your data, your teachers).")
    ] = "playground",
    json: Json = False,
) -> None:
    """Write a commented configuration."""
    from tuition.cli.run import write_starter

    write_starter(path, kind, as_json=json)


@app.command()
def check(
    config: Config,
    settings: Settings = None,
    *,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also look over the runs without one of its parts at a time.")
    ] = False,
    json: Json = False,
) -> None:
    """Check a configuration and its data, and say what a run would cost; spend nothing."""
    from tuition.cli.check import check_config

    check_config(config, tuple(settings or ()), is_ablated=ablate, as_json=json)


@app.command()
def pilot(
    config: Config,
    settings: Settings = None,
    *,
    examples: Annotated[int, typer.Option(min=1, help="How many training examples to ask about.")] = 50,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Try every teacher on a few training examples, and say which teachers and route the numbers favour."""
    from tuition.cli.pilot import run_pilot

    run_pilot(config, tuple(settings or ()), examples=examples, is_confirmed=yes, as_json=json)


@app.command()
def run(
    config: Config,
    settings: Settings = None,
    *,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also run it without one of its parts at a time.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Run a configuration, or go on with it; a finished run is shown and costs nothing."""
    from tuition.cli.run import run_config

    run_config(config, tuple(settings or ()), is_ablated=ablate, is_confirmed=yes, as_json=json)


@app.command()
def resume(folder: Folder, yes: Yes = False, json: Json = False) -> None:
    """Go on with a run that was interrupted."""
    from tuition.cli.run import resume_run

    resume_run(folder, is_confirmed=yes, as_json=json)


@app.command()
def show(
    folder: Folder,
    unreadable: Annotated[
        bool, typer.Option("--unreadable", help="List the answers nobody could read.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the result table of a run and what stands beside it."""
    from tuition.cli.run import show_folder

    show_folder(folder, unreadable=unreadable, as_json=json)


@app.command()
def compare(left: Folder, right: Folder, json: Json = False) -> None:
    """Hold two runs against each other on the same items."""
    from tuition.cli.run import compare_folders

    compare_folders(left, right, as_json=json)


@app.command()
def curve(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders that hold some.")],
    *,
    split: Annotated[
        Literal["valid", "test"], typer.Option(help="valid has a point a round, test one a run.")
    ] = "valid",
    out: Annotated[Path | None, typer.Option(help="Draw a chart into this file: .svg or .html.")] = None,
    at: Annotated[
        float | None, typer.Option(min=0, max=1, help="What does this accuracy cost? A share, such as 0.7.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what accuracy the runs' money has bought, with intervals over seeds."""
    from tuition.cli.look import show_curves

    show_curves(runs, split=split, out=out, at=at, as_json=json)


@app.command()
def report(folder: Folder, json: Json = False) -> None:
    """Write one HTML page about a folder of runs."""
    from tuition.cli.run import write_report

    write_report(folder, as_json=json)


@app.command("import")
def import_replies(
    files: Annotated[list[Path], typer.Argument(help="Files, folders of data sets, or hub:NAME:SPLIT.")],
    *,
    form: Annotated[str, typer.Option(help="How they are written; docs/exchange.md has all forms.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("replies.jsonl"),
    teacher: Annotated[str, typer.Option(help="Who replied, in place of the models the files name.")] = "",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="List rows that cannot be used in a file, and leave them out.")
    ] = False,
    json: Json = False,
) -> None:
    """Turn completions of other tools into replies of a recorded teacher."""
    from tuition.cli import exchange

    exchange.import_replies(files, out, form=form, teacher=teacher, skips_bad=skip_bad, as_json=json)


@app.command("export")
def export_replies(
    folder: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    *,
    form: Annotated[str, typer.Option(help="How it is to be written; docs/exchange.md has all forms.")],
    out: Annotated[Path, typer.Option(help="The file to write, or the folder of a data set.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Take along what the student did not learn from.")
    ] = False,
    json: Json = False,
) -> None:
    """Write what the teachers of a run wrote as other trainers read it, with a data card."""
    from tuition.cli import exchange

    exchange.export_replies(folder, out, form=form, uses_all=everything, as_json=json)


@app.command()
def probe(
    config: Config,
    settings: Settings = None,
    *,
    teacher: Annotated[str, typer.Option(help="Whom to try; else every teacher behind an endpoint.")] = "",
    json: Json = False,
) -> None:
    """Find out what the teachers' endpoints can do, with at most seven small calls each, which are paid."""
    from tuition.cli.probe import probe_teachers

    probe_teachers(config, tuple(settings or ()), only=teacher, as_json=json)


@app.command("list")
def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where the runs lie.")] = Path("runs"), json: Json = False
) -> None:
    """List the runs of a folder, and the names a configuration may use."""
    from tuition.cli.run import list_folder

    list_folder(folder, as_json=json)


@playground.command()
def serve(
    *,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.")] = 8765,
    host: Annotated[
        str, typer.Option(help="Address to bind; loopback unless you say otherwise.")
    ] = "127.0.0.1",
    fault: Annotated[
        list[str] | None, typer.Option(help="Such as rate_limit=0.1: a share of all calls.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Such as latency_s=0.2 or requests_per_minute=60.")
    ] = None,
    ledger: Annotated[Path | None, typer.Option(help="Write one line a payment to this file.")] = None,
) -> None:
    """Serve the simulated teachers over HTTP, as an OpenAI-compatible endpoint."""
    from tuition.cli.run import serve_playground

    serve_playground(host, port, faults=tuple(fault or ()), settings=tuple(setting or ()), ledger=ledger)


def main() -> None:
    """Run the command line; an expected error is one clear text and an exit code."""
    sys.excepthook = _show_traceback
    try:
        with _showing_warnings():
            # Calling `app` itself would put typer's hook, which prints texts as they are, in place of ours.
            typer.main.get_command(app)()
    except TuitionError as error:
        typer.echo(visible(f"error: {error}"), err=True)
        sys.exit(_exit_code(error))
    except OSError as fault:
        is_path = isinstance(fault, _OF_PATHS)
        # one that names neither a file nor a full disk is a mistake of ours, and its trace is wanted
        if fault.filename is None and not is_path and fault.errno not in _OF_DISKS:
            raise
        place = "" if fault.filename is None else f": {str(fault.filename)!r}"
        typer.echo(visible(f"error: {fault.strerror or fault}{place}"), err=True)
        sys.exit(2 if is_path else 1)


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    typer.echo(visible("".join(traceback.format_exception(kind, error, trace))), err=True, nl=False)


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


@contextlib.contextmanager
def _showing_warnings() -> Generator[None]:
    """Show what the package warns of on stderr, as long as a command runs."""
    shown, log = logging.StreamHandler(), logging.getLogger("tuition")
    shown.setFormatter(_VisibleFormatter("warning: %(message)s"))
    log.addHandler(shown)
    try:
        yield
    finally:
        log.removeHandler(shown)


def _exit_code(error: TuitionError) -> int:
    if isinstance(error, BudgetSpent):
        return 3
    is_users = isinstance(error, ConfigError | DataError | MissingExtra | TeacherError)
    return 2 if is_users or isinstance(error, ValueError | ImportError) else 1
