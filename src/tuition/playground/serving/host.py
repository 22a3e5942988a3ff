"""The server's answers: the teacher programs behind the gate, with faults drawn and payments written.

Knows no client.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from tuition.core.errors import near_name
from tuition.core.records import Json, Reply, Request
from tuition.playground.serving.anthropic import Anthropic
from tuition.playground.serving.calls import Answer, Call, Choice, Payments
from tuition.playground.serving.faults import FAULTS, Faults, Refusal
from tuition.playground.serving.gate import Gate, ServerConfig
from tuition.playground.serving.inject import (
    PAGE,
    Cut,
    Drop,
    drops,
    inject_into_answer,
    inject_into_body,
    until_gone,
)
from tuition.playground.serving.openai import OpenAI
from tuition.playground.teachers import PROGRAMS, PlaygroundTeacher, count_tokens

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response

__all__ = ["Answered", "Host"]

Form = Anthropic | OpenAI
"""How one provider's calls, answers, refusals and limits are written."""
_TAG = "X-Client-Request-Id"
_BATCH = "batch"
"""The client of a batch's lines, which have no connection of their own and do not pass the gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer to one call, before it is sent."""

    status: int
    body: dict[str, Json]
    refusal: Refusal | None = None
    """None: it was answered."""


class Host:
    """Teachers, faults, limits and payments of one server."""

    def __init__(self, faults: Faults, config: ServerConfig, payments: Payments) -> None:
        self.faults = faults
        self.config = config
        self.payments = payments
        self.gate = Gate(config)
        self.calls = 0
        """How many came, which is the next one's number."""
        self.teachers = {profile.model: PlaygroundTeacher(name) for name, profile in PROGRAMS.items()}
        self._in_json = {profile.model: PlaygroundTeacher(name) for name, profile in PROGRAMS.items()}
        for teacher in self._in_json.values():
            # Held to JSON, a program breaks none.
            teacher.profile = replace(teacher.profile, breaks=0.0)
        self._asked: Counter[str] = Counter()

    async def models(self, _: HttpRequest) -> Response:
        """List the models, in the form of `GET /v1/models`."""
        from starlette.responses import JSONResponse

        entries = [{"id": model, "object": "model", "owned_by": "playground"} for model in self.teachers]
        return JSONResponse({"object": "list", "data": entries})

    async def chat(self, http: HttpRequest) -> Response | Cut | Drop:
        """Answer `POST /v1/chat/completions`."""
        return await self._online(http, OpenAI())

    async def messages(self, http: HttpRequest) -> Response | Cut | Drop:
        """Answer `POST /v1/messages`, which must name the version of its form."""
        from starlette.responses import JSONResponse

        form = Anthropic()
        if "anthropic-version" not in http.headers:
            refusal = Refusal(
                status=400, code="invalid_request_error", message="anthropic-version: header is required"
            )
            status, said = form.error(refusal)
            return JSONResponse(said, status)
        return await self._online(http, form)

    async def answer(self, form: Form, body: bytes, *, fault: str = "", tag: str = "") -> Answered:
        """Answer one call and note its charge; of the fault, refusal and contents are in the answer."""
        declared = FAULTS[fault] if fault else None
        refusal = declared.refusal if declared else None
        call = self._read(form, body) if declared is None or declared.is_paid else refusal
        if not isinstance(call, Call):
            assert call is not None, f"{fault} is paid, or refuses"
            return _refused(form, call)
        answer = inject_into_answer(await self._written(call), fault)
        self.payments.note(answer, tag=tag, fault=fault)
        if refusal is not None:
            return _refused(form, refusal)
        return Answered(status=200, body=form.write(answer))

    def _read(self, form: Form, body: bytes) -> Call | Refusal:
        call = form.read(body, ignores=self.config.ignores)
        if isinstance(call, Refusal):
            return call
        named = json.loads(body)
        for name in self.config.refuses:
            if name in named:
                return Refusal(
                    status=400,
                    code="unsupported_parameter",
                    message=f"unsupported parameter: {name!r} is not supported with this model",
                    param=name,
                )
        if call.model not in self.teachers:
            message = near_name(call.model, self.teachers, kind="model")
            return Refusal(status=404, code="model_not_found", message=message)
        return call

    async def _written(self, call: Call) -> Answer:
        teacher = (self.teachers if call.schema is None else self._in_json)[call.model]
        # as with a real endpoint, asking again draws another answer, but not with a seed or temperature 0
        asked = repr(call)
        first = self._asked[asked] if call.seed is None else call.seed
        self._asked[asked] += call.n
        parameters: dict[str, Json] = {} if call.bound is None else {"max_tokens": call.bound}
        request = Request(
            endpoint="playground:", model=call.model, messages=call.messages, parameters=parameters
        )
        is_drawn = call.temperature != 0 or call.seed is not None
        samples = [(first + i) * is_drawn for i in range(call.n)]
        replies = [await teacher.complete(replace(request, sample=sample)) for sample in samples]
        choices = tuple(_choice(reply, call) for reply in replies)
        prompt = replies[0].usage.prompt_tokens
        completion = sum(count_tokens(choice.text or "") for choice in choices)
        return Answer(
            id=f"playground-{self.payments.count + 1}",
            model=call.model,
            choices=choices,
            prompt_tokens=prompt,
            completion_tokens=completion,
            shown_usage=(prompt, completion),
        )

    async def _online(self, http: HttpRequest, form: Form) -> Response | Cut | Drop:
        from starlette.responses import Response

        is_line = http.client is not None and http.client.host == _BATCH
        fault = self.faults.draw(self.calls)
        self.calls += 1
        if fault and (_BATCH if is_line else form.name) not in FAULTS[fault].forms:
            fault = ""
        body = await http.body()
        if fault == "drop":
            return Drop()

        def tokens() -> int:
            call = form.read(body)
            if isinstance(call, Refusal):
                return 0
            return sum(count_tokens(turn.content) for turn in call.messages) + (call.bound or 0) * call.n

        refused = None if is_line else self.gate.refusal(tokens)
        if refused is not None:
            answered, fault = _refused(form, refused), ""
        else:
            with self.gate.inside():
                answered = await self.answer(form, body, fault=fault, tag=http.headers.get(_TAG, ""))
                if self.config.latency_s:
                    await asyncio.sleep(self.config.latency_s)
                if fault in ("hang", "slow"):
                    wait_s = self.faults.hang_s if fault == "hang" else self.faults.slow_s
                    await until_gone(http.receive, wait_s)
        if answered.refusal is not None and answered.refusal.is_page:
            return Response(PAGE, answered.status, media_type="text/html")
        headers = form.limits(self.gate.left())
        if answered.refusal is not None:
            headers |= answered.refusal.headers
        if fault == "rate_limit":
            headers["Retry-After"] = str(self.faults.retry_after_s)
        elif fault == "rate_limit_date":
            headers["Retry-After"] = formatdate(time.time() + self.faults.retry_after_s, usegmt=True)
        elif fault == "bad_gzip":
            headers["Content-Encoding"] = "gzip"
        return self._sent(answered, fault, headers=headers)

    def _sent(self, answered: Answered, fault: str, *, headers: Mapping[str, str]) -> Response | Cut | Drop:
        from starlette.responses import Response, StreamingResponse

        written = inject_into_body(answered.body, fault)
        if fault in ("cut_early", "hang"):
            return Drop()
        if fault == "cut":
            return Cut(written)
        if fault == "drip":
            length = {"Content-Length": str(len(written))}
            pieces = drops(written, self.faults.slow_s)
            return StreamingResponse(pieces, media_type="application/json", headers={**headers, **length})
        media_type = "text/html" if fault == "page" else "application/json"
        return Response(written, answered.status, media_type=media_type, headers=dict(headers))


