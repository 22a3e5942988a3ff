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
    choices, written = table.get("choices"), []
    for choice in choices if isinstance(choices, list) else ():
        match choice:
            case {"message": dict(message)}:
                said = {"content": message.get("content"), "refusal": message.get("refusal")}
                written.append(Written(**said, reasoning=reasoning_of(message), source=choice))
            case _:
                written.append(None)
    return written


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
