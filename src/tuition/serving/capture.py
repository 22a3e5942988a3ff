"""What is kept of an answer that was passed on: a row of recorded replies, added to a file.

Knows no network. A row has a question and, by the model that answered, what it said: the form that tasks and
recorded teachers read.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tuition.core.config import Section
from tuition.core.errors import DataError
from tuition.core.rows import JSON_ENDINGS, json_line
from tuition.core.texts.personal import KINDS, Kind
from tuition.core.texts.thoughts import finish_of, parts_of, reasoning_of

__all__ = ["CaptureConfig", "Captured", "NotKept", "read_exchange"]

_SYSTEM = ("system", "developer")
_DONE = b"[DONE]"
_PART = 1 << 16
"""Bytes read at once in search of the last line."""


class CaptureConfig(Section):
    """What is masked before it is stored, and the bounds of requests."""

    mask: tuple[Kind, ...] = KINDS
    """Personal data whose place is taken by its name, such as `[email]`: iban, card, email, phone."""
    concurrency: Annotated[int, Field(ge=1)] = 256
    """Requests at once; more are answered by 503."""
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    """Seconds without a byte of the upstream, after which a request is answered by 504."""
    body_bytes: Annotated[int, Field(ge=1)] = 32_000_000
    """Most bytes of a request's body; more are answered by 413."""
    answer_bytes: Annotated[int, Field(ge=1)] = 32_000_000
    """Most bytes of an answer that is stored; a longer one is passed on all the same."""


class NotKept(Exception):
    """Why an answer that was passed on is not stored."""


