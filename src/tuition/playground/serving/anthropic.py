"""Anthropic's native form, `POST /v1/messages`: calls read, answers, errors and limits written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field

from tuition.core.records import Json, Message
from tuition.playground.serving.calls import Answer, Call
from tuition.playground.serving.faults import Refusal
from tuition.playground.serving.openai import Text, read_body

__all__ = ["Anthropic"]

_STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "refusal": "refusal"}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The word for each status; for any other it is `api_error`."""


class _Turn(BaseModel):
    role: str = Field(pattern="^(user|assistant)$")
    content: Text


class _Body(BaseModel):
    model: str
    messages: list[_Turn] = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    system: Text = ""
    temperature: float | None = Field(default=None, ge=0, le=1)


class Anthropic:
    """The Messages API."""

    name = "anthropic"

    def read(self, body: bytes | str, *, ignores: tuple[str, ...] = ()) -> Call | Refusal:
        """Read a call."""
        wanted = read_body(_Body, body, ignores)
        if isinstance(wanted, Refusal):
            return wanted
        turns = [Message(role=turn.role, content=turn.content) for turn in wanted.messages]
        first = [Message(role="system", content=wanted.system)] if wanted.system else []
        return Call(
            model=wanted.model,
            messages=tuple(first + turns),
            bound=wanted.max_tokens,
            temperature=wanted.temperature,
        )

    def write(self, answer: Answer) -> dict[str, Json]:
        """Write an answer; only its first choice has a place in this form."""
        choice = answer.choices[0] if answer.choices else None
        parts: list[Json] = []
        if choice is not None and (choice.text or choice.refusal):
            parts = [{"type": "text", "text": choice.text or choice.refusal}]
        body: dict[str, Json] = {
            "id": answer.id,
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": None if choice is not None and choice.text is None and not choice.refusal else parts,
            "stop_reason": "end_turn" if choice is None else _STOPS[choice.finish],
            "stop_sequence": None,
        }
        if answer.shown_usage is not None:
            prompt, completion = answer.shown_usage
            body["usage"] = {
                "input_tokens": prompt,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": completion,
            }
        return body

    def error(self, refusal: Refusal) -> tuple[int, dict[str, Json]]:
        """Write a refusal as status and body; no credit is 402 here."""
        status = 402 if refusal.code == "insufficient_quota" else refusal.status
        said = {"type": _ERRORS.get(status, "api_error"), "message": refusal.message}
        return status, {"type": "error", "error": said}

    def limits(self, left: Mapping[str, tuple[float, float, float]]) -> dict[str, str]:
        """Write the headers on limits: of each the size a minute, what is left, seconds until it is full."""
        headers = {}
        for name, (limit, rest, reset_s) in left.items():
            at = datetime.now(UTC) + timedelta(seconds=reset_s)
            headers[f"anthropic-ratelimit-{name}-limit"] = f"{limit:.0f}"
            headers[f"anthropic-ratelimit-{name}-remaining"] = f"{int(rest)}"
            headers[f"anthropic-ratelimit-{name}-reset"] = at.isoformat(timespec="seconds").replace(
                "+00:00", "Z"
            )
        return headers
