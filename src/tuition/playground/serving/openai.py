"""The Chat Completions form: calls read, answers, errors and limits written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from tuition.core.records import Json, Message
from tuition.playground.serving.calls import Answer, Call
from tuition.playground.serving.faults import Refusal

__all__ = ["OpenAI", "Text", "read_body"]

Body = TypeVar("Body", bound=BaseModel)


def _joined(content: Any) -> Any:
    """Join the texts of a content in parts; anything else is left to the check."""
    if not isinstance(content, list):
        return content
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))


Text = Annotated[str, BeforeValidator(_joined)]
"""A text, or a list of parts such as `{"type": "text", "text": …}`."""


class _Turn(BaseModel):
    role: str
    content: Text


class _Format(BaseModel):
    type: str = "text"
    json_schema: dict[str, Any] = Field(default_factory=dict)


class _Body(BaseModel):
    """The part of a client's body that a program uses; the rest is accepted and ignored."""

    model: str
    messages: list[_Turn]
    seed: int | None = None
    temperature: float | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    n: int | None = Field(default=None, ge=1, le=128)
    response_format: _Format = Field(default_factory=_Format)


class OpenAI:
    """Chat Completions, as OpenAI, vLLM and many others speak it."""

    name = "openai"

    def read(self, body: bytes | str, *, ignores: tuple[str, ...] = ()) -> Call | Refusal:
        """Read a call."""
        wanted = read_body(_Body, body, ignores)
        if isinstance(wanted, Refusal):
            return wanted
        form = wanted.response_format
        bound = wanted.max_tokens if wanted.max_completion_tokens is None else wanted.max_completion_tokens
        return Call(
            model=wanted.model,
            messages=tuple(Message(role=turn.role, content=turn.content) for turn in wanted.messages),
            bound=bound,
            n=wanted.n or 1,
            seed=wanted.seed,
            temperature=wanted.temperature,
            schema=None if form.type == "text" else form.json_schema.get("schema", {}),
        )

    def write(self, answer: Answer) -> dict[str, Json]:
        """Write an answer."""
        body: dict[str, Json] = {
            "id": answer.id,
            "object": "chat.completion",
            "created": 0,
            "model": answer.model,
            "choices": [
                {
                    "index": i,
                    "message": {
                        "role": "assistant",
                        "content": choice.text,
                        "refusal": choice.refusal or None,
                    },
                    "finish_reason": "stop" if choice.finish == "refusal" else choice.finish,
                }
                for i, choice in enumerate(answer.choices)
            ],
        }
        if answer.shown_usage is not None:
            prompt, completion = answer.shown_usage
            total = prompt + completion
            counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
            body["usage"] = counts
        return body

    def error(self, refusal: Refusal) -> tuple[int, dict[str, Json]]:
        """Write a refusal as status and body."""
        kind = "invalid_request_error" if refusal.status == 400 else refusal.code
        said = {
            "message": refusal.message,
            "type": kind,
            "param": refusal.param or None,
            "code": refusal.code,
        }
        return refusal.status, {"error": said}

    def limits(self, left: Mapping[str, tuple[float, float, float]]) -> dict[str, str]:
        """Write the headers on limits: of each the size a minute, what is left, seconds until it is full."""
        headers = {}
        for name, (limit, rest, reset_s) in left.items():
            headers[f"x-ratelimit-limit-{name}"] = f"{limit:.0f}"
            headers[f"x-ratelimit-remaining-{name}"] = f"{int(rest)}"
            minutes, rest_s = divmod(reset_s, 60)
            reset = f"{minutes:.0f}m{rest_s:.0f}s" if minutes else f"{rest_s:.3g}s"
            headers[f"x-ratelimit-reset-{name}"] = f"{round(reset_s * 1000)}ms" if reset_s < 1 else reset
        return headers


def read_body(form: type[Body], body: bytes | str, ignores: tuple[str, ...]) -> Body | Refusal:
    """Check a body without the parameters to ignore; the refusal names every fault with its place."""
    try:
        found = json.loads(body)
        if isinstance(found, dict):
            found = {key: value for key, value in found.items() if key not in ignores}
        return form.model_validate(found)
    except ValidationError as error:
        message = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    except ValueError as error:
        message = f"no JSON: {error}"
    return Refusal(status=400, code="invalid_request_error", message=message)