def _refused(form: Form, refusal: Refusal) -> Answered:
    status, said = form.error(refusal)
    return Answered(status=status, body=said, refusal=refusal)


def _choice(reply: Reply, call: Call) -> Choice:
    """One answer, in JSON where the call wants it and the text is not cut."""
    if call.schema is None or reply.finish == "length":
        return Choice(text=reply.text, finish=reply.finish)
    text = _in_json(reply.text, call.schema)
    whole = len(text)
    while call.bound is not None and count_tokens(text) > call.bound:
        text = text[: len(text) * 9 // 10]
    return Choice(text=text, finish="stop" if len(text) == whole else "length")


def _in_json(text: str, schema: Mapping[str, Any]) -> str:
    """A text that is an object already stays; else it is laid into the schema's places."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return text
    return json.dumps(_filled(schema, text) if schema else {"text": text}, ensure_ascii=False)


def _filled(schema: Mapping[str, Any], text: str) -> Json:
    """Fill a schema as a model would that knows nothing but the text."""
    if "enum" in schema:
        options = schema["enum"]
        return next((option for option in options if str(option) in text), options[0])
    kinds = schema.get("type", "object")
    match kinds[0] if isinstance(kinds, list) else kinds:
        case "object":
            places = schema.get("properties", {})
            return {name: _filled(place, text) for name, place in places.items()}
        case "array":
            return [_filled(schema.get("items", {"type": "string"}), text)]
        case "integer" | "number":
            digits = [word for word in text.replace(".", " ").split() if word.isdigit()]
            return int(digits[-1]) if digits else 0
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return text
