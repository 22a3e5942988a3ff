"""The commands that carry replies in and out: `tuition import` and `tuition export`."""

from __future__ import annotations

import json as json_form
from pathlib import Path
from typing import Annotated

import typer

from tuition.cli.show import Json, Trust, answer, say

__all__ = ["export_replies", "import_replies"]


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
    from tuition.exchange import import_files

    found = import_files(files, out, form=form, teacher=teacher, skips_bad=skip_bad)
    answer(found.to_json())
    replies = ", ".join(f"{n:,} of {name}" for name, n in found.replies.items())
    say(
        f"Wrote {out}: {found.examples:,} questions, {found.labelled:,} of them labelled; replies: {replies}."
    )
    if found.skipped:
        say(f"Skipped, for they could not be used: {found.skipped:,} rows; {found.skipped_list} lists them.")
    say("Next: name the file in a configuration, as [task] train and as the file of each teacher:")
    for name in found.replies:
        table = {"kind": "recorded", "name": name, "file": str(out)}
        table |= {"licence": found.licences[name]} if name in found.licences else {}
        lines = [f"{key} = {json_form.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
        lines += ["train_on_outputs = false"] if name in found.barred else []
        say("\n".join(f"  {line}" for line in ("[[teacher]]", *lines)))


def export_replies(
    folder: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    *,
    form: Annotated[str, typer.Option(help="How it is to be written; docs/exchange.md has all forms.")],
    out: Annotated[Path, typer.Option(help="The file to write, or the folder of a data set.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Take along what the student did not learn from.")
    ] = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Write what the teachers of a run wrote as other trainers read it, with a data card."""
    from tuition.operate.export import export

    made = export(folder, out, form=form, uses_all=everything)
    answer(made.to_json())
    *files, card = made.files
    say(f"Wrote {', '.join(files)}: {made.rows:,} replies. {card} says whose they are, and under what terms.")
    if made.without_text:
        say(f"Left out, for there was nothing to learn from: {made.without_text:,}.")
