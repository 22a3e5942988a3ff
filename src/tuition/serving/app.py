"""The server: its paths, and each request from its body to its last byte."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tuition.core.errors import DataError, MissingExtra
from tuition.serving.batcher import Batcher, Job, Piece, Text, full
from tuition.serving.calls import Call, check_model, prompt_of, read_call
from tuition.serving.guard import OPEN, Guard, Refusal
from tuition.serving.writer import Limits, Second, Writer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["app"]

_CHAT, _MODELS = "/v1/chat/completions", "/v1/models"
_TO_READ_S = 10
"""Seconds behind a request's time in which a stream must have been read."""
_GONE = 499
"""The status of an answer to a client that has hung up; nobody sees it."""


def app(
    writer: Writer,
    limits: Limits,
    *,
    hosts: Sequence[str] = (),
    token: str | None = None,
    second: Second | None = None,
) -> ASGIApp:
    """Make the server, to be run by uvicorn or by a test.

    Args:
        writer: The model behind it.
        limits: Bounds of requests.
        hosts: Names by which clients may call it besides `localhost` and IP addresses.
        token: What a client must show. None: nothing.
        second: Looks over each answer, and may put another in its place; what is streamed then comes whole.
            None: answers are the writer's own.

    Returns:
        `POST /v1/chat/completions`, `GET /v1/models` and `GET /health`.

    Raises:
        MissingExtra: Starlette is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.requests import ClientDisconnect
        from starlette.routing import Route
    except ImportError:
        raise MissingExtra("starlette", "serve") from None
    host = _Host(writer, limits, second)
    routes = [
        Route(_CHAT, host.chat, methods=["POST"]),
        Route(_MODELS, host.models, methods=["GET"]),
        Route(f"{_MODELS}/{{name:path}}", host.model, methods=["GET"]),
        Route(OPEN, host.health, methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {Refusal: _refused, HTTPException: _not_found, Exception: _failed}
    handlers[ClientDisconnect] = _hung_up
    inner = Starlette(routes=routes, exception_handlers=handlers)
    return Guard(inner, hosts=[*hosts, *limits.hosts], token=token)


async def _refused(_: Request, refusal: Refusal) -> Response:
    return refusal.response()


async def _not_found(http: Request, error: Any) -> Response:
    message = (
        f"{http.method} {http.url.path} is not served; there are POST {_CHAT}, GET {_MODELS} and GET {OPEN}"
    )
    return Refusal(error.status_code, message, code="not_served", headers=error.headers).response()


async def _hung_up(_: Request, error: Exception) -> Response:
    from starlette.responses import Response

    return Response(status_code=_GONE)


async def _failed(_: Request, error: Exception) -> Response:
    return Refusal(500, "the server failed; its log says why", code="server_error").response()


class _Host:
    """The answers to requests."""

    def __init__(self, writer: Writer, limits: Limits, second: Second | None) -> None:
        self._writer, self._limits, self._second = writer, limits, second
        self._batcher = Batcher(writer, limits)
        self._threads = ThreadPoolExecutor(limits.batch, thread_name_prefix="second")
        self._inside = 0
        self._began = int(time.time())

    async def health(self, _: Request) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok"})

    async def models(self, _: Request) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse({"object": "list", "data": [self._entry()]})

    async def model(self, http: Request) -> Response:
        from starlette.responses import JSONResponse

        name = http.path_params["name"]
        if name != self._writer.name:
            message = f"unknown model {name!r}. Known: {self._writer.name}."
            raise Refusal(404, message, code="model_not_found", param="model")
        return JSONResponse(self._entry())

    def _entry(self) -> dict[str, object]:
        name = self._writer.name
        return {"id": name, "object": "model", "created": self._began, "owned_by": "tuition"}

    async def chat(self, http: Request) -> Response | _Stream:
        """Answer `POST /v1/chat/completions`."""
        from starlette.responses import JSONResponse, Response

        deadline = asyncio.get_running_loop().time() + self._limits.timeout_s
        if self._inside >= 2 * (self._limits.batch + self._limits.queue):
            raise full()
        self._inside += 1
        job = stream = None
        try:
            async with asyncio.timeout_at(deadline):
                call = read_call(await self._body(http))
                job = await self._begun(call)
                first = await _unless_gone(job, http.receive)
                by = ""
                if isinstance(first, Piece) and self._second is not None:
                    first, by = await self._looked_over(first, self._second, call=call, job=job)
            if first is None:
                return Response(status_code=_GONE)
            if isinstance(first, Refusal):
                raise first
            answer = _Answer(call, job, self._writer.name, by=by)
            if call.stream:
                stream = _Stream(answer, first, batcher=self._batcher, deadline=deadline, late=self._late())
            return stream or JSONResponse(answer.whole(first))
        except TimeoutError:
            raise self._late() from None
        finally:
            self._inside -= 1
            if job is not None and stream is None:
                self._batcher.cancel(job)

    async def _looked_over(self, piece: Piece, second: Second, *, call: Call, job: Job) -> tuple[Piece, str]:
        """Let the second look at a whole text; what it puts there has no probabilities."""
        loop, messages = asyncio.get_running_loop(), _plain(call)
        text, by = await loop.run_in_executor(self._threads, second, messages, piece.text, job.confidence)
        if text == piece.text:
            return piece, by
        for stop in call.stop:
            text = text.partition(stop)[0]
        return Piece(text=text, finish="stop"), by

    def _late(self) -> Refusal:
        message = (
            f"the request took more than {self._limits.timeout_s:g} s, waiting included; ask for fewer "
            "tokens, or start the server with a higher --set timeout_s"
        )
        # Clients that try again by themselves would only lengthen the line.
        return Refusal(503, message, code="timeout", headers={"x-should-retry": "false"})

    async def _body(self, http: Request) -> bytes:
        kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # A page of another origin may send every other kind without asking first.
            message = f"the content type is {kind!r}; send application/json"
            raise Refusal(415, message, code="unsupported_media_type")
        most, body = self._limits.body_bytes, bytearray()
        async for part in http.stream():
            body += part
            if len(body) > most:
                raise Refusal(413, f"the body has more than {most} bytes", code="body_too_large")
        return bytes(body)

    async def _begun(self, call: Call) -> Job:
        check_model(call, self._writer)
        messages = _plain(call)
        try:
            ids = await asyncio.to_thread(self._writer.render, messages)
            options = await asyncio.to_thread(self._writer.options, messages)
        except DataError as error:
            raise Refusal(400, str(error), code="invalid_value", param="messages") from None
        prompt = prompt_of(call, ids, options, writer=self._writer, limits=self._limits)
        if self._second is not None:
            prompt = dataclasses.replace(prompt, top=prompt.top or 0)
        job = Job(
            prompt=prompt,
            text=Text(self._writer.decode, call.stop),
            is_streamed=call.stream and self._second is None,
            has_stops=bool(call.stop),
        )
        self._batcher.put(job)
        return job


def _plain(call: Call) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in call.messages]


class _Answer:
    """Writes one answer in OpenAI's form; beside it stands who gave it, where that is not one alone."""

    def __init__(self, call: Call, job: Job, model: str, *, by: str = "") -> None:
        self.call, self.job = call, job
        self._head: dict[str, object] = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
            **({"answered_by": by} if by else {}),
        }

    def whole(self, piece: Piece) -> dict[str, object]:
        message = {"role": "assistant", "content": piece.text, "refusal": None}
        choice = self._choice("message", message, piece)
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage()}

    def chunk(self, delta: Mapping[str, object], piece: Piece) -> bytes:
        more: dict[str, object] = {"usage": None} if self.call.with_usage else {}
        return self._line([self._choice("delta", delta, piece)], more)

    def usage_chunk(self) -> bytes:
        return self._line([], {"usage": self._usage()})

    def _line(self, choices: list[object], more: Mapping[str, object]) -> bytes:
        return _sse({**self._head, "object": "chat.completion.chunk", "choices": choices, **more})

    def _choice(self, key: str, said: Mapping[str, object], piece: Piece) -> dict[str, object]:
        logprobs = {"content": list(piece.logprobs), "refusal": None} if self.call.logprobs else None
        return {"index": 0, key: said, "logprobs": logprobs, "finish_reason": piece.finish}

    def _usage(self) -> dict[str, int]:
        read, written = len(self.job.prompt.ids), self.job.written
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _sse(body: Mapping[str, object]) -> bytes:
    """Write one server-sent event."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


class _Stream:
    """An answer sent piece by piece; its job is cancelled where the client hangs up."""

    def __init__(
        self, answer: _Answer, first: Piece, *, batcher: Batcher, deadline: float, late: Refusal
    ) -> None:
        self._answer, self._first, self._batcher = answer, first, batcher
        self._deadline, self._late = deadline, late

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = (b"content-type", b"text/event-stream; charset=utf-8")
        headers = [kind, (b"cache-control", b"no-store")]
        try:
            # A client that reads nothing would keep its connection for ever.
            async with asyncio.timeout_at(self._deadline + _TO_READ_S):
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                async for part in self._parts(receive):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            # what is not complete is closed
            return
        finally:
            self._batcher.cancel(self._answer.job)

    async def _parts(self, receive: Receive) -> AsyncGenerator[bytes]:
        answer, piece = self._answer, self._first
        yield answer.chunk({"role": "assistant", "content": ""}, Piece(text=""))
        while True:
            yield answer.chunk({"content": piece.text} if piece.text else {}, piece)
            if piece.finish is not None:
                break
            try:
                async with asyncio.timeout_at(self._deadline):
                    found = await _unless_gone(answer.job, receive)
            except TimeoutError:
                found = self._late
            if found is None:
                return
            if isinstance(found, Refusal):
                yield _sse(found.body())
                return
            piece = found
        if answer.call.with_usage:
            yield answer.usage_chunk()
        yield b"data: [DONE]\n\n"


async def _unless_gone(job: Job, receive: Receive) -> Piece | Refusal | None:
    """Wait for the next piece. None: the client hung up."""
    if not job.pieces.empty():
        return job.pieces.get_nowait()

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    piece, end = asyncio.create_task(job.pieces.get()), asyncio.create_task(gone())
    try:
        await asyncio.wait({piece, end}, return_when=asyncio.FIRST_COMPLETED)
        return piece.result() if piece.done() else None
    finally:
        piece.cancel()
        end.cancel()
