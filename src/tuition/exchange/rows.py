"""What every form of the exchange becomes: a row of recorded replies, and the checks of values on the way.

Knows no form of a file. A row is a dictionary in the form that recorded teachers read: a question, and by
teacher what was replied to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuition.core.errors import ConfigError
from tuition.core.records import Json, content_id
from tuition.core.texts.thoughts import parts_of, reasoning_of

__all__ = [
    "CARRIED",
    "NO_ROUND",
    "TERMS",
    "BadRow",
    "Found",
    "Row",
    "Talk",
    "carried_row",
    "is_carried",
    "message_of",
    "object_of",
    "options_of",
    "refuse_teacher",
    "reply_row",
    "talk_of",
    "terms_of",
    "text_of",
]

Row = dict[str, Json]
"""One line of a file, or one row of a table."""

_OF_SAMPLE = ("model", "kind", "sample", "round", "is_used", "faults")
TERMS = ("licence", "terms", "train_on_outputs")
"""Columns of what a teacher's texts may be used for."""

CARRIED = (
    *("id", "question", "context", "choices", "answer", "label_source"),
    *("teacher", "model", "kind", "rationale", "teacher_answer", "sample", "round", "is_used", "faults"),
    *(*TERMS, "completion_id"),
)
"""Columns that go with every exported row: they say whose reply it is, and let the row be read back whole."""

NO_ROUND = -1
"""The round, in files of JSON, of a reply from a run without rounds."""

_OWN = {"id", "question", "teacher", "rationale", "teacher_answer"}
_SHOWN = 40
"""Characters of a text that a fault shows."""
_SYSTEM = ("system", "developer")
_SHAREGPT = {"human": "user", "gpt": "assistant"}


class BadRow(ValueError):
    """A row that is no reply to a question; the text goes on from the place where the row stands.

    Becomes part of a DataError, or a line of the list of what was skipped.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of reading one line or row of a foreign file."""

    place: str
    """File and line, as errors name them."""
    row: Row | None = None
    """In the recorded form; None: it cannot be used."""
    fault: str = ""
    """Why it cannot be used; goes on from the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A conversation of one question."""

    question: str
    system: str = ""
    """What the system was told before."""
    reply: str | None = None
    """None: the conversation ends with the question."""
    reasoning: str = ""
    """What was kept apart as reasoning."""


def object_of(value: Json, name: str = "row") -> Mapping[str, Json]:
    """Check that a value is an object; `name` says what it is, in the fault."""
    if not isinstance(value, Mapping):
        raise BadRow(f"has a {_kind(value)} as {name}; expected an object")
    return value


def text_of(value: Json, name: str) -> str:
    """Check that a value is a text, or join the parts of a message, all of which must be texts."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and value:
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in value]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) == len(parts):
            return "".join(texts)
    raise BadRow(f"has a {_kind(value)} in {name!r}; expected a text")


def _kind(value: Json) -> str:
    names = {dict: "object", list: "list", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def refuse_teacher(teacher: str, what: str) -> None:
    """Refuse one name for all replies where each reply names its teacher."""
    if teacher:
        raise ConfigError(f"{what} name their teachers themselves; leave out --teacher {teacher!r}.")


def terms_of(row: Mapping[str, Json]) -> Row:
    """Read `licence`, `terms` and `train_on_outputs` (a truth value, or one as a text), each where given."""
    found: Row = {name: text_of(row[name], name) for name in ("licence", "terms") if row.get(name)}
    stated = row.get("train_on_outputs")
    if stated in (None, ""):
        return found
    may = {"true": True, "false": False}.get(str(stated).lower())
    if may is None:
        raise BadRow(f"has a {_kind(stated)} in 'train_on_outputs'; expected true or false")
    return {**found, "train_on_outputs": may}


def options_of(choices: Json, answer: Json) -> tuple[list[str], str | int | float | None]:
    """Read the choices of a question and its label.

    Choices are texts; or texts and their labels, as ARC has them, `{"text": [...], "label": [...]}` or
    `[{"text": ..., "label": ...}]`; or either of these as JSON; or one text, cut at '|'; or None: an open
    question. The answer is a plain value, a list of one, or the label of a choice, which becomes its text.
    """
    texts, names = _named_choices(choices)
    given: Any = answer
    plain = list(dict.fromkeys(given)) if _is_plain(given) else [given]
    if len(plain) > 1 or not all(map(_is_value, plain)):
        raise BadRow(f"has a {_kind(answer)} as answer; expected one text, or no column 'answer'")
    label = plain[0] if plain else None
    if label is None or str(label) not in names:
        return texts, label
    meant = texts[names.index(str(label))]
    if label in texts and label != meant:
        raise BadRow(f"has the answer {label!r}, which is the text of one choice and the label of another")
    return texts, meant


def _is_value(value: Json) -> bool:
    return isinstance(value, str | int | float | None)


def _is_plain(value: Json) -> bool:
    """Whether this is a list of plain values."""
    return isinstance(value, Sequence) and not isinstance(value, str) and all(map(_is_value, value))


def _parsed(choices: Json) -> Json:
    """Choices that a table keeps as a text."""
    if not isinstance(choices, str):
        return choices
    if not choices.strip().startswith(("[", "{")):
        return [part.strip() for part in choices.split("|")] if choices.strip() else None
    try:
        value = json.loads(choices)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRow(f"has choices that are no JSON: {choices[:_SHOWN]!r}") from None
    return value


def _named_choices(choices: Json) -> tuple[list[str], list[str]]:
    """The texts of the choices, however a file has them, and their labels; none where it gives none."""
    names: Any = None
    choices = _parsed(choices)
    given: Any = [] if choices is None else choices
    if isinstance(given, Sequence) and given and all(isinstance(item, Mapping) for item in given):
        given = {name: [item.get(name) for item in given] for name in ("text", "label")}
    if isinstance(given, Mapping) and "text" in given:
        given, names = given["text"], given.get("label")
    if not _is_plain(given) or None in given:
        raise BadRow(
            f"has a {_kind(choices)} as choices; expected a list of texts, "
            'or {"text": [...], "label": [...]}'
        )
    texts = [str(item) for item in given]
    if names is None:
        return texts, []
    if not _is_plain(names) or not len({str(name) for name in names}) == len(names) == len(texts):
        raise BadRow(f"has {len(texts)} choices and names them otherwise; expected a label for each")
    return texts, [str(name) for name in names]


def talk_of(messages: Json) -> Talk:
    """Read turns of `role` and `content`, or of ShareGPT's `from` and `value`.

    That is what the system was told, one question, and at most one reply.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise BadRow(f"has a {_kind(messages)} as messages; expected a list of turns")
    turns = [_turn(object_of(turn, "turn")) for turn in messages]
    system = [text_of(turn.get("content"), "content") for turn in turns if turn.get("role") in _SYSTEM]
    rest = [turn for turn in turns if turn.get("role") not in _SYSTEM]
    roles = [str(turn.get("role")) for turn in rest]
    if roles not in (["user"], ["user", "assistant"]):
        raise BadRow(
            f"has the turns {', '.join(roles) or 'none'}; an example is one question of the user, and at "
            "most one reply of the assistant"
        )
    said = rest[1] if len(rest) == 2 else None
    reply, reasoning = (None, "") if said is None else message_of(said, "content of the assistant")
    if said is not None and said.get("weight") in (0, "0"):
        raise BadRow("has a reply of weight 0, which says that it must not be learnt")
    question = text_of(rest[0].get("content"), "content")
    return Talk(question=question, system="\n".join(system), reply=reply, reasoning=reasoning)


