"""Forms whose rows do not stand alone: OpenAI's, kept in two files, and TinyLLM's, whose names give the ids.

Any endpoint of OpenAI's form writes the same: `vllm run-batch` is a batch.
"""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tuition.core.errors import DataError
from tuition.core.records import Json, option_letter
from tuition.exchange.forms import READS, completion_row
from tuition.exchange.lines import found, numbered, read_each, sound
from tuition.exchange.rows import (
    BadRow,
    Found,
    Row,
    is_carried,
    object_of,
    refuse_teacher,
    reply_row,
    text_of,
)

__all__ = ["provenance_path", "read_batch", "read_messages", "read_tinyllm"]


def provenance_path(path: Path) -> Path:
    """Name the file beside a fine-tuning file, whose own rows may hold nothing but messages.

    It says line by line whose words the fine-tuning file holds.
    """
    return path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.jsonl')}.provenance.jsonl")


def read_messages(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read fine-tuning files; ids, labels and teachers are in the provenance, where our export left one."""
    for path in paths:
        beside = provenance_path(path)
        if not beside.exists():
            yield from read_each(READS["openai-messages"], [path], teacher)
            continue
        for line, more in itertools.zip_longest(numbered(path), numbered(beside)):
            if line is None or more is None:
                raise DataError(
                    f"{str(beside)!r} has other lines than {str(path)!r}, whose provenance it is; "
                    "remove it to import the messages alone"
                )
            yield found(line[0], line[1], partial(_with_more, more=more[1], teacher=teacher))


def _with_more(value: Json, *, more: Json | BadRow, teacher: str) -> Row:
    provenance = object_of(sound(more))
    if not is_carried(provenance):
        raise BadRow("has no whole provenance; remove its file to import the messages alone")
    return READS["openai-messages"]({**provenance, **object_of(value)}, teacher)


def read_batch(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read the outputs of a batch beside its requests, the files in any order.

    The `custom_id` is the id. A request that no output answers is a finding too.
    """
    # outputs come in another order than requests; an empty name makes SQLite use a temporary file
    with closing(sqlite3.connect("", isolation_level=None)) as index:
        index.execute(
            "CREATE TABLE requests (id BLOB PRIMARY KEY, place TEXT, body TEXT, "
            "is_answered INTEGER DEFAULT 0, has_reply INTEGER DEFAULT 0)"
        )
        index.execute("BEGIN")
        for place, value in itertools.chain.from_iterable(map(numbered, paths)):
            if not _is_output(value):
                yield from _note(index, place, value)
        for place, value in itertools.chain.from_iterable(map(numbered, paths)):
            if _is_output(value):
                yield _output(index, place, value, teacher=teacher)
        query = "SELECT place FROM requests WHERE NOT is_answered ORDER BY rowid"
        for (place,) in index.execute(query):
            yield Found(place=place, fault="has no reply in the outputs")


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
        row = completion_row(_body(value), json.loads(found[0]).get("messages"), teacher=teacher, id=id)
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
    # Some write the body itself where the response belongs.
    body = response if "choices" in response else object_of(response.get("body"), "body")
    status = response.get("status_code")
    if status is not None and not (isinstance(status, int) and 200 <= status < 300):
        raise BadRow(f"failed with status {status}: {_said(body.get('error')) or body}")
    return body


def _said(error: Json) -> str:
    if isinstance(error, Mapping):
        return " ".join(str(error[name]) for name in ("code", "message") if error.get(name))
    return str(error or "")


_FIRST, _SECOND = "flan-t5-xl", "llama-2"
"""The teachers of these files, as the paper names them."""
_IN_A_FILE = 500
"""Items of a file; the position of an item within its split counts on from file to file."""
_NAME = re.compile(r"(train|valid|test)_CoT_(\d+)\.json")
_ITEM = re.compile(
    r"(?P<text>.*?)\s*Thus, the answer is \((?P<letter>[a-z])\)(?P<answer>.*?)"
    r"\n\nQ: (?P<question>.*?)\nAnswer Choices:\n(?P<choices>\(a\) .*?)"
    r"(?:\nA:Let's think step by step\.)?(?: llama rationale: ?(?P<more>.*))?",
    re.DOTALL,
)
_PARTS = " \n "
"""Between the paragraphs of an abstract, and between the last one and the question."""


def read_tinyllm(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read files of one data set, named as in the repository; ids are such as `train-512`.

    An item is one text: the first teacher's rationale and the answer it was shown, the question with its
    choices, and, where there is one, the second teacher's rationale.

    Source: the authors' repository (YikunHan42/TinyLLM) and its loader.

    Differs: the loader cuts at the first `Q:` anywhere, and keeps an absent second rationale as an empty
    text. Abstracts become contexts.
    """
    refuse_teacher(teacher, "TinyLLM's files")
    for path in paths:
        named = _NAME.fullmatch(path.name.removesuffix(".gz"))
        if named is None:
            raise DataError(
                f"{str(path)!r} is not named as TinyLLM's files are, such as train_CoT_0.json; the name "
                "gives its items their ids"
            )
        for n, (place, value) in enumerate(numbered(path)):
            yield found(place, value, partial(_row, n=n, split=named[1], file=int(named[2])))


def _row(value: Json, *, n: int, split: str, file: int) -> Row:
    item = _ITEM.fullmatch(value) if isinstance(value, str) else None
    if item is None:
        raise BadRow(
            "is not of the form 'RATIONALE Thus, the answer is (a) …\\n\\nQ: …\\nAnswer Choices:\\n(a) …'"
        )
    if n >= _IN_A_FILE:
        raise BadRow(f"is more than the {_IN_A_FILE} items of a file; its id would be another item's")
    choices = _choices(item["choices"])
    letters = [option_letter(i) for i in range(len(choices))]
    answer = choices[letters.index(item["letter"])] if item["letter"] in letters else None
    if answer is None or answer.strip() != item["answer"].strip():
        raise BadRow(f"answers ({item['letter']}){item['answer']}, which is none of its choices")
    context, _, question = item["question"].rpartition(_PARTS)
    samples: dict[str, list[Row]] = {_FIRST: [{"text": item["text"].strip(), "answer": answer}]}
    if second := (item["more"] or "").strip():
        samples[_SECOND] = [{"text": second, "answer": None}]
    return reply_row(
        samples,
        question=question,
        context=context,
        choices=choices,
        answer=answer,
        id=f"{split}-{_IN_A_FILE * file + n}",
    )


def _choices(text: str) -> list[str]:
    """Cut at the letters in their order; a line that begins with another one belongs to its choice."""
    choices: list[str] = []
    rest = text
    while rest:
        rest = rest.removeprefix(f"({option_letter(len(choices))}) ")
        choice, mark, rest = rest.partition(f"\n({option_letter(len(choices) + 1)}) ")
        choices.append(choice)
        rest = mark.removeprefix("\n") + rest
    return choices
