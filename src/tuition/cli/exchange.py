"""Import foreign completions as recorded replies, and export what the teachers of a run wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tuition.cli.show import print_json, say
from tuition.exchange import import_files
from tuition.recipes.export import export

__all__ = ["export_replies", "import_replies"]


def import_replies(
    files: Sequence[Path], out: Path, *, form: str, teacher: str, skips_bad: bool, as_json: bool
) -> None:
    """Write the completions of foreign files as recorded replies.

    Args:
        files: What to read.
        out: The file to write.
        form: How the files are written.
        teacher: Who replied; empty: the models that the files name.
        skips_bad: Whether rows that cannot be used are listed and left out.
        as_json: Print JSON instead of sentences.
    """
    found = import_files(files, out, form=form, teacher=teacher, skips_bad=skips_bad)
    if as_json:
        print_json(found.to_json())
        return
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
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
        lines += ["train_on_outputs = false"] if name in found.barred else []
        say("\n".join(f"  {line}" for line in ("[[teacher]]", *lines)))


def export_replies(folder: Path, out: Path, *, form: str, uses_all: bool, as_json: bool) -> None:
    """Write what the teachers of a finished run wrote.

    Args:
        folder: The run folder.
        out: The file or the folder to write.
        form: How it is to be written.
        uses_all: Whether replies come along that the student did not learn from.
        as_json: Print JSON instead of sentences.
    """
    made = export(folder, out, form=form, uses_all=uses_all)
    if as_json:
        print_json(made.to_json())
        return
    *files, card = made.files
    say(f"Wrote {', '.join(files)}: {made.rows:,} replies. {card} says whose they are, and under what terms.")
    if made.without_text:
        say(f"Left out, for there was nothing to learn from: {made.without_text:,}.")