def _turn(turn: Mapping[str, Json]) -> Row:
    role = str(turn.get("role") or turn.get("from")).lower()
    return {**turn, "role": _SHAREGPT.get(role, role), "content": turn.get("content", turn.get("value"))}


def message_of(message: Mapping[str, Json], name: str = "content") -> tuple[str, str]:
    """Read the text of an assistant's message, and the thought that is kept apart from it."""
    text, thought, _ = parts_of(message.get("content"))
    said = text if text or thought else text_of(message.get("content"), name)
    return said, thought or reasoning_of(message)


def reply_row(
    samples: Mapping[str, Sequence[Row]],
    *,
    question: str,
    context: str = "",
    choices: Sequence[str] = (),
    answer: Json = None,
    id: str = "",
) -> Row:
    """Make a row of the recorded form; `samples` holds by teacher its replies, each with `text` and `answer`.

    An empty id is made from the content, so that equal questions of several files meet.
    """
    if not id and not question.strip():
        raise BadRow("has an empty question")
    if not all(teacher.strip() for teacher in samples):
        raise BadRow("does not say which model replied; name it with --teacher")
    if not all(samples.values()):
        raise BadRow("has no reply")
    row: Row = {"id": id or content_id([context, question, list(choices)])[:16], "question": question}
    if context:
        row["context"] = context
    said: Row = {
        teacher: {**given[0], **({"samples": list(map(dict, given))} if len(given) > 1 else {})}
        for teacher, given in samples.items()
    }
    return {**row, "choices": list(choices), "answer": answer, "rationales": said}


def is_carried(row: Mapping[str, Json]) -> bool:
    """Whether a row has the columns of our own export that make a reply."""
    return row.keys() >= _OWN


def carried_row(row: Mapping[str, Json], completion: str | None = None, *, teacher: str = "") -> Row:
    """Make a row of the recorded form from the columns `CARRIED`.

    The completion is what the file has as the teacher's words; it must be what was exported. None: the file
    has no such column.
    """
    refuse_teacher(teacher, "rows of our own export")
    written = row.get("completion_id")
    if completion is not None and written and written != content_id(completion)[:16]:
        raise BadRow(
            "has another completion than was exported, and 'rationale' and 'teacher_answer' as they were; "
            "take those two columns out to import what stands there now"
        )
    # the export writes an unknown answer as an empty text, so that its column has a type
    sample: Row = {"text": text_of(row["rationale"], "rationale"), "answer": row["teacher_answer"]}
    if sample["answer"] == "":
        sample["answer"] = None
    sample |= {name: row[name] for name in _OF_SAMPLE if row.get(name) not in (None, "", [], "[]")}
    if sample.get("round") == NO_ROUND:
        del sample["round"]
    if isinstance(sample.get("faults"), str):
        sample["faults"] = _parsed(sample["faults"])
    label = row.get("answer")
    choices, answer = options_of(row.get("choices"), None if label == "" else label)
    made = reply_row(
        {text_of(row["teacher"], "teacher"): [{**sample, **terms_of(row)}]},
        question=text_of(row["question"], "question"),
        context=text_of(row.get("context") or "", "context"),
        choices=choices,
        answer=answer,
        id=text_of(row["id"], "id"),
    )
    if row.get("label_source"):
        made["label_source"] = row["label_source"]
    return made
