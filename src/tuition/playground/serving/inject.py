"""Fault injection: change an answer's contents, its bytes, or its connection, as a fault declares."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuition.core.records import Json
from tuition.playground.serving.calls import Answer, Choice

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = [
    "PAGE",
    "Cut",
    "Drop",
    "drops",
    "inject_into_answer",
    "inject_into_body",
    "reachable",
    "until_gone",
]

PAGE = "<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
"""What a proxy says that has lost its server."""
_NO = "I'm sorry, but I can't help with that."
_GARBAGE = "\ud83d \x00\x07\x1b[31m \ufeff\u202e "
"""Half a surrogate pair, control characters, a byte order mark, one that turns the direction of writing."""
_PIECES = 20
_SENT_WITH = "tuition.playground.send"


def inject_into_answer(answer: Answer, fault: str) -> Answer:
    """Change what an answer says, where the fault is one of contents; what was charged for it stays."""
    choices = answer.choices
    changed: Mapping[str, Choice] = {
        "null_content": Choice(text=None),
        "exhausted": Choice(text="", finish="length"),
        "filtered": Choice(text="", finish="content_filter"),
        "refusal": Choice(text=None, finish="refusal", refusal=_NO),
    }
    if fault in changed:
        return replace(answer, choices=(changed[fault],) * len(choices))
    match fault:
        case "empty":
            choices = tuple(replace(choice, text="") for choice in choices)
            return replace(
                answer, choices=choices, completion_tokens=0, shown_usage=(answer.prompt_tokens, 0)
            )
        case "truncated":
            texts = [choice.text or "" for choice in choices]
            choices = tuple(
                replace(choice, text=text[: len(text) // 2], finish="length")
                for choice, text in zip(choices, texts, strict=True)
            )
        case "garbage":
            choices = tuple(replace(choice, text=_GARBAGE + (choice.text or "")) for choice in choices)
        case "no_choices":
            choices = ()
        case "extra_choice":
            choices = (choices[0], *choices)
        case "missing_choice":
            choices = choices[:-1]
        case "no_usage":
            return replace(answer, shown_usage=None)
        case "zero_usage":
            return replace(answer, shown_usage=(0, 0))
        case "other_model":
            return replace(answer, model="program-other-9")
    return replace(answer, choices=choices)


def inject_into_body(body: dict[str, Json], fault: str) -> bytes:
    """Write a body as bytes, broken where the fault is one of bytes."""
    written = json.dumps(body).encode()
    match fault:
        case "broken_json":
            return written[:-20]
        case "wrong_type":
            return json.dumps([body]).encode()
        case "page":
            return PAGE.encode()
        case "bad_bytes":
            return json.dumps(_marked(body), ensure_ascii=False).encode().replace(b"\x7f", b"\xff\xfe\xe9")
    return written


def _marked(value: Any) -> Any:
    """A copy with a mark at the end of every longer text, to be made into bytes that are no UTF-8."""
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return value + " \x7f" if isinstance(value, str) and " " in value else value


async def drops(body: bytes, over_s: float) -> AsyncIterator[bytes]:
    """Give a body in pieces, over so many seconds altogether."""
    step = -(-len(body) // _PIECES)
    for start in range(0, len(body), step):
        await asyncio.sleep(over_s / _PIECES)
        yield body[start : start + step]


async def until_gone(receive: Receive, wait_s: float) -> None:
    """Wait, and stop waiting when the client disconnects; the body must have been read."""
    try:
        async with asyncio.timeout(wait_s):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass


def reachable(application: ASGIApp) -> ASGIApp:
    """Note the server's own `send` for each call, so that `Drop` reaches what Starlette wraps."""

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, _SENT_WITH: send}, receive, send)

    return outermost


class Cut:
    """A response that promises its whole body and sends half; uvicorn then closes the connection."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half."""
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


class Drop:
    """A response that sends no byte: the connection ends."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the connection."""
        # ASGI has no message for this; uvicorn's `send` is a method of an object that holds the transport
        cycle = getattr(scope[_SENT_WITH], "__self__", None)
        transport = getattr(cycle, "transport", None)
        if transport is None:
            raise RuntimeError(
                "a connection can be dropped under uvicorn alone; serve the application with it."
            )
        transport.abort()
        await until_gone(receive, 5.0)
