"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuition.cli.show import answer_in_json, trusting

Config = Annotated[Path, typer.Argument(help="A TOML file; `tuition init` writes one.")]
Settings = Annotated[list[str] | None, typer.Argument(help="Overrides, such as seed=3 training.steps=50.")]
Folder = Annotated[Path, typer.Argument(help="A run folder, or one that holds several.")]
Database = Annotated[Path, typer.Argument(help="The store, such as tuition.db.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.", callback=answer_in_json)]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run code that it names and no installed package has.", callback=trusting),
]
CascadeFile = Annotated[Path | None, typer.Option(help="TOML file: whom to ask where the student is unsure.")]
Ablate = Annotated[
    bool,
    typer.Option(
        "--ablate",
        help="Also run it without one of its parts at a time; --ablate lessons: once for each thing to learn "
        "of a mentor.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Answer confirmations with yes.")]
