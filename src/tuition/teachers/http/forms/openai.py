"""OpenAI's Chat Completions, which most endpoints speak."""

from __future__ import annotations

from collections.abc import Mapping

from tuition.core.records import Json, Request
from tuition.core.texts.thoughts import reasoning_of
from tuition.teachers.http.forms.form import Form, Table, Written
from tuition.teachers.usage import read_usage

__all__ = ["OPENAI"]


def _body(request: Request, sent: Mapping[str, Json], n: int) -> dict[str, object]:
    messages = [message.to_json() for message in request.messages]
    body = {"model": request.model, "messages": messages, **sent}
    return body if n == 1 else {**body, "n": n}


def _answers(table: Table) -> list[Written | None]:
    choices = table.get("choices")
    return [_answer(choice) for choice in choices] if isinstance(choices, list) else []


def _answer(choice: object) -> Written | None:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return None
    return Written(
        content=message.get("content"),
        reasoning=reasoning_of(message),
        refusal=message.get("refusal"),
        source=choice,
    )


OPENAI = Form(
    path=lambda model: "/chat/completions",
    headers=lambda key: {"Authorization": f"Bearer {key}"} if key else {},
    body=_body,
    answers=_answers,
    counted=lambda table: read_usage(table.get("usage")),
    whole="a chat completion",
    reserved=frozenset({"messages", "model"}),
    bounds=("max_tokens", "max_completion_tokens"),
    has_batches=True,
)
