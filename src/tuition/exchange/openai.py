"""Read what OpenAI's endpoints take and give: fine-tuning files, stored completions, batches.

Any endpoint of that form writes the same: `vllm run-batch` is a batch.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tuition.core.errors import DataError
from tuition.core.records import Json
from tuition.exchange.by_question import UNUSABLE, ended
from tuition.exchange.lines import found, numbered, read_each, sound
from tuition.exchange.rows import (
    BadRow,
    Found,
    Row,
    carried_row,
    is_carried,
    message_of,
    object_of,
    reply_row,
    talk_of,
    text_of,
)

__all__ = ["provenance_path", "read_batch", "read_messages", "read_stored"]


def provenance_path(path: Path) -> Path:
    """Name the file that says line by line whose words a fine-tuning file holds.

    Args:
        path: The fine-tuning file, whose own rows may hold nothing but messages.

    Returns:
        The file beside it.
    """
    return path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.jsonl')}.provenance.jsonl")


def read_messages(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read a fine-tuning file.

    Args:
        paths: Files of `{"messages": [...]}` rows, each of one question and one reply. Where an export of
            ours left its `.provenance.jsonl` beside one, ids, labels and teachers come from there.
        teacher: Who replied; empty: what the provenance, or `model` of the row, says.

    Yields:
        What each row came to.

    Raises:
        DataError: A provenance file has other lines than its file.
    """
    for path in paths:
        beside = provenance_path(path)
        if beside.exists():
            yield from _with_provenance(path, beside, teacher=teacher)
        else:
            yield from read_each([path], partial(_messages, teacher=teacher))


def _messages(value: Json, *, teacher: str, more: Mapping[str, Json] | None = None) -> Row:
    row = object_of(value)
    talk = talk_of(row.get("messages"))
    if talk.reply is None:
        raise BadRow("has no turn of an assistant")
    if more is not None:
        if not is_carried(more):
            raise BadRow("has no whole provenance; remove its file to import the messages alone")
        return carried_row(more, talk.reply, teacher=teacher)
    sample: Row = {"text": talk.reply, "answer": None}
    for name, text in (("system", talk.system), ("reasoning", talk.reasoning)):
        if text:
            sample[name] = text
    model = row.get("model")
    return reply_row(teacher or (model if isinstance(model, str) else ""), [sample], question=talk.question)


def _with_provenance(path: Path, beside: Path, *, teacher: str) -> Iterator[Found]:
    for line, more in itertools.zip_longest(numbered(path), numbered(beside)):
        if line is None or more is None:
            raise DataError(
                f"{str(beside)!r} has other lines than {str(path)!r}, whose provenance it is; "
                "remove it to import the messages alone"
            )
        place, value = line
        yield found(place, value, partial(_with_more, more=more[1], teacher=teacher))


def _with_more(value: Json, *, more: Json | BadRow, teacher: str) -> Row:
    return _messages(value, teacher=teacher, more=object_of(sound(more)))


