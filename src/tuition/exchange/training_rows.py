"""Read what the teachers of a finished run wrote, each reply with its question, its teacher and the terms.

Knows the files of a run folder; how a prompt and a completion are worded is told from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuition.core.config import read_toml
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Annotation, Example, Json, Record, content_id
from tuition.core.rows import read_own_rows
from tuition.exchange.rows import Row

__all__ = ["Terms", "Wording", "lessons", "read_terms"]

Wording = Callable[[Example, Annotation], tuple[str, str]]
"""Gives the prompt and the completion of an annotation; an empty completion: there is nothing to learn."""


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


def read_terms(folder: Path) -> dict[str, Terms]:
    """Read the terms of a run's teachers.

    Args:
        folder: The run folder.

    Returns:
        By teacher.

    Raises:
        DataError: The folder holds no run, or one that is not finished.
    """
    if not (folder / "config.toml").exists():
        raise DataError(
            f"{str(folder)!r} holds no run: config.toml is missing. `tuition list` shows the runs."
        )
    if not (folder / "done").exists():
        raise DataError(f"the run in {str(folder)!r} is not finished; go on with it: tuition resume {folder}")
    tables: Any = read_toml(folder / "config.toml")
    panel = tables.get("labels", {}).get("panel", [])
    found = [_terms(table) for table in [*panel, *tables.get("teacher", [])]]
    return {terms.teacher: terms for terms in found}


def _terms(table: Mapping[str, Any]) -> Terms:
    known = {name: table[name] for name in Terms.__dataclass_fields__ if name in table}
    return Terms(**{**known, "teacher": table["name"], "model": table.get("model") or table["name"]})


def lessons(
    folder: Path,
    examples: Mapping[str, Example],
    terms: Mapping[str, Terms],
    *,
    wording: Wording,
    uses_all: bool,
) -> Iterator[Row]:
    """Read the replies of a run, one at a time.

    Args:
        folder: Of a finished run.
        examples: By id, labelled as the student saw them.
        terms: By teacher.
        wording: Writes the prompt and the completion.
        uses_all: Whether replies come along that the student did not learn from.

    Yields:
        One flat row a reply: the columns `CARRIED`, with `prompt` and `completion`.

    Raises:
        DataError: There are no annotations, or one is about an example or by a teacher that is not known.
    """
    for number, path in _files(folder):
        for row in read_own_rows(path):
            if row["is_used"] or uses_all:
                yield _lesson(row, examples, terms, wording=wording, number=number)


def _files(folder: Path) -> list[tuple[int | None, Path]]:
    """The files of annotations, with the number of their round; None: the run has no rounds."""
    rounds = sorted(folder.glob("rounds/*/annotations.jsonl"))
    if rounds:
        return [(int(path.parent.name), path) for path in rounds]
    if not (folder / "annotations.jsonl").exists():
        raise DataError(
            f"the run in {str(folder)!r} has no annotations; name one whose recipe asks teachers for them"
        )
    return [(None, folder / "annotations.jsonl")]


def _lesson(
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
            f"the run has an annotation of example {item.example_id!r}, which its data no longer have; bring "
            "back the files that its config.toml names"
        )
    if of_teacher is None:
        raise ConfigError(f"config.toml of the run knows no teacher {item.teacher!r}, who wrote annotations")
    prompt, completion = wording(example, item)
    faults: Json = list(item.faults)
    return {
        "prompt": prompt,
        "completion": completion,
        "id": example.id,
        "question": example.question,
        "context": example.context,
        "choices": list(example.choices),
        "answer": example.answer,
        "label_source": example.label_source,
        "teacher": item.teacher,
        "model": of_teacher.model,
        "kind": item.kind,
        "rationale": item.rationale,
        "teacher_answer": item.answer,
        "sample": item.sample,
        "round": number,
        "is_used": bool(row["is_used"]),
        "faults": faults,
        "licence": of_teacher.licence,
        "terms": of_teacher.terms,
        "train_on_outputs": of_teacher.train_on_outputs,
        "completion_id": content_id(completion)[:16],
    }
