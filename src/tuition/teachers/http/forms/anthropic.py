"""The form of Anthropic's native Messages API: the body, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuition.core.records import Json, Reply, Request, Usage
from tuition.core.texts.replies import finish_of, text_and_thought
from tuition.teachers.http.faults import malformed, unfinished
from tuition.teachers.http.keys import Secret
from tuition.teachers.usage import completed_usage, count_of, estimate_usage, read_usage

__all__ = ["AnthropicForm"]

_VERSION = "2023-06-01"


class AnthropicForm:
    """How a request is written and a reply read, native Messages."""

    path = "/messages"

    def headers(self, key: Secret) -> dict[str, str]:
        """Give the headers of every request.

        Args:
            key: Empty: the endpoint needs none.

        Returns:
            One entry a header.
        """
        version = {"anthropic-version": _VERSION}
        return {"x-api-key": key.show(), **version} if key else version

    def body(self, request: Request, sent: Mapping[str, Json], *, n: int = 1) -> dict[str, object]:
        """Write the body of one call.

        Args:
            request: What is asked; its system messages go apart.
            sent: Its parameters, as this endpoint takes them; `response_format` becomes `output_config`.
            n: Always 1.

        Returns:
            The body.
        """
        assert n == 1
        system = "\n\n".join(turn.content for turn in request.messages if turn.role == "system")
        turns = [turn.to_json() for turn in request.messages if turn.role != "system"]
        rest = {name: value for name, value in sent.items() if name != "response_format"}
        body = {"model": request.model, **({"system": system} if system else {}), "messages": turns, **rest}
        schema = _schema(sent.get("response_format"))
        if schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return body

    def read(self, body: Any, text: str, requests: Sequence[Request]) -> list[Reply]:
        """Read the body of a call that succeeded.

        Args:
            body: As JSON; None where it is none.
            text: As it came.
            requests: What was asked in this call: one.

        Returns:
            One reply.
        """
        [request] = requests
        table: Mapping[str, Any] = body if isinstance(body, dict) else {}
        usage, content = _usage(table.get("usage")), table.get("content")
        if not isinstance(content, list):
            failure = malformed(text, wanted="a message", is_paid=True if usage else None)
            return [Reply(usage=usage or Usage(), raw=text, model=request.model, failure=failure)]
        text_there, reasoning, _ = text_and_thought(content)
        model = table.get("model")
        failure = unfinished(table.get("stop_reason"), has_text=bool(text_there.strip()))
        return [
            Reply(
                text="" if failure else text_there,
                reasoning=reasoning,
                finish=finish_of(table.get("stop_reason")),
                usage=completed_usage(usage, estimate_usage(request, text_there + reasoning)),
                model=model if isinstance(model, str) and model else request.model,
                raw=text,
                failure=failure,
            )
        ]


def _schema(wanted: Json) -> Json:
    """The schema in a `response_format` of OpenAI's form; None where there is none."""
    inner = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    return inner.get("schema") if isinstance(inner, Mapping) else None


def _usage(value: Any) -> Usage | None:
    """The counts, with the parts of the prompt that were cached or are now: each is counted apart."""
    read, made = (count_of(value, f"cache_{what}_input_tokens") for what in ("read", "creation"))
    prompt = count_of(value, "input_tokens") + read + made
    completion = count_of(value, "output_tokens")
    if prompt + completion == 0:
        return read_usage(value)
    return Usage(prompt_tokens=prompt, cached_tokens=read, completion_tokens=completion)
