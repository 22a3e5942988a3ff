"""The command that serves a student: `tuition serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["serve"]


def serve(
    student: Annotated[Path, typer.Argument(help="A student's folder, or the run folder it lies in.")],
    *,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.")] = 8000,
    host: Annotated[
        str, typer.Option(help="Address to bind; one that other machines reach needs --token-env.")
    ] = "127.0.0.1",
    token_env: Annotated[
        str | None, typer.Option(help="Environment variable of the token that clients must show.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Such as timeout_s=60, batch=8 or max_tokens=256.")
    ] = None,
) -> None:
    """Serve a student over HTTP, as an OpenAI-compatible endpoint."""
    from tuition.core.config import override, parse
    from tuition.operate import serve as serving

    limits = parse(serving.Limits, override({}, tuple(setting or ())), where="--set")
    token = serving.read_token(token_env, host=host)
    writer = serving.load_writer(student)
    where = "" if port == 0 else f" at http://{f'[{host}]' if ':' in host else host}:{port}/v1"
    typer.echo(f"Serving the model {writer.name!r}{where}; end with Ctrl-C.")
    serving.serve(writer, host=host, port=port, token=token, limits=limits)
