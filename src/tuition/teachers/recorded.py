"""Replies that were recorded once: files in the form `rationales: {teacher: {text, answer, samples}}`.

Looks a reply up by the id of the example; the prompt changes nothing. Knows no network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuition.core.errors import DataError, TeacherError, some_of
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Failure, Json, Reply, Request, Usage
from tuition.core.rows import read_rows, resolve_data
from tuition.core.texts.thoughts import thought_apart
from tuition.teachers.config import TeacherConfig
from tuition.teachers.usage import estimate_usage, read_usage

__all__ = ["RecordedTeacher", "barred_reply"]


class RecordedTeacher:
    """A teacher whose replies lie in files."""

    def __init__(self, config: TeacherConfig) -> None:
        """Read the files whole. No file, or none that has this teacher, is a TeacherError."""
        self.name = config.name
        self.model = config.model or config.name
        self.price = config.price
        if not config.files:
            raise TeacherError(
                f"teacher {self.name!r} is of kind 'recorded' and names no file; set its `file`."
            )
        paths = [resolve_data(name) for name in config.files]
        self._entries: dict[str, list[Mapping[str, Any]]] = {}
        known: set[str] = set()
        for path in paths:
            for row in read_rows(path):
                rationales = _rationales(row, path)
                known.update(rationales)
                if self.model in rationales:
                    entry = rationales[self.model]
                    self._entries[str(row.get("id"))] = entry.get("samples") or [entry]
        if not self._entries:
            raise TeacherError(
                f"teacher {self.model!r} has no replies in {some_of(str(path) for path in paths)}; "
                f"teachers that are there: {', '.join(sorted(known)) or 'none'}."
            )
        self.samples = max(len(samples) for samples in self._entries.values())
        """Most replies there are to one example."""
        counted = [read_usage(one.get("usage")) or Usage() for each in self._entries.values() for one in each]
        self.abilities = TeacherAbilities(
            reads_prompt=False,
            is_paid=False,
            has_temperature=False,
            concurrency=max(config.concurrency, 256),
            most_tokens=max(usage.prompt_tokens + usage.completion_tokens for usage in counted),
        )
        hashes = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)
        self.endpoint = f"recorded:{hashlib.sha256(hashes).hexdigest()[:16]}/{self.model}"

    async def complete(self, request: Request) -> Reply:
        """Look one reply up by `example_id` and `sample`; the messages lend their length to the usage."""
        samples = self._entries.get(request.example_id, [])
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
    for path in (resolve_data(name) for name in config.files):
        for row in read_rows(path):
            entry = _rationales(row, path).get(teacher, {})
            said = [each.get("train_on_outputs") for each in (entry, *(entry.get("samples") or ()))]
            if any(allowed not in (None, True) for allowed in said):
                return f"{str(path)!r}, row {row.get('id')!r}"
    return ""


def _rationales(row: Mapping[str, Json], path: Path) -> Mapping[str, Mapping[str, Any]]:
    said: Any = row.get("rationales") or {}
    if not isinstance(said, dict) or not all(isinstance(entry, dict) for entry in said.values()):
        raise DataError(
            f"{str(path)!r}, row {row.get('id')!r}: `rationales` is not of the form "
            '{"teacher": {"text": ..., "answer": ...}}.'
        )
    return said
