"""The nouns that travel between the rooms: frozen, JSON there and back, ids made from the content.

Knows no file, no network and no model. A record that must change is replaced (`dataclasses.replace`), never
altered.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Self

from tuition.core.texts.steps import split_steps

__all__ = [
    "Annotation",
    "Evidence",
    "Example",
    "Failure",
    "Grade",
    "Json",
    "Message",
    "Prediction",
    "RateLimits",
    "Record",
    "Reply",
    "Request",
    "RevisionOutcome",
    "Target",
    "Usage",
    "canonical_json",
    "content_id",
    "option_letter",
    "written_turns",
]

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
"""What JSON can hold."""
_LATER = {"later": True}
"""Of a field that came later: where it has its default it is left out of JSON, so that old ids stay."""


def canonical_json(value: object) -> str:
    """Write a value in the one form of identities: keys sorted, no blanks, no escapes beyond JSON's own."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_id(value: object) -> str:
    """Name a value by its content."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What every noun can do: become JSON, and come back."""

    def to_json(self) -> dict[str, Json]:
        """Give the record as plain JSON values: one entry a field, nested records as objects."""
        fields = self.__dataclass_fields__.items()
        row = ((name, item, getattr(self, name)) for name, item in fields)
        return {n: _plain(value) for n, item, value in row if not item.metadata or value != item.default}

    @classmethod
    def from_json(cls, row: Mapping[str, Json]) -> Self:
        """Make the record from what `to_json` gave; keys that it does not know are ignored."""
        known = cls.__dataclass_fields__
        return cls(**{key: _revive(key, value) for key, value in row.items() if key in known})


def _plain(value: Any) -> Any:
    """As `dataclasses.asdict` has it, in a fifth of the time; each call writes four records."""
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.to_json() if isinstance(value, Record) else value


def _revive(field_name: str, value: Any) -> Any:
    """Turn a JSON value back into what its field holds: tuples for lists, records for objects."""
    if value is None:
        return None
    match field_name:
        case "messages":
            return tuple(Message.from_json(item) for item in value)
        case "usage" | "failure":
            return (Usage if field_name == "usage" else Failure).from_json(value)
        case "grade":
            return Grade(value)
    return tuple(_revive("", item) for item in value) if isinstance(value, list) else value


class Grade(StrEnum):
    """What an answer is worth. An unreadable one is never a number, an "A" or a "no"."""

    RIGHT = "right"
    WRONG = "wrong"
    UNREADABLE = "unreadable"


class _Named:
    __slots__ = ("_name",)  # made of the content, once


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Record, _Named):
    """One question of a pool."""

    id: str
    question: str
    choices: tuple[str, ...] = ()
    """Option texts; empty for an open question."""
    context: str = ""
    """What the question is about, such as an abstract; cut before the question is."""
    answer: str | None = None
    """The label: an option's text, a number, a string. None: unknown."""
    label_source: str = "gold"
    """Who says so: gold, teacher:NAME, majority, weighted, human; empty: the label was taken away."""
    domain: str = ""
    split: str = ""
    messages: tuple[Message, ...] = field(default=(), metadata=_LATER)
    """Turns of a conversation, the last one asked; `question` is `written_turns` of them. Empty: no turns."""
    lists_choices: bool = field(default=True, metadata=_LATER)
    """Whether the choices stand in the question; False: all questions have the same, of which a teacher is
    told once and which a student knows."""

    @property
    def last_turn(self) -> Example:
        """The same with its last turn alone as the question."""
        if not self.messages:
            return self
        return dataclasses.replace(self, question=self.messages[-1].content, messages=())

    @property
    def listed(self) -> tuple[str, ...]:
        """The choices that stand in the question."""
        return self.choices if self.lists_choices else ()

    @property
    def answer_index(self) -> int | None:
        """Position of the answer among the choices; None where it is not among them."""
        return self.choices.index(self.answer) if self.answer in self.choices else None


def written_turns(messages: Sequence[Message]) -> str:
    """Write a conversation as one text, a turn behind the name of its role: `User: …`, `Assistant: …`."""
    return "\n".join(f"{message.role.capitalize()}: {message.content.strip()}" for message in messages)


