"""Turn foreign completions into the replies of a recorded teacher, and into examples where they have them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tuition.core.errors import ConfigError, DataError, near_name
from tuition.core.records import Json, Record
from tuition.core.rows import write_rows
from tuition.core.texts.steps import without_marks, without_template
from tuition.core.texts.thoughts import thought_apart
from tuition.exchange.by_question import RepliesByQuestion
from tuition.exchange.files import read_batch, read_messages, read_tinyllm
from tuition.exchange.forms import READS, UNUSABLE
from tuition.exchange.lines import read_each
from tuition.exchange.rows import BadRow, Found, Row, object_of, text_of

__all__ = ["IMPORTS", "Import", "Imported", "import_files"]

Import = Callable[[Sequence[Path], str], Iterator[Found]]
"""Reads files of one form: the files, and the teacher who replied; empty: the model that the files name."""

IMPORTS: dict[str, Import] = {
    **{form: partial(read_each, read) for form, read in READS.items()},
    "openai-batch": read_batch,
    "openai-messages": read_messages,
    "tinyllm-cot": read_tinyllm,
}
"""Forms that can be read, by name."""

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported(Record):
    """The result of an import."""

    out: str
    """The file that was written."""
    examples: int
    """Questions, a row each."""
    labelled: int
    """Those whose label is known."""
    replies: Mapping[str, int] = field(default_factory=dict)
    """By teacher."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """By teacher, where the files state one."""
    barred: tuple[str, ...] = ()
    """Teachers whose terms, as the files have them, forbid training."""
    skipped: int = 0
    """Rows that could not be used."""
    skipped_list: str = ""
    """The file that lists them; empty: there are none."""


def import_files(
    paths: Sequence[Path], out: Path, *, form: str, teacher: str = "", skips_bad: bool = False
) -> Imported:
    """Write the replies of foreign files as recorded replies.

    Replies to one question stand in one row, several of one teacher as its samples. Where rows have choices
    and a label, the file is a file of examples too.

    Args:
        paths: Files, folders of data sets, or `hub:NAME:SPLIT`.
        out: The file to write, .jsonl or .jsonl.gz.
        form: One of `IMPORTS`.
        teacher: Who replied; empty: the model that the rows name.
        skips_bad: Whether rows that are no replies are listed in a file beside `out` instead of refusing the
            files.

    Returns:
        What was imported, and what was skipped.

    Raises:
        ConfigError: The form is unknown, or a file to be written exists.
        DataError: A file cannot be read, or has rows that are no replies.
    """
    if form not in IMPORTS:
        raise ConfigError(near_name(form, IMPORTS, kind="form"))
    skipped_list = out.with_name(f"{out.name.removesuffix('.gz').removesuffix('.jsonl')}.skipped.jsonl")
    for path in (out, skipped_list):
        if path.exists():
            raise ConfigError(f"{str(path)!r} exists; name another file with --out.")
    with RepliesByQuestion() as kept:
        for found in IMPORTS[form](paths, teacher):
            _put(kept, found)
        faults = [f"{row['place']} {row['fault']}" for row in itertools.islice(kept.faults(), _SHOWN)]
        n = kept.skipped
        if n and not skips_bad:
            rest = f"; and {n - _SHOWN} more" if n > _SHOWN else ""
            raise DataError(
                f"{n} row{'s' if n > 1 else ''} cannot be used: {'; '.join(faults)}{rest}. Mend them, or add "
                "--skip-bad to have them listed in a file and left out."
            )
        if not kept.replies:
            first = f"; {n} rows were skipped, the first: {faults[0]}" if faults else "."
            raise DataError(f"no reply in {', '.join(map(str, paths))}{first}")
        if kept.skipped:
            write_rows(skipped_list, kept.faults())
        n = write_rows(out, kept.rows())
        return Imported(
            out=str(out),
            examples=n,
            labelled=kept.labelled,
            replies=dict(kept.replies),
            licences={name: "; ".join(stated) for name, stated in kept.licences.items()},
            barred=tuple(sorted(kept.barred)),
            skipped=kept.skipped,
            skipped_list=str(skipped_list) if kept.skipped else "",
        )


def _put(kept: RepliesByQuestion, found: Found) -> None:
    """Add the replies of a row, their thoughts apart; set aside what is no reply without its thought."""
    try:
        if found.row is None:
            raise BadRow(found.fault)
        said, faults = _replies(object_of(found.row["rationales"], "rationales"))
        if said:
            kept.add({**found.row, "rationales": said})
        if faults:
            raise BadRow("; ".join(faults))
    except BadRow as bad:
        kept.set_aside(found.place, str(bad))


def _replies(rationales: Mapping[str, Json]) -> tuple[Row, list[str]]:
    """The entries with the samples that say something, and what is wrong with the others."""
    said: Row = {}
    faults: dict[str, None] = {}
    for teacher, entry in rationales.items():
        entry = object_of(entry, f"rationales.{teacher}")
        given: Any = entry.get("samples") or [entry]
        samples: list[Row] = []
        for sample in given:
            text, thought = thought_apart(text_of(sample.get("text"), "text"))
            thoughts = [part for part in (sample.get("reasoning"), thought) if isinstance(part, str) and part]
            apart = {"reasoning": "\n\n".join(thoughts)} if thoughts else {}
            samples.append({**sample, "text": without_template(text), **apart})
        # a sample of our own export states a kind, and is kept as the run got it, even empty
        whole = [
            sample
            for sample in samples
            if UNUSABLE not in sample
            and (without_marks(str(sample["text"])) or sample.get("answer") is not None or "kind" in sample)
        ]
        if whole:
            said[teacher] = {**entry, **whole[0], **({"samples": whole} if entry.get("samples") else {})}
        for sample in samples:
            if sample not in whole:
                why = "that ends within its thought" if sample.get("reasoning") else "without text"
                faults[str(sample.get(UNUSABLE) or f"has a reply of {teacher!r} {why}")] = None
    return said, list(faults)
