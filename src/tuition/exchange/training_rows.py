"""Read what the teachers of a finished run wrote, each reply with its question, its teacher and the terms.

Knows the files of a run folder; the caller says how a prompt and a completion are worded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuition.core.config import read_toml
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Annotation, Example, Record, content_id
from tuition.core.rows import read_own_rows
from tuition.core.run import check_begun
from tuition.exchange.rows import TERMS, Row

__all__ = ["Terms", "Wording", "licence_fields", "read_terms", "training_rows"]

Wording = Callable[[Example, Annotation], tuple[str, str]]
"""Gives the prompt and the completion of an annotation; an empty completion: there is nothing to learn."""

_HUB_LICENCES = (
    *("afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bigscience-openrail-m", "bsd-2-clause"),
    *("bsd-3-clause", "bsl-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0"),
    *("cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0"),
    *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-2.0", "creativeml-openrail-m"),
    *("epl-2.0", "eupl-1.2", "gemma", "gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "llama2", "llama3"),
    *("llama3.1", "llama3.2", "llama3.3", "llama4", "mit", "mpl-2.0", "odbl", "odc-by", "openrail"),
    *("pddl", "unlicense", "zlib"),
)
"""Licences that the hub has a name for; any other is `other` there, with a name of its own."""
_OF_EXAMPLE = ("id", "question", "context", "answer", "label_source")
_OF_ANNOTATION = ("teacher", "kind", "rationale", "sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms(Record):
    """Under what terms a teacher's texts may be used, as the configuration of the run says."""

    teacher: str
    kind: str = ""
    model: str = ""
    licence: str = ""
    """Empty: not stated."""
    terms: str = ""
    """Empty: not stated."""
    train_on_outputs: bool = True

    @property
    def said(self) -> str:
        """Write them for a card."""
        stated = "; ".join(filter(None, (self.licence, self.terms))) or "licence and terms not stated"
        return stated if self.train_on_outputs else f"{stated}; **may not be trained on**"


def licence_fields(licence: str) -> dict[str, str]:
    """Write a licence as the head of a card on the hub has it; empty: not known."""
    if not licence:
        return {"license": "unknown"}
    if licence.lower() in _HUB_LICENCES:
        return {"license": licence.lower()}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")}


def read_terms(folder: Path) -> dict[str, Terms]:
    """Read the terms of a run's teachers, by teacher; refuse a folder without a finished run."""
    check_begun(folder)
    if not (folder / "done").exists():
        raise DataError(f"the run in {str(folder)!r} is not finished; go on with it: tuition resume {folder}")
    tables: Any = read_toml(folder / "config.toml")
    found = {}
    for table in [*tables.get("labels", {}).get("panel", []), *tables.get("teacher", [])]:
        stated = {name: table[name] for name in ("kind", *TERMS) if name in table}
        found[table["name"]] = Terms(
            teacher=table["name"], model=table.get("model") or table["name"], **stated
        )
    return found


def training_rows(
    folder: Path,
    examples: Mapping[str, Example],
    terms: Mapping[str, Terms],
    *,
    wording: Wording,
    uses_all: bool,
) -> Iterator[Row]:
    """Give one flat row a reply of a finished run: the columns `CARRIED`, with `prompt` and `completion`.

    `examples` are by id, labelled as the student saw them; `uses_all` gives the replies too that the student
    did not learn from.
    """
    rounds = sorted(folder.glob("rounds/*/annotations.jsonl"))
    paths = rounds or [folder / "annotations.jsonl"]
    if not paths[0].exists():
        raise DataError(
            f"the run in {str(folder)!r} has no annotations; name one whose recipe asks teachers for them"
        )
    for path in paths:
        for row in read_own_rows(path):
            if row["is_used"] or uses_all:
                number = int(path.parent.name) if rounds else None
                yield _row(row, examples, terms, wording=wording, number=number)


def _row(
    row: Row,
    examples: Mapping[str, Example],
    terms: Mapping[str, Terms],
    *,
    wording: Wording,
    number: int | None,
) -> Row:
    item = Annotation.from_json(row)
    example, of_teacher = examples.get(item.example_id), terms.get(item.teacher)
    if example is None:
        raise DataError(
            f"the run has an annotation of example {item.example_id!r}, which its data no longer "
            "have; bring back the files that its config.toml names"
        )
    if of_teacher is None:
        raise ConfigError(f"config.toml of the run knows no teacher {item.teacher!r}, who wrote annotations")
    prompt, completion = wording(example, item)
    return {
        "prompt": prompt,
        "completion": completion,
        **{name: getattr(example, name) for name in _OF_EXAMPLE},
        **{name: getattr(item, name) for name in _OF_ANNOTATION},
        **{name: getattr(of_teacher, name) for name in ("model", *TERMS)},
        "choices": list(example.choices),
        "teacher_answer": item.answer,
        "round": number,
        "is_used": bool(row["is_used"]),
        "faults": list(item.faults),
        "completion_id": content_id(completion)[:16],
    }
