"""The Chat Completions form: calls read, answers, errors and limits written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from tuition.core.records import Json, Message
from tuition.playground.serving.calls import Answer, Call, Choice
from tuition.playground.serving.faults import Refusal

__all__ = ["OpenAI", "faults_of", "plain_text"]


class _Turn(BaseModel):
    role: str
    content: str

    @field_validator("content", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        return plain_text(value)


class _Format(BaseModel):
    type: str = "text"
    json_schema: dict[str, Any] = Field(default_factory=dict)


class _Body(BaseModel):
    """The part of a client's body that a program heeds; the rest is accepted and ignored."""

    model: str
    messages: list[_Turn]
    seed: int | None = None
    temperature: float | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    n: int | None = Field(default=None, ge=1, le=128)
    response_format: _Format = Field(default_factory=_Format)

    @property
    def schema_wanted(self) -> Mapping[str, Json] | None:
        """The JSON schema to fit; {}: any object; None: free text."""
        wanted = self.response_format
        return None if wanted.type == "text" else wanted.json_schema.get("schema", {})


class OpenAI:
    """Chat Completions, as OpenAI, vLLM and many others speak it."""

    name = "openai"

    def read(self, body: bytes | str, *, ignores: tuple[str, ...] = ()) -> Call | Refusal:
        """Read a call.

        Args:
            body: JSON.
            ignores: Parameters to leave out.

        Returns:
            The call; a body that is none gives what to answer.
        """
        try:
            wanted = _Body.model_validate(_without(json.loads(body), ignores))
        except ValidationError as error:
            return Refusal(status=400, code="invalid_request_error", message=faults_of(error))
        except ValueError as error:
            return Refusal(status=400, code="invalid_request_error", message=f"no JSON: {error}")
        bound = wanted.max_tokens if wanted.max_completion_tokens is None else wanted.max_completion_tokens
        return Call(
            model=wanted.model,
            messages=tuple(Message(role=turn.role, content=turn.content) for turn in wanted.messages),
            bound=bound,
            n=wanted.n or 1,
            seed=wanted.seed,
            temperature=wanted.temperature,
            schema=wanted.schema_wanted,
        )

    def write(self, answer: Answer) -> dict[str, Json]:
        """Write an answer.

        Args:
            answer: What was made.

        Returns:
            The body.
        """
        body: dict[str, Json] = {
            "id": answer.id,
            "object": "chat.completion",
            "created": 0,
            "model": answer.model,
            "choices": [_choice(i, choice) for i, choice in enumerate(answer.choices)],
        }
        if answer.shown_usage is not None:
            prompt, completion = answer.shown_usage
            total = prompt + completion
            counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
            body["usage"] = counts
        return body

    def error(self, refusal: Refusal) -> tuple[int, dict[str, Json]]:
        """Write a refusal.

        Args:
            refusal: What to say.

        Returns:
            Status and body.
        """
        kind = "invalid_request_error" if refusal.status == 400 else refusal.code
        said = {
            "message": refusal.message,
            "type": kind,
            "param": refusal.param or None,
            "code": refusal.code,
        }
        return refusal.status, {"error": said}

    def limits(self, left: Mapping[str, tuple[float, float, float]]) -> dict[str, str]:
        """Write the headers on limits.

        Args:
            left: For `requests` and `tokens` the limit a minute, what is left, and seconds until it is full.

        Returns:
            `x-ratelimit-…`, durations such as `6m0s` or `250ms`.
        """
        headers = {}
        for name, (limit, rest, reset_s) in left.items():
            headers[f"x-ratelimit-limit-{name}"] = f"{limit:.0f}"
            headers[f"x-ratelimit-remaining-{name}"] = f"{int(rest)}"
            headers[f"x-ratelimit-reset-{name}"] = _duration(reset_s)
        return headers


def plain_text(content: Any) -> Any:
    """Join the texts of a content that is sent in parts; anything else is left to the check.

    Args:
        content: A text, or a list of `{"type": "text", "text": …}`.

    Returns:
        The text.
    """
    if not isinstance(content, list):
        return content
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))


def faults_of(error: ValidationError) -> str:
    """Say what is wrong with a body.

    Args:
        error: From its check.

    Returns:
        Every fault with its place.
    """
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())


def _without(body: Any, ignores: tuple[str, ...]) -> Any:
    return (
        {key: value for key, value in body.items() if key not in ignores} if isinstance(body, dict) else body
    )


def _choice(i: int, choice: Choice) -> dict[str, Json]:
    refusal = choice.refusal or None
    finish = "stop" if choice.finish == "refusal" else choice.finish
    message = {"role": "assistant", "content": choice.text, "refusal": refusal}
    return {"index": i, "message": message, "finish_reason": finish}


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:.0f}s" if minutes else f"{rest:.3g}s"
