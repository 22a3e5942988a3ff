"""The command that serves the simulated teachers: `tuition playground serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["playground"]

playground = typer.Typer(
    help="The offline world: tasks, simulated teachers, their server.", no_args_is_help=True
)


@playground.callback()
def _group() -> None:
    """Keep `serve` a command of a group."""


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
    from tuition.core.config import override, parse
    from tuition.playground import serving

    faults = parse(serving.Faults, override({}, tuple(fault or ())), where="--fault")
    config = parse(serving.ServerConfig, override({}, tuple(setting or ())), where="--set")
    serving.serve(host=host, port=port, faults=faults, config=config, ledger=ledger)