def option_letter(i: int) -> str:
    """Name an option by its position, as spreadsheets name columns."""
    more, last = divmod(i, 26)
    return (option_letter(more - 1) if more else "") + chr(ord("a") + last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Record):
    """One turn of a conversation with a teacher."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Record, _Named):
    """One call that could be made: the identity of what is bought, and the columns that stand beside it."""

    endpoint: str
    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """Sampling parameters, as sent; `max_tokens` bounds the answer."""
    sample: int = 0
    """Which of several independent answers to the same call."""

    teacher: str = ""
    role: str = ""
    """What the call is for: rationale, solve, evaluate, label. Not part of the key."""
    prompt: str = ""
    """Name and version of the prompt, such as `rationale/1`. Not part of the key."""
    example_id: str = ""
    tag: str = ""
    """Name of one attempt, to find it in a provider's list of charges; not part of the key."""

    @property
    def key(self) -> str:
        """SHA-256 of endpoint, model, messages, parameters and sample: identical calls are bought once."""
        if not hasattr(self, "_name"):
            bought = {
                "endpoint": self.endpoint,
                "model": self.model,
                "messages": [message.to_json() for message in self.messages],
                "parameters": dict(self.parameters),
                "sample": self.sample,
            }
            object.__setattr__(self, "_name", content_id(bought))
        return self._name


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage(Record):
    """Tokens of one call, as the provider counted them."""

    prompt_tokens: int = 0
    """All of the prompt, the cached part included."""
    cached_tokens: int = 0
    completion_tokens: int = 0
    """All that was written, the reasoning included."""
    reasoning_tokens: int = 0
    is_estimated: bool = False
    """True where the provider counted nothing and the numbers come from the length of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Record):
    """Why a call gave no answer. Failure is data."""

    kind: str
    """absent, timeout, connection, rate_limit, quota, server, bad_request, not_found, auth, unusable,
    refused, filtered, truncated, malformed, empty, expired, exception, unknown_outcome, unpaid."""
    message: str
    is_retryable: bool = False
    retry_after_s: float | None = None
    """What the server asked for; None: it did not say."""
    is_paid: bool | None = False
    """Whether the provider charged for the attempt; None: nobody can tell, so it counts at its worst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits(Record):
    """What an endpoint's headers say of its limits; None: it did not say."""

    requests: int | None = None
    """Requests a minute."""
    requests_left: int | None = None
    requests_reset_s: float | None = None
    """Seconds until all requests are there again."""
    tokens: int | None = None
    """Tokens a minute, prompt and completion together."""
    tokens_left: int | None = None
    tokens_reset_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Record):
    """What came back from one attempt: a text, or a failure."""

    text: str = ""
    reasoning: str = ""
    """Text the provider kept apart as reasoning."""
    answer: str | None = None
    """An answer the provider gave apart from the text; None: read it from the text."""
    finish: str = "stop"
    """stop, length, content_filter, or what the provider said."""
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    """The model id as returned."""
    latency_s: float = 0.0
    raw: str = ""
    """The body as it came."""
    headers: str = ""
    """The response headers as JSON."""
    limits: RateLimits | None = None
    """What the headers say of the endpoint's limits; heeded, and not kept."""
    failure: Failure | None = None
    """None: the call succeeded."""


