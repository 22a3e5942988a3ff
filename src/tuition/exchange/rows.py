"""What passes through the exchange: rows of recorded replies, and what a conversation says.

Knows no form of a file. A row is a dictionary in the form that recorded teachers read: a question, and by
teacher what was replied to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuition.core.errors import ConfigError
from tuition.core.records import Json, content_id

__all__ = [
    "CARRIED",
    "BadRow",
    "Found",
    "Row",
    "Talk",
    "carried_row",
    "is_carried",
    "object_of",
    "refuse_teacher",
    "reply_row",
    "talk_of",
    "text_of",
]

Row = dict[str, Json]
"""One line of a file, or one row of a table."""

CARRIED = (
    "id",
    "question",
    "context",
    "choices",
    "answer",
    "label_source",
    "teacher",
    "model",
    "kind",
    "rationale",
    "teacher_answer",
    "sample",
    "round",
    "is_used",
    "faults",
    "licence",
    "terms",
    "train_on_outputs",
    "completion_id",
)
"""Columns that go with every exported row, so that it can be told whose it is and read back whole."""

_OF_SAMPLE = (
    "model",
    "kind",
    "sample",
    "round",
    "is_used",
    "faults",
    "licence",
    "terms",
    "train_on_outputs",
)
_OWN = {"id", "question", "teacher", "rationale", "teacher_answer"}
_SYSTEM = ("system", "developer")


class BadRow(ValueError):
    """A row that is no reply to a question; the text goes on from the place where it stands.

    Becomes part of a DataError, or a line of the list of what was skipped.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one line or row of a foreign file came to."""

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
    """Take a value for an object.

    Args:
        value: Out of a file.
        name: What it is, for the fault.

    Returns:
        The same.

    Raises:
        BadRow: It is something else.
    """
    if not isinstance(value, Mapping):
        raise BadRow(f"has a {_kind(value)} as {name}; expected an object")
    return value


def text_of(value: Json, name: str) -> str:
    """Take a value for a text.

    Args:
        value: A text, or the parts of a message, of which all are texts.
        name: Where it stands, for the fault.

    Returns:
        The text, parts one behind the other.

    Raises:
        BadRow: It is something else.
    """
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
    """Refuse one name for all replies where each names its teacher.

    Args:
        teacher: What was named; empty: nothing.
        what: The files or rows that know it, for the error.

    Raises:
        ConfigError: A teacher is named.
    """
    if teacher:
        raise ConfigError(f"{what} name their teachers themselves; leave out --teacher {teacher!r}.")


def talk_of(messages: Json) -> Talk:
    """Read a conversation: what the system was told, one question, one reply or none.

    Args:
        messages: Objects with `role` and `content`.

    Returns:
        The conversation.

    Raises:
        BadRow: It is none, has several turns, or a reply without text.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise BadRow(f"has a {_kind(messages)} as messages; expected a list of turns")
    turns = [object_of(turn, "turn") for turn in messages]
    system = [text_of(turn.get("content"), "content") for turn in turns if turn.get("role") in _SYSTEM]
    rest = [turn for turn in turns if turn.get("role") not in _SYSTEM]
    roles = [str(turn.get("role")) for turn in rest]
    if roles not in (["user"], ["user", "assistant"]):
        raise BadRow(
            f"has the turns {', '.join(roles) or 'none'}; an example is one question of the user, and at "
            "most one reply of the assistant"
        )
    said = rest[1] if len(rest) == 2 else None
    return Talk(
        question=text_of(rest[0].get("content"), "content"),
        system="\n".join(system),
        reply=None if said is None else text_of(said.get("content"), "content of the assistant"),
        reasoning="" if said is None else _reasoning(said),
    )


def _reasoning(message: Mapping[str, Json]) -> str:
    kept = message.get("reasoning_content") or message.get("reasoning")
    return kept if isinstance(kept, str) else ""


def reply_row(
    teacher: str,
    samples: Sequence[Row],
    *,
    question: str,
    context: str = "",
    choices: Sequence[str] = (),
    answer: Json = None,
    id: str = "",
) -> Row:
    """Make a row of the recorded form.

    Args:
        teacher: Who replied.
        samples: Its replies, each with `text` and `answer`, and whatever else is known of it.
        question: What was asked.
        context: What it is about.
        choices: Option texts; empty for an open question.
        answer: The label; None: unknown.
        id: Of the question; empty: made from its content, so that equal questions of several files meet.

    Returns:
        The row; its example has every column that a task wants.

    Raises:
        BadRow: There is no question, no teacher or no reply.
    """
    if not id and not question.strip():
        raise BadRow("has an empty question")
    if not teacher.strip():
        raise BadRow("does not say which model replied; name it with --teacher")
    if not samples:
        raise BadRow("has no reply")
    row: Row = {"id": id or content_id([context, question, list(choices)])[:16], "question": question}
    if context:
        row["context"] = context
    entry = dict(samples[0])
    if len(samples) > 1:
        entry["samples"] = [dict(sample) for sample in samples]
    return {**row, "choices": list(choices), "answer": answer, "rationales": {teacher: entry}}


def is_carried(row: Mapping[str, Json]) -> bool:
    """Say whether a row brings the columns of our own export.

    Args:
        row: Out of any file.

    Returns:
        Whether those that make a reply are there.
    """
    return row.keys() >= _OWN


def carried_row(row: Mapping[str, Json], completion: str | None = None, *, teacher: str = "") -> Row:
    """Make a row of the recorded form from the columns of our own export.

    Args:
        row: With the columns `CARRIED`.
        completion: What the file has as the teacher's words; None: nothing to hold them against.
        teacher: Must be empty: the row names its teacher.

    Returns:
        The row.

    Raises:
        BadRow: The words are not those that were exported.
        ConfigError: A teacher is named.
    """
    refuse_teacher(teacher, "rows of our own export")
    written = row.get("completion_id")
    if completion is not None and written and written != content_id(completion)[:16]:
        raise BadRow(
            "has another completion than was exported, and 'rationale' and 'teacher_answer' as they were; "
            "take those two columns out to import what stands there now"
        )
    sample: Row = {"text": text_of(row["rationale"], "rationale"), "answer": row["teacher_answer"]}
    sample |= {name: row[name] for name in _OF_SAMPLE if row.get(name) not in (None, "", [])}
    choices = row.get("choices")
    made = reply_row(
        text_of(row["teacher"], "teacher"),
        [sample],
        question=text_of(row["question"], "question"),
        context=text_of(row.get("context") or "", "context"),
        choices=[text_of(choice, "choices") for choice in choices] if isinstance(choices, Sequence) else (),
        answer=row.get("answer"),
        id=text_of(row["id"], "id"),
    )
    if row.get("label_source"):
        made["label_source"] = row["label_source"]
    return made
