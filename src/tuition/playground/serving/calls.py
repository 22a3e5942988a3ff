"""What a client asks for and gets, in the form of no provider; and the list of payments."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuition.core.records import Json, Message, canonical_json

__all__ = ["Answer", "Call", "Choice", "Payments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a teacher program is asked for; other fields of the body are accepted and ignored."""

    model: str
    messages: tuple[Message, ...]
    bound: int | None = None
    """Tokens an answer may have; None: as many as it takes."""
    n: int = 1
    """How many answers."""
    seed: int | None = None
    temperature: float | None = None
    schema: Mapping[str, Json] | None = None
    """JSON schema the text must fit; {}: any object; None: free text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the answers to a call."""

    text: str | None
    """None: the content is null."""
    finish: str = "stop"
    """stop, length, content_filter or refusal."""
    refusal: str = ""
    """What a model that will not answer says instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call brings, and what it is charged."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int
    """Of all choices together."""
    shown_usage: tuple[int, int] | None
    """Prompt and completion tokens as the client is told them; None: it is told nothing."""


class Payments:
    """The server's own list of what was charged: one JSON line each, written before the answer leaves."""

    def __init__(self, path: Path | None) -> None:
        """Name the file; None: the payments are counted and not written."""
        self.path = path
        self.count = 0

    def note(self, answer: Answer, *, tag: str, fault: str) -> None:
        """Write a payment down; an answer is charged also where a fault then loses it."""
        self.count += 1
        line: dict[str, Json] = {
            "id": answer.id,
            "tag": tag,
            "model": answer.model,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "time": time.time(),
            "fault": fault,
        }
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(canonical_json(line) + "\n")