RevisionOutcome = Literal["", "right", "answer_wrong", "mended", "unread"]
"""What revising came to: nothing was wrong; only the answer; a teacher wrote on from the first wrong step;
the reply could not be read, and a chain was written instead. Empty: nobody looked, or there was no step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation(Record):
    """One teacher's kept reply on one example."""

    example_id: str
    teacher: str
    kind: str
    """rationale (gold answer shown), chain (not shown), revision, answer (no rationale at all), rehearsal
    (the student's own), own (a chain by another model of the run)."""
    rationale: str
    answer: str | None
    """What the teacher concludes, read from its reply; None: unreadable."""
    is_forced: bool = False
    """Whether the gold answer stood in the prompt."""
    parent: str = ""
    """Id of the annotation or prediction this one revises."""
    request_keys: tuple[str, ...] = ()
    sample: int = 0
    demonstrations: tuple[str, ...] = ()
    """Ids of the examples shown in the prompt."""
    faults: tuple[str, ...] = ()
    """Health checks it failed; empty: healthy."""
    finish: str = "stop"
    first_wrong: int | None = None
    """Of a revision: the 0-based index of the parent's first wrong step, its number of steps where only the
    answer was wrong; None: nothing was found wrong, or nothing was looked at."""
    history: tuple[str, ...] = ()
    """Of a revision: who said what, in order, as `teacher: what`, such as `ada: step 2 wrong`; for people."""
    outcome: RevisionOutcome = ""
    """What revising the parent came to."""
    is_repaired: bool = False
    """Whether the teacher's reply in one object was no JSON, and could be repaired."""

    @property
    def id(self) -> str:
        """First 16 digits of the content's SHA-256."""
        return content_id(self.to_json())[:16]

    @property
    def steps(self) -> tuple[str, ...]:
        """The rationale, cut into its steps."""
        return split_steps(self.rationale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction(Record):
    """What a student or an examined teacher says about one example."""

    example_id: str
    text: str
    """What was written; empty where options were scored."""
    answer: str | None
    """Read from the text or the highest option; None: unreadable."""
    grade: Grade | None = None
    """None: not graded."""
    option_scores: tuple[float, ...] = ()
    """Log-likelihood of each option, natural log; empty where the answer was generated."""
    output_tokens: int = 0
    confidence: float | None = None
    """The student's probability of its answer: of options that were scored the best one's softmax; of a text
    the geometric mean over its tokens, the end mark included. None: no answer, or it is not known."""

    @property
    def id(self) -> str:
        """First 16 digits of the content's SHA-256; how sure it is makes no other prediction."""
        return content_id({k: value for k, value in self.to_json().items() if k != "confidence"})[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Record):
    """What a student shows of one example, as numbers: all that a score may read."""

    example_id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """By name; each kind of evidence says which it gives, and what no score asked for is absent. In JSON they
    stand beside the other fields."""
    student_tokens: Mapping[str, int] = field(default_factory=dict)
    """Tokens the student wrote for each kind of evidence."""

    def to_json(self) -> dict[str, Json]:
        """Give the record as plain JSON values, one entry a value."""
        own = {"example_id": self.example_id, "student_tokens": dict(self.student_tokens)}
        return {**own, **_plain(dict(self.values))}

    @classmethod
    def from_json(cls, row: Mapping[str, Json]) -> Self:
        """Make the record from what `to_json` gave."""
        own = {key: value for key, value in row.items() if key in cls.__dataclass_fields__}
        values = {key: _revive(key, value) for key, value in row.items() if key not in own}
        return cls(**own, values=values)  # ty: ignore[invalid-argument-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Record):
    """One thing the student learns to write: an instruction, a question, and the text that should follow."""

    example: Example
    """Where it comes from; its context is cut first when the input is too long."""
    prefix: str
    """The instruction, such as `predict: `."""
    input: str
    """The question with its choices, without the context."""
    output: str
    """Never empty: an absent rationale is no target."""
    weight: float = 1.0
    """The objective's weight in the loss: γ for the answer, α of its teacher for a rationale."""
    objective: str = "answer"
    """Targets of one objective are averaged together, then weighted."""
    prompt_weight: float = field(default=0.0, metadata=_LATER)
    """What a token of the input weighs beside one of the output; 0: the input is read and not learnt."""
    like: str = field(default="", metadata=_LATER)
    """Another right output, for a lesson that contrasts."""
    against: str = field(default="", metadata=_LATER)
    """A wrong output, for a lesson that contrasts or prefers."""
    shares: tuple[float, ...] = field(default=(), metadata=_LATER)
    """What each choice deserves, 1 in all; empty: `output` deserves everything."""

    def __post_init__(self) -> None:
        if not self.output.strip():
            raise ValueError(f"empty target for example {self.example.id!r}, objective {self.objective!r}")
