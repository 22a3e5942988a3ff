"""The program: its commands, and how each error ends it.

Each command prints what it wrote and the next likely command, and imports what is heavy when it runs.

Exit codes: 0 done, 2 the user's mistake, 3 the budget was spent before the end, 1 anything else.
"""

from __future__ import annotations

import errno
import gc
import logging
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer

from tuition.cli import exchange, look, run
from tuition.cli.check import advise, check, doctor, pilot
from tuition.cli.exchange import batch
from tuition.cli.predict import cascade, errors, predict, stepwise
from tuition.cli.serve import capture, serve
from tuition.cli.store import store
from tuition.core.errors import BudgetSpent, ConfigError, DataError, MissingExtra, TeacherError, TuitionError
from tuition.core.texts.visible import visible
from tuition.version import __version__

playground = typer.Typer(
    help="The offline world: tasks, simulated teachers, their server.", no_args_is_help=True
)


@playground.callback()
def _group() -> None:
    """Keep `serve` a command of a group."""


@playground.command("serve")
def serve_teachers(
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
    from tuition.core.config import override, parse
    from tuition.playground import serving

    faults = parse(serving.Faults, override({}, tuple(fault or ())), where="--fault")
    config = parse(serving.ServerConfig, override({}, tuple(setting or ())), where="--set")
    serving.serve(host=host, port=port, faults=faults, config=config, ledger=ledger)


_OF_PATHS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors of a wrong path."""
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS)
"""Errors of a disk, at any file."""

app = typer.Typer(
    help="Several teachers, one small student, one budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = {
    "demo": run.demo,
    "init": run.init,
    "doctor": doctor,
    "check": check,
    "pilot": pilot,
    "advise": advise,
    "run": run.run,
    "resume": run.resume,
    "show": look.show,
    "compare": look.compare,
    "curve": look.curve,
    "report": look.report,
    "import": exchange.import_replies,
    "export": exchange.export_replies,
    "predict": predict,
    "cascade": cascade,
    "errors": errors,
    "stepwise": stepwise,
    "serve": serve,
    "capture": capture,
    "probe": look.probe,
    "list": look.list_runs,
    "keys": look.list_keys,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
app.add_typer(playground, name="playground")
app.add_typer(store, name="store")
app.add_typer(batch, name="batch")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; an expected error is one clear text and an exit code."""
    # Of what a command makes, nearly all stays: looking for cycles so seldom saves a tenth of the time.
    gc.set_threshold(50_000, 20, 20)
    sys.excepthook = _show_traceback
    shown, log = logging.StreamHandler(), logging.getLogger("tuition")
    shown.setFormatter(_VisibleFormatter("warning: %(message)s"))
    log.addHandler(shown)
    try:
        # Calling `app` itself would put typer's hook, which prints texts as they are, in place of ours.
        typer.main.get_command(app)()
    except TuitionError as error:
        typer.echo(visible(f"error: {error}"), err=True)
        sys.exit(exit_code(error))
    except OSError as fault:
        is_path = isinstance(fault, _OF_PATHS)
        # one that names neither a file nor a full disk is a mistake of ours, and its trace is wanted
        if fault.filename is None and not is_path and fault.errno not in _OF_DISKS:
            raise
        place = "" if fault.filename is None else f": {str(fault.filename)!r}"
        typer.echo(visible(f"error: {fault.strerror or fault}{place}"), err=True)
        sys.exit(2 if is_path else 1)
    finally:
        log.removeHandler(shown)


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    typer.echo(visible("".join(traceback.format_exception(kind, error, trace))), err=True, nl=False)


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def exit_code(error: TuitionError) -> int:
    """Say with which code the program ends."""
    if isinstance(error, BudgetSpent):
        return 3
    is_users = isinstance(error, ConfigError | DataError | MissingExtra | TeacherError)
    return 2 if is_users or isinstance(error, ValueError | ImportError) else 1
