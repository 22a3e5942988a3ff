"""Show what the endpoints of teachers can do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tuition.cli.show import print_json, print_table, say
from tuition.core.config import read_toml
from tuition.core.errors import ConfigError, near_name
from tuition.recipes.config import resolve
from tuition.teachers.http.probe import probe

__all__ = ["probe_teachers"]


def probe_teachers(path: Path, settings: tuple[str, ...], *, only: str, as_json: bool) -> None:
    """Try the endpoints of a configuration and show what was found, with the lines to write down.

    Args:
        path: The configuration file.
        settings: Overrides.
        only: Name of the one teacher to try; empty: all that stand behind an endpoint.
        as_json: Print JSON instead of tables.

    Raises:
        ConfigError: No such teacher stands behind an endpoint.
    """
    config = resolve(read_toml(path), settings, where=str(path))
    tables = {table.name: table for table in config.teacher if table.kind == "chat"}
    if only and only not in tables:
        raise ConfigError(near_name(only, tables, kind="teacher behind an endpoint"))
    if not tables:
        raise ConfigError(f"{str(path)!r} has no teacher of kind 'chat'; there is no endpoint to try.")
    names = [only] if only else list(tables)
    found: dict[str, Any] = {name: asyncio.run(probe(tables[name])) for name in names}
    if as_json:
        print_json(found)
        return
    shown = [
        {"teacher": name, **{what: _word(value) for what, value in row["found"].items()}}
        for name, row in found.items()
    ]
    print_table("what the endpoints take", shown)
    for name, row in found.items():
        _show(name, row)


def _word(value: object) -> str:
    if value is None:
        return "could not be told"
    return value if isinstance(value, str) else "yes" if value else "no"


def _show(name: str, row: dict[str, Any]) -> None:
    tokens = f"{row['prompt_tokens']:,} prompt and {row['completion_tokens']:,} completion tokens"
    say(f"{name}: {row['calls']} calls with {tokens}, which are paid and stand in no store.")
    for what, fault in row["faults"].items():
        say(f"  {what}: {fault}")
    if row["models"] is not None:
        say(f"  it lists {len(row['models'])} models")
    if row["reasoning_in"]:
        say(f"  reasoning stands in {row['reasoning_in']}")
    if all(value is None for value in row["found"].values()):
        say("  Nothing could be told: mend what stands above, and try again.")
        return
    say("  Write down, below its [[teacher]] table:\n    " + "\n    ".join(row["lines"]))
