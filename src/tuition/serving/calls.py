"""A request read: its body checked, and what a student cannot do refused by name."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from tuition.core.errors import near_name, nearest
from tuition.serving.guard import Refusal
from tuition.serving.writer import Limits, Prompt, Writer

__all__ = ["Call", "check_model", "prompt_of", "read_call"]

_IGNORED = frozenset(
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}
    | {"prompt_cache_retention", "parallel_tool_calls"}
)
"""Parameters that change no answer of a student."""
_ONLY: dict[str, tuple[tuple[object, ...], str]] = {
    "n": ((1,), "it writes one answer a request; send the request again"),
    "tools": (([],), "it calls no tools"),
    "functions": (([],), "it calls no functions"),
    "tool_choice": (("none", "auto"), "it calls no tools"),
    "function_call": (("none", "auto"), "it calls no functions"),
    "response_format": (({"type": "text"},), "it writes text in the form it was taught"),
    "modalities": ((["text"],), "it writes text alone"),
    "top_p": ((1,), "it draws from all tokens; use temperature"),
    "frequency_penalty": ((0,), "it does not change what the student learnt"),
    "presence_penalty": ((0,), "it does not change what the student learnt"),
    "logit_bias": (({},), "it does not change what the student learnt"),
}
"""Parameters of which a server of a student takes the value that changes nothing."""


def _text_of(content: object) -> object:
    """Join the texts of a content in parts."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            raise ValueError(f"a part of type {kind!r}; this student reads text alone")
        texts.append(part["text"])
    return "".join(texts)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class _Turn(_Strict):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text_of)]
    name: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None
    annotations: list[object] | None = None


class _StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: bool = False


def _listed(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


class Call(_Strict):
    """The body of one request; what it leaves open is as if it were not there."""

    model: Annotated[str, Field(max_length=256)]
    messages: Annotated[list[_Turn], Field(min_length=1, max_length=1000)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]],
        BeforeValidator(_listed),
        Field(max_length=4),
    ] = []
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    stream: bool = False
    stream_options: _StreamOptions | None = None

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends in the counts of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


def read_call(body: bytes) -> Call:
    """Check a body."""
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON: {error}", code="invalid_json") from None
    if not isinstance(found, dict):
        raise Refusal(400, "the body is no JSON object", code="invalid_json")
    given = {name: value for name, value in found.items() if value is not None and name not in _IGNORED}
    for name, (taken, reason) in _ONLY.items():
        if name in given and (value := given.pop(name)) not in taken:
            shown = " or ".join(map(repr, taken))
            message = f"{name} is {_short(value)}, and this server takes only {shown}: {reason}"
            raise Refusal(400, message, code="unsupported_value", param=name)
    unknown = next((name for name in given if name not in Call.model_fields), None)
    if unknown is not None:
        unknown = unknown[:60]
        message = f"unknown parameter {unknown!r}{nearest(unknown, Call.model_fields) or '.'}"
        raise Refusal(400, message, code="unknown_parameter", param=unknown)
    try:
        call = Call.model_validate(given)
    except ValidationError as error:
        faults = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)]
        said = [f"{place}: {message.removeprefix('Value error, ')}" for place, message in faults]
        more = f"; and {len(said) - 3} more" if len(said) > 3 else ""
        message = "; ".join(said[:3]) + more
        raise Refusal(400, message, code="invalid_value", param=faults[0][0]) from None
    needs = {"top_logprobs": ("logprobs", call.logprobs), "stream_options": ("stream", call.stream)}
    for name, (other, is_set) in needs.items():
        if getattr(call, name) is not None and not is_set:
            message = f"{name} is given without {other}; set {other} to true"
            raise Refusal(400, message, code="invalid_value", param=name)
    return call


def prompt_of(
    call: Call, ids: list[int], options: list[list[int]], *, writer: Writer, limits: Limits
) -> Prompt:
    """Bound what is written by the request, the server and the room that the prompt leaves."""
    if not ids:
        raise Refusal(400, "the messages are empty", code="invalid_value", param="messages")
    for name in ("temperature", "top_logprobs") if options else ():
        if value := getattr(call, name):
            message = (
                f"{name} is {value}, and this student scores the options of a question and writes the "
                f"likeliest one, so no other text or token can be drawn or told; leave {name} out"
            )
            raise Refusal(400, message, code="unsupported_value", param=name)
    most = min(limits.max_tokens, writer.positions or limits.max_tokens)
    name = "max_tokens" if call.max_completion_tokens is None else "max_completion_tokens"
    wanted = call.max_tokens if call.max_completion_tokens is None else call.max_completion_tokens
    if wanted is not None and wanted > most:
        message = f"{name} is {wanted}; this server writes at most {most} tokens a request"
        raise Refusal(400, message, code="invalid_value", param=name)
    room = None if writer.positions is None else writer.positions - len(ids)
    longest = max(map(len, options), default=1)
    # a prompt that leaves no room for one token is as long as one that is too long by itself
    if len(ids) > writer.reads or (room is not None and room < max(wanted or 1, longest)):
        limit = f"at most {writer.reads}" + (
            "" if room is None else f", and {writer.positions} with what is written"
        )
        more = max(wanted or 1, longest)
        message = f"the messages have {len(ids)} tokens and {more} are wanted; the student reads {limit}"
        raise Refusal(400, message, code="context_length_exceeded", param="messages")
    if wanted is None:
        usual = longest if options else writer.writes
        wanted = min(usual, most, usual if room is None else room)
    return Prompt(
        ids=ids,
        max_tokens=wanted,
        temperature=call.temperature,
        seed=secrets.randbits(63) if call.seed is None else call.seed,
        top=(call.top_logprobs or 0) if call.logprobs else None,
        options=options,
    )


def check_model(call: Call, writer: Writer) -> None:
    """Refuse a request for another model."""
    if call.model != writer.name:
        message = near_name(call.model, [writer.name], kind="model")
        raise Refusal(404, message, code="model_not_found", param="model")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
