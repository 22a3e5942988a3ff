"""The command that looks over machine, installation and keys: `tuition doctor`."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from tuition.cli.show import Json, Trust, answer, print_table, resolved, say, typed

__all__ = ["doctor"]

_WIDTH = 52
"""Of the widest column, so that the table fits into 80."""


def doctor(
    config: Annotated[
        Path | None, typer.Argument(help="A TOML file, whose teachers are looked at too.")
    ] = None,
    *,
    ask: Annotated[
        bool,
        typer.Option("--ask", help="Ask the endpoints what they serve: one GET each, which costs nothing."),
    ] = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Look over this machine, the packages, the keys and the teachers; exit 1 where something fails."""
    from tuition.operate.doctor import facts

    found = facts(resolved(config, None) if config else None, ask=ask)
    answer([fact.to_json() for fact in found])
    rows = [
        {"what": textwrap.fill(one.what, 16), "": "" if one.state == "ok" else one.state, "found": line}
        for one in found
        for line in [textwrap.fill(one.found, _WIDTH)]
    ]
    print_table("what is here", rows)
    faults = sum(one.state == "fault" for one in found)
    if faults:
        say(f"{faults} things will not work as they are.")
        raise typer.Exit(1)
    say(f"Nothing is wrong. Next: {typed('check', config) if config else typed('init')}")
