"""Anthropic's native Messages API; one answer a call."""

from __future__ import annotations

from collections.abc import Mapping

from tuition.core.records import Json, Request, Usage
from tuition.teachers.http.forms.form import Form, Table, Written, schema_of
from tuition.teachers.usage import count_of, read_usage

__all__ = ["ANTHROPIC"]


def _body(request: Request, sent: Mapping[str, Json], n: int) -> dict[str, object]:
    assert n == 1
    system = "\n\n".join(turn.content for turn in request.messages if turn.role == "system")
    turns = [turn.to_json() for turn in request.messages if turn.role != "system"]
    rest = {name: value for name, value in sent.items() if name != "response_format"}
    body = {"model": request.model, **({"system": system} if system else {}), "messages": turns, **rest}
    if (schema := schema_of(sent)) is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return body


def _answers(table: Table) -> list[Written | None]:
    content = table.get("content")
    return [Written(content=content, source=table)] if isinstance(content, list | str) else []


def _counted(table: Table) -> Usage | None:
    counts = table.get("usage")
    # Three counts that do not overlap: what the cache brought, what it keeps from now on, and the rest.
    cached, made = (count_of(counts, f"cache_{what}_input_tokens") for what in ("read", "creation"))
    prompt, completion = count_of(counts, "input_tokens") + cached + made, count_of(counts, "output_tokens")
    if prompt + completion == 0:
        # Some gateways keep OpenAI's names.
        return read_usage(counts)
    return Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion)


ANTHROPIC = Form(
    path=lambda model: "/messages",
    headers=lambda key: {"anthropic-version": "2023-06-01", **({"x-api-key": key} if key else {})},
    body=_body,
    answers=_answers,
    counted=_counted,
    whole="a message",
    reserved=frozenset({"messages", "model", "system"}),
    absent=frozenset({"n", "logprobs", "top_logprobs", "seed"}),
    # Newer models refuse a temperature, and older ones know no schema.
    declared=frozenset({"temperature", "response_format"}),
    spelled={"response_format": ("output_config", "output_format")},
)
