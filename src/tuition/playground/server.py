"""Serve the teachers, which are programs, not language models, over HTTP in the OpenAI form, with faults.

So that the real client path can be tested without a key. Knows no store and no client.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field, ValidationError, model_validator

from tuition.core.config import Section
from tuition.core.errors import MissingExtra, near_name
from tuition.core.records import Json, Message, Reply, Request, canonical_json
from tuition.playground.teachers import PROGRAMS, PlaygroundTeacher

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

__all__ = ["Faults", "app", "serve"]

Share = Annotated[float, Field(ge=0, le=1)]


class Faults(Section):
    """Which share of the calls goes wrong, and how."""

    seed: int = 0
    """Equal seeds spoil the same calls, counted in order of arrival."""
    rate_limit: Share = 0.0
    """429 with Retry-After."""
    rate_limit_silent: Share = 0.0
    """429 without Retry-After."""
    server_error: Share = 0.0
    """500."""
    cut: Share = 0.0
    """The connection ends in the middle of the body; paid."""
    broken_json: Share = 0.0
    """The body is no JSON; paid."""
    empty: Share = 0.0
    """The text is empty; paid."""
    slow: Share = 0.0
    """The answer comes after `slow_s`; paid."""
    slow_s: Annotated[float, Field(ge=0)] = 30.0
    """Seconds a slow answer takes; longer than a client's patience it is a time-out."""
    retry_after_s: Annotated[int, Field(ge=0)] = 1
    """What Retry-After says."""

    @model_validator(mode="after")
    def _add_up(self) -> Faults:
        total = sum(getattr(self, kind) for kind in _KINDS)
        if total > 1:
            raise ValueError(f"the shares of faults add up to {total:g}, at most 1 is possible")
        return self

    def draw(self, call: int) -> str:
        """Say what happens to a call.

        Args:
            call: Its number, from 0.

        Returns:
            The fault's name; empty: none.
        """
        point = Random(f"{self.seed}/{call}").random()
        for kind in _KINDS:
            point -= getattr(self, kind)
            if point < 0:
                return kind
        return ""


_KINDS = ("rate_limit", "rate_limit_silent", "server_error", "cut", "broken_json", "empty", "slow")


class _Turn(BaseModel):
    role: str
    content: str


class _Call(BaseModel):
    """The part of a client's body that a program heeds; the rest is accepted and ignored."""

    model: str
    messages: list[_Turn]
    seed: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None

    @property
    def bound(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


class _Server:
    def __init__(self, faults: Faults, ledger: Path | None) -> None:
        self.faults = faults
        self.ledger = ledger
        self.calls = 0
        self.paid = 0
        self.asked: Counter[str] = Counter()
        self.teachers = {profile.model: PlaygroundTeacher(name) for name, profile in PROGRAMS.items()}

    async def models(self, _: HttpRequest) -> Response:
        from starlette.responses import JSONResponse

        entries = [{"id": model, "object": "model", "owned_by": "playground"} for model in self.teachers]
        return JSONResponse({"object": "list", "data": entries})

    async def chat(self, http: HttpRequest) -> Response | _Cut:
        from starlette.responses import JSONResponse

        fault = self.faults.draw(self.calls)
        self.calls += 1
        if fault in ("rate_limit", "rate_limit_silent"):
            wait = {"Retry-After": str(self.faults.retry_after_s)} if fault == "rate_limit" else None
            return JSONResponse(_error("too many requests", "rate_limit_exceeded"), 429, headers=wait)
        if fault == "server_error":
            return JSONResponse(_error("the server failed", "server_error"), 500)
        try:
            call = _Call.model_validate_json(await http.body())
        except ValidationError as error:
            found = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
            return JSONResponse(_error(found, "invalid_request_error"), 400)
        if call.model not in self.teachers:
            return JSONResponse(
                _error(near_name(call.model, self.teachers, kind="model"), "model_not_found"), 404
            )
        reply = await self.teachers[call.model].complete(self._request(call))
        if fault == "empty":
            reply = replace(reply, text="", usage=replace(reply.usage, completion_tokens=0))
        return await self._send(reply, fault)

    def _request(self, call: _Call) -> Request:
        # As with a real endpoint, asking again draws another answer, unless a seed or temperature 0 forbids.
        key = call.model_dump_json()
        sample = call.seed if call.seed is not None else self.asked[key] * (call.temperature != 0)
        self.asked[key] += 1
        messages = tuple(Message(role=turn.role, content=turn.content) for turn in call.messages)
        parameters: dict[str, Json] = {} if call.bound is None else {"max_tokens": call.bound}
        return Request(
            endpoint="playground:", model=call.model, messages=messages, parameters=parameters, sample=sample
        )

    async def _send(self, reply: Reply, fault: str) -> Response | _Cut:
        from starlette.responses import Response

        self.paid += 1
        usage = reply.usage
        counts: dict[str, Json] = {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
        }
        identity: dict[str, Json] = {"id": f"playground-{self.paid}", "model": reply.model}
        self._write_down({**identity, **counts, "fault": fault})
        total = usage.prompt_tokens + usage.completion_tokens
        choice: Json = {
            "index": 0,
            "message": {"role": "assistant", "content": reply.text},
            "finish_reason": reply.finish,
        }
        completion: dict[str, Json] = {"object": "chat.completion", "created": 0, "choices": [choice]}
        body = json.dumps({**identity, **completion, "usage": {**counts, "total_tokens": total}}).encode()
        if fault == "slow":
            await asyncio.sleep(self.faults.slow_s)
        if fault == "cut":
            return _Cut(body)
        return Response(body[:-20] if fault == "broken_json" else body, media_type="application/json")

    def _write_down(self, payment: dict[str, Json]) -> None:
        """Note the payment before the answer leaves: what is charged does not depend on who receives it."""
        if self.ledger is not None:
            with self.ledger.open("a", encoding="utf-8") as file:
                file.write(canonical_json(payment) + "\n")


class _Cut:
    """A response that promises its whole body and sends half; uvicorn then closes the connection."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def _error(message: str, code: str) -> dict[str, Json]:
    return {"error": {"message": message, "type": code, "code": code}}


def app(faults: Faults | None = None, ledger: Path | None = None) -> Starlette:
    """Make the server, to be run by uvicorn or by a test.

    Args:
        faults: None: nothing goes wrong.
        ledger: A file that gets one JSON line a payment; None: no file.

    Returns:
        `POST /v1/chat/completions` and `GET /v1/models`.

    Raises:
        MissingExtra: Starlette is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError:
        raise MissingExtra("starlette", "serve") from None
    server = _Server(faults or Faults(), ledger)
    routes = [
        Route("/v1/models", server.models, methods=["GET"]),
        Route("/v1/chat/completions", server.chat, methods=["POST"]),
    ]
    return Starlette(routes=routes)


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    faults: Faults | None = None,
    ledger: Path | None = Path("server.jsonl"),
) -> None:
    """Serve until interrupted.

    Args:
        host: Loopback unless told otherwise.
        port: A free one; 0: any.
        faults: None: nothing goes wrong.
        ledger: A file that gets one JSON line a payment; None: no file.

    Raises:
        MissingExtra: Starlette or uvicorn is not installed.
    """
    application = app(faults, ledger)
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("uvicorn", "serve") from None
    uvicorn.run(application, host=host, port=port, log_level="info", access_log=False)
