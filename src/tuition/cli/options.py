"""The arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuition.cli.show import answer_in_json

if TYPE_CHECKING:
    from tuition.recipes.config import Experiment

__all__ = ["Config", "Database", "Folder", "Json", "Settings", "Yes", "resolved"]

Config = Annotated[Path, typer.Argument(help="A TOML file; `tuition init` writes one.")]
Settings = Annotated[list[str] | None, typer.Argument(help="Overrides, such as seed=3 training.steps=50.")]
Folder = Annotated[Path, typer.Argument(help="A run folder, or one that holds several.")]
Database = Annotated[Path, typer.Argument(help="The store, such as tuition.db.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.", callback=answer_in_json)]
Yes = Annotated[bool, typer.Option("--yes", help="Answer confirmations with yes.")]


def resolved(config: Path, settings: list[str] | None) -> Experiment:
    """Read a configuration file with its overrides."""
    from tuition.core.config import read_toml
    from tuition.recipes.config import resolve

    return resolve(read_toml(config), tuple(settings or ()), where=str(config))