class Captured:
    """A file of answers, a line each: readable by its owner alone, and only ever added to."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; a line that a crash broke off at its end is cut off."""
        if path.suffix.lower() not in JSON_ENDINGS:
            raise DataError(f"{str(path)!r} is to hold JSON Lines; end its name in .jsonl")
        self.path = path
        self.kept: Counter[str] = Counter()
        """How many answers were written, by model."""
        self.passed_over: Counter[str] = Counter()
        """How many were not, by the reason."""
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.chmod(path, 0o600)
        self.cut = _end_last_line(self._file)
        """Bytes of half a line that were cut off; the answer was never passed on whole."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def note(self, asked: bytes, said: bytes, *, is_streamed: bool, clean: Callable[[str], str]) -> None:
        """Store an answer, which is in the file when this returns, or count why not; nothing is raised."""
        try:
            row = read_exchange(asked, said, is_streamed=is_streamed, clean=clean)
            self._add(json_line(row).encode("utf-8", "replace") + b"\n")
        except NotKept as reason:
            self.passed_over[str(reason)] += 1
        # Whatever the upstream wrote was passed on, and what of it is no chat completion is no fault of ours.
        except (ValueError, TypeError, AttributeError, RecursionError):
            self.passed_over["of another form"] += 1
        else:
            self.kept.update(list(row["rationales"]))

    def _add(self, line: bytes) -> None:
        """Add a line; a fault leaves nothing of it there."""
        with self._lock:
            end = os.fstat(self._file).st_size
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, end)
                raise NotKept(f"{str(self.path)!r} cannot be written: {error.strerror or error}") from None


def _end_last_line(file: int) -> int:
    """End the last line, or cut it off where it is no JSON; give the bytes that were cut."""
    size = end = os.fstat(file).st_size
    last = b""
    while end > 0 and b"\n" not in last:
        start = max(0, end - _PART)
        last, end = os.pread(file, end - start, start) + last, start
    last = last.rpartition(b"\n")[2]
    if not last:
        return 0
    try:
        json.loads(last)
    except ValueError:
        os.ftruncate(file, size - len(last))
        return len(last)
    os.write(file, b"\n")
    return 0


def read_exchange(
    asked: bytes, said: bytes, *, is_streamed: bool, clean: Callable[[str], str]
) -> dict[str, Any]:
    """Make a row of recorded replies from the bodies of one chat completion, or say why not (`NotKept`)."""
    request, answer = json.loads(asked), _merged(said) if is_streamed else json.loads(said)
    if not isinstance(request, dict) or not isinstance(answer, dict) or answer.get("error"):
        raise NotKept("an error of the upstream")
    system, turns = _turns(request.get("messages"))
    asks: dict[str, Any] = {"question": turns[0]["content"]}
    if len(turns) > 1:
        asks = {"question": "", "messages": turns}
    samples = [_sample(choice) for choice in answer.get("choices") or () if isinstance(choice, dict)]
    if not samples:
        raise NotKept("no text")
    more = {"model": str(answer.get("model") or ""), **({"system": system} if system else {})}
    samples = [{**sample, **more} for sample in samples]
    if isinstance(answer.get("usage"), dict):
        samples[0]["usage"] = answer["usage"]
    entry = samples[0] | ({"samples": samples} if len(samples) > 1 else {})
    model = str(request.get("model") or "") or more["model"]
    if not model:
        raise NotKept("no name of a model")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    row = _cleaned({**asks, "choices": [], "answer": None, "rationales": {model: entry}}, clean)
    return {"id": uuid.uuid4().hex, "at": now, **row}


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item, clean) for item in value]
    return {key: _cleaned(item, clean) for key, item in value.items()} if isinstance(value, dict) else value


def _turns(messages: object) -> tuple[str, list[dict[str, str]]]:
    """What the system was told, and the turns up to the question."""
    system, turns = [], []
    for turn in messages if isinstance(messages, list) else []:
        content = turn.get("content") if isinstance(turn, dict) else None
        parts = content if isinstance(content, list) else [content]
        said = [part.get("text") if isinstance(part, dict) else part for part in parts]
        texts = [part for part in said if isinstance(part, str)]
        if len(texts) != len(parts):
            raise NotKept("no text in the messages")
        text = "".join(texts)
        if turn.get("role") in _SYSTEM:
            system.append(text)
        else:
            turns.append({"role": str(turn.get("role")), "content": text})
    if not turns or turns[-1]["role"] != "user":
        raise NotKept("no question at the end of the messages")
    if not all(turn["role"] in ("user", "assistant") and turn["content"].strip() for turn in turns):
        raise NotKept("a turn that is empty, or a tool's")
    return "\n".join(system), turns


def _sample(choice: Mapping[str, Any]) -> dict[str, Any]:
    message, word = choice.get("message"), choice.get("finish_reason")
    if not isinstance(message, dict):
        raise NotKept("no text")
    text, thought, refused = parts_of(message.get("content"))
    finish = finish_of(word)
    if word is None or finish in ("error", "content_filter", "refusal") or refused or message.get("refusal"):
        raise NotKept("cut off, refused or filtered")
    if not text.strip() or message.get("tool_calls"):
        raise NotKept("a call of a tool, or no text")
    thought = thought or reasoning_of(message)
    return {
        "text": text,
        "answer": None,
        **({"reasoning": thought} if thought else {}),
        **({"finish": finish} if finish != "stop" else {}),
    }


def _merged(said: bytes) -> dict[str, Any]:
    """Put the chunks of a stream together into the completion that they are parts of."""
    whole: dict[str, Any] = {}
    ends: dict[int, Any] = {}
    texts: dict[tuple[int, str], list[str]] = {}
    lines = [line.removeprefix(b"data:").strip() for line in said.splitlines() if line.startswith(b"data:")]
    for chunk in (json.loads(line) for line in lines if line != _DONE):
        if chunk.get("error"):
            raise NotKept("an error of the upstream")
        whole |= {name: chunk[name] for name in ("model", "usage") if chunk.get(name)}
        for choice in chunk.get("choices") or ():
            i = choice.get("index") or 0
            ends[i] = choice.get("finish_reason") or ends.get(i)
            for name, part in (choice.get("delta") or {}).items():
                said_so = "…" if part and name == "tool_calls" else ""
                texts.setdefault((i, name), []).append(part if isinstance(part, str) else said_so)
    choices = [
        {
            "message": {name: "".join(parts) for (k, name), parts in texts.items() if k == i},
            "finish_reason": end,
        }
        for i, end in sorted(ends.items())
    ]
    return {**whole, "choices": choices}