def read_stored(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read stored completions, as the endpoint lists them, each with the messages it answered.

    Args:
        paths: Lines, an array, or the endpoint's pages (`{"object": "list", "data": [...]}`). The messages of
            a completion stand in its `messages`, `input` or `request`: the endpoint gives them apart.
        teacher: Who replied; empty: the model as returned.

    Yields:
        What each completion came to; several choices are several samples.
    """
    yield from read_each(paths, partial(_stored, teacher=teacher))


def _stored(value: Json, *, teacher: str) -> Row:
    row = object_of(value)
    asked = next((row[name] for name in ("messages", "input", "request") if row.get(name)), None)
    if isinstance(asked, Mapping):
        asked = asked.get("messages") or asked.get("data")
    if not asked:
        raise BadRow(
            "has no messages; the endpoint gives them apart, at /chat/completions/ID/messages: put them "
            "beside the choices as 'messages'"
        )
    noted = row.get("metadata")
    id = noted.get("example_id") if isinstance(noted, Mapping) else None
    return _completion(row, asked, teacher=teacher, id=id if isinstance(id, str) else "")


def _completion(body: Mapping[str, Json], asked: Json, *, teacher: str, id: str = "") -> Row:
    """A completion and what it answers; the messages may bring the reply along as their last turn."""
    turns: Any = asked
    if (
        isinstance(turns, list)
        and turns
        and isinstance(turns[-1], Mapping)
        and turns[-1].get("role") == "assistant"
    ):
        turns = turns[:-1]
    talk = talk_of(turns)
    choices = body.get("choices")
    if not isinstance(choices, Sequence) or not choices:
        raise BadRow("has no choices")
    system: Row = {"system": talk.system} if talk.system else {}
    samples = [{**_sample(object_of(choice, "choice")), **system} for choice in choices]
    model = teacher or text_of(body.get("model"), "model")
    return reply_row(model, samples, question=talk.question, id=id)


def _sample(choice: Mapping[str, Json]) -> Row:
    message = object_of(choice.get("message"), "message")
    content, finish = message.get("content"), choice.get("finish_reason")
    if content is None or content == []:
        why = message.get("refusal") or finish or "no content"
        return {"text": "", "answer": None, UNUSABLE: f"has a choice without text: {why}"}
    text, reasoning = message_of(message)
    sample: Row = {"text": text, "answer": None}
    return {**sample, **({"reasoning": reasoning} if reasoning else {}), **ended(finish)}


def read_batch(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read the outputs of a batch beside its inputs.

    Args:
        paths: The files of the batch in any order: requests (`custom_id`, `body`), and outputs and errors
            (`custom_id`, `response`, `error`).
        teacher: Who replied; empty: the model as returned.

    Yields:
        What each output came to; its id is the `custom_id`. A request that no output answers is a finding
        too.
    """
    # an empty name is a temporary file of sqlite's own: outputs come in another order than requests
    with closing(sqlite3.connect("", isolation_level=None)) as index:
        index.execute(
            "CREATE TABLE requests (id BLOB PRIMARY KEY, place TEXT, body TEXT, "
            "is_answered INTEGER DEFAULT 0, has_reply INTEGER DEFAULT 0)"
        )
        index.execute("BEGIN")
        for place, value in _values(paths):
            if not _is_output(value):
                yield from _note(index, place, value)
        for place, value in _values(paths):
            if _is_output(value):
                yield _output(index, place, value, teacher=teacher)
        query = "SELECT place FROM requests WHERE NOT is_answered ORDER BY rowid"
        for (place,) in index.execute(query):
            yield Found(place=place, fault="has no reply in the outputs")


def _values(paths: Sequence[Path]) -> Iterator[tuple[str, Json | BadRow]]:
    for path in paths:
        yield from numbered(path)


def _is_output(value: Json | BadRow) -> bool:
    return isinstance(value, Mapping) and ("response" in value or "error" in value)


def _note(index: sqlite3.Connection, place: str, value: Json | BadRow) -> Iterator[Found]:
    """Remember a request; what is none is a finding."""
    try:
        row = object_of(sound(value))
        key = text_of(row.get("custom_id"), "custom_id").encode()
        body = json.dumps(object_of(row.get("body"), "body"))
        index.execute("INSERT INTO requests (id, place, body) VALUES (?, ?, ?)", (key, place, body))
    except sqlite3.IntegrityError:
        yield Found(place=place, fault="has the custom_id of an earlier request")
    except BadRow as bad:
        yield Found(place=place, fault=str(bad))


def _output(index: sqlite3.Connection, place: str, value: Any, *, teacher: str) -> Found:
    try:
        id = text_of(value.get("custom_id"), "custom_id")
        key = (id.encode(),)
        query = "SELECT body, has_reply FROM requests WHERE id = ?"
        found = index.execute(query, key).fetchone()
        if found is None:
            raise BadRow(f"answers {id!r}, which is no request of the files given; give the input file too")
        index.execute("UPDATE requests SET is_answered = 1 WHERE id = ?", key)
        row = _completion(_body(value), json.loads(found[0]).get("messages"), teacher=teacher, id=id)
        if found[1]:
            raise BadRow(f"answers {id!r} a second time; give the outputs of one batch")
        index.execute("UPDATE requests SET has_reply = 1 WHERE id = ?", key)
        return Found(place=place, row=row)
    except BadRow as bad:
        return Found(place=place, fault=str(bad))


def _body(value: Mapping[str, Json]) -> Mapping[str, Json]:
    response, error = value.get("response"), value.get("error")
    if error or not isinstance(response, Mapping):
        raise BadRow(f"failed: {_said(error) or 'no response'}")
    body = object_of(response.get("body"), "body")
    status = response.get("status_code")
    if status is not None and not (isinstance(status, int) and 200 <= status < 300):
        raise BadRow(f"failed with status {status}: {_said(body.get('error')) or body}")
    return body


def _said(error: Json) -> str:
    if isinstance(error, Mapping):
        return " ".join(str(error[name]) for name in ("code", "message") if error.get(name))
    return str(error or "")
