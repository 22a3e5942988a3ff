"""Replies that were recorded once: files in the form `rationales: {teacher: {text, answer, samples}}`.

Looks a reply up by the id of the example; the prompt changes nothing. Knows no network.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import weakref
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuition.core.errors import DataError, TeacherError, some_of
from tuition.core.parse import has_lines, opened
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Failure, Json, Reply, Request
from tuition.core.rows import JSON_ENDINGS, numbered_rows, readable, resolve_data
from tuition.core.texts.thoughts import thought_apart
from tuition.teachers.config import TeacherConfig
from tuition.teachers.usage import estimate_usage, read_usage

__all__ = ["RecordedTeacher", "barred_reply"]


@dataclass(slots=True)
class _Told:
    """What one file has of one teacher."""

    rows: dict[str, int] = field(default_factory=dict)
    """Where its reply to an example stands, if it is in another row than the first of that id."""
    samples: int = 0
    """Most replies there are to one example."""
    most_tokens: int = 0
    barred: str = ""
    """Id of the first row that says it must not be trained on; empty: none does."""


class _Recording:
    """One file, read once; its replies stay on disk where its lines can be found again."""

    def __init__(self, path: Path) -> None:
        self._path, self._lines = str(path), _line_places(path)
        self._rows: dict[str, int] = {}
        """Number of the first row of an example, from 1, by the example's id."""
        self._kept: dict[int, str] = {}
        self.teachers: defaultdict[str, _Told] = defaultdict(_Told)
        for number, row in numbered_rows(path):
            said = _rationales(row, path)
            for name, entry in said.items():
                self._note(name, entry, id=row.get("id"), number=number)
            if self._lines is None:
                self._kept[number] = json.dumps({"rationales": said})
        with path.open("rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").digest()
        if self._lines is not None:
            self._file = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)

    def _note(self, teacher: str, entry: Mapping[str, Any], *, id: Json, number: int) -> None:
        told, samples = self.teachers[teacher], entry.get("samples") or [entry]
        if self._rows.setdefault(str(id), number) != number:
            told.rows[str(id)] = number
        told.samples = max(told.samples, len(samples))
        for one in (entry, *samples):
            if one.get("train_on_outputs", True) not in (None, True):
                told.barred = told.barred or repr(id)
            if usage := read_usage(one.get("usage")):
                told.most_tokens = max(told.most_tokens, usage.prompt_tokens + usage.completion_tokens)

    def samples(self, teacher: str, example_id: str) -> list[Mapping[str, Any]]:
        """Give the replies of a teacher to an example; none where the file has none."""
        own = self.teachers[teacher].rows if teacher in self.teachers else {}
        number = own.get(example_id, self._rows.get(example_id))
        if number is None:
            return []
        text = self._kept[number] if self._lines is None else self._line(self._lines, number)
        try:
            entry = json.loads(text)["rationales"].get(teacher)
        except (ValueError, LookupError):
            raise TeacherError(
                f"{self._path!r} was changed while its replies were asked for; start again."
            ) from None
        return (entry.get("samples") or [entry]) if entry else []

    def _line(self, places: Sequence[int], number: int) -> str:
        start, end = places[number - 1 : number + 1]
        return os.pread(self._file, end - start, start).decode("utf-8-sig")


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file does; None: there is none here."""
    found = path.stat() if path.is_file() else None
    return found and (found.st_mtime_ns, found.st_size)


def _line_places(path: Path) -> array[int] | None:
    """Find the byte at which each line begins, and where the last one ends; None: it has no plain lines."""
    if path.suffix.lower() not in JSON_ENDINGS or not path.is_file():
        return None
    with readable(path), opened(path) as text:
        if not (has_lines(text) and text.encoding.startswith("utf-8")):
            return None
    places = array("q", [0])
    with path.open("rb") as file:
        for part in file:
            for line in part.splitlines(keepends=True):
                places.append(places[-1] + len(line))
    return places


@functools.lru_cache(8)
def _read(path: Path, stamp: tuple[int, int] | None) -> _Recording:
    """Read a file, or remember it as long as it stays as it is."""
    return _Recording(path)


def _recordings(config: TeacherConfig) -> list[_Recording]:
    paths = [resolve_data(name) for name in config.files]
    return [_read(path, _stamp(path)) for path in paths]


class RecordedTeacher:
    """A teacher whose replies lie in files."""

    def __init__(self, config: TeacherConfig) -> None:
        """Look the files through. No file, or none that has this teacher, is a TeacherError."""
        self.name = config.name
        self.model = config.model or config.name
        self.price = config.price
        if not config.files:
            raise TeacherError(
                f"teacher {self.name!r} is of kind 'recorded' and names no file; set its `file`."
            )
        self._recordings = _recordings(config)
        told = [one.teachers[self.model] for one in self._recordings if self.model in one.teachers]
        if not told:
            known = {name for one in self._recordings for name in one.teachers}
            paths = some_of(str(resolve_data(name)) for name in config.files)
            raise TeacherError(
                f"teacher {self.model!r} has no replies in {paths}; "
                f"teachers that are there: {', '.join(sorted(known)) or 'none'}."
            )
        self.samples = max(one.samples for one in told)
        """Most replies there are to one example."""
        self.abilities = TeacherAbilities(
            reads_prompt=False,
            is_paid=False,
            has_temperature=False,
            concurrency=max(config.concurrency, 256),
            most_tokens=max(one.most_tokens for one in told),
        )
        hashes = b"".join(one.digest for one in self._recordings)
        self.endpoint = f"recorded:{hashlib.sha256(hashes).hexdigest()[:16]}/{self.model}"

    async def complete(self, request: Request) -> Reply:
        """Look one reply up by `example_id` and `sample`; the messages lend their length to the usage."""
        # The last file that has any counts.
        found = (one.samples(self.model, request.example_id) for one in reversed(self._recordings))
        samples = next(filter(None, found), [])
        if request.sample >= len(samples):
            place = f"example {request.example_id!r}, sample {request.sample}"
            failure = Failure(kind="absent", message=f"no recorded reply of {self.model!r} to {place}")
            return Reply(model=self.model, failure=failure)
        entry = samples[request.sample]
        written, answer = str(entry.get("text") or ""), entry.get("answer")
        text, within = thought_apart(written)
        apart = str(entry.get("reasoning") or "")
        return Reply(
            text=text,
            reasoning="\n\n".join(filter(None, (apart, within))),
            answer=None if answer is None else str(answer),
            usage=read_usage(entry.get("usage")) or estimate_usage(request, written),
            model=self.model,
        )


def barred_reply(config: TeacherConfig) -> str:
    """Find a recorded reply of which its own file says that it must not be trained on; empty: there is none.

    An export keeps the terms of a teacher with every reply, and they hold against the table.
    """
    teacher = config.model or config.name
    for name, recording in zip(config.files, _recordings(config), strict=True):
        if teacher in recording.teachers and recording.teachers[teacher].barred:
            return f"{str(resolve_data(name))!r}, row {recording.teachers[teacher].barred}"
    return ""


def _rationales(row: Mapping[str, Json], path: Path) -> Mapping[str, Mapping[str, Any]]:
    said: Any = row.get("rationales") or {}
    if not isinstance(said, dict) or not all(isinstance(entry, dict) for entry in said.values()):
        raise DataError(
            f"{str(path)!r}, row {row.get('id')!r}: `rationales` is not of the form "
            '{"teacher": {"text": ..., "answer": ...}}.'
        )
    return said
