"""Find out by a few small calls what an endpoint takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from tuition.core.records import Json, Message, Reply, Request
from tuition.teachers.config import TeacherConfig
from tuition.teachers.http.capabilities import REFUSED
from tuition.teachers.http.connections import Answer, Connections, cut_off
from tuition.teachers.http.faults import json_of, refusal
from tuition.teachers.http.forms import FORMS, read_replies

__all__ = ["models_of", "probe"]

_REASONING = ("reasoning", "reasoning_content", "thinking", "thought")
_ASKED = "Reply with the one word yes."
_SCHEMA: Json = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
_FORMAT: Json = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": _SCHEMA}}


async def probe(config: TeacherConfig) -> dict[str, Json]:
    """Find out by a few small calls what an endpoint takes.

    It makes at most seven calls of some twenty tokens each, which are charged like any others and stand in no
    store.
    """
    asking = _Probe(config)
    async with asking.connections:
        await asking.models()
        await asking.plain()
        if asking.found["max_tokens_name"] is not None:
            await asking.abilities()
    return asking.report()


async def models_of(config: TeacherConfig, *, timeout_s: float = 5.0) -> tuple[int, str]:
    """Ask an endpoint what it serves, which costs nothing: how many models, and why it did not say."""
    asking = _Probe(config.model_copy(update={"timeout_s": min(timeout_s, config.timeout_s)}))
    async with asking.connections:
        await asking.models()
    report: Any = asking.report()
    listed = report["models"]
    fault = "" if listed is not None else report["faults"].get("models", "it lists no models")
    return len(listed or ()), fault


class _Probe:
    """A few calls to one endpoint, and what they showed."""

    def __init__(self, config: TeacherConfig) -> None:
        self._config = config
        self._form = FORMS[config.wire.form]
        self.connections = Connections(config)
        self.found: dict[str, Json] = dict.fromkeys(
            ("max_tokens_name", "has_temperature", "has_n", "has_logprobs", "has_json")
        )
        self._faults: dict[str, str] = {}
        self._models: list[Json] | None = None
        self._reasoning_in = ""
        self._calls = self._prompt = self._completion = 0

    async def models(self) -> None:
        """List what the endpoint serves; many endpoints list nothing."""
        try:
            answer = await self.connections.send("/models")
        except (httpx2.HTTPError, TimeoutError) as error:
            self._faults["models"] = cut_off(error, limit=self.connections.limit_of(error)).message
            return
        body = json_of(answer.text) if answer.is_success else None
        # Google lists models by name.
        found = body.get("data", body.get("models")) if isinstance(body, dict) else None
        if isinstance(found, list):
            tables = [entry for entry in found if isinstance(entry, dict)]
            names = [table.get("id", table.get("name")) for table in tables]
            self._models = [self.connections.hide(name) for name in names if isinstance(name, str)]

    async def plain(self) -> None:
        """Make one call without anything optional, under either name of the bound."""
        declared = self._config.wire.max_tokens_name
        for name in (declared,) if declared else self._form.bounds:
            self.found["max_tokens_name"] = name
            answer, is_taken = await self._tried("plain", {})
            if answer is not None and is_taken:
                self._faults.pop("plain", None)
                is_marked = "</think>" in answer.text
                self._reasoning_in = _field(json_of(answer.text), _REASONING) or "<think>" * is_marked
                return
        self.found["max_tokens_name"] = None

    async def abilities(self) -> None:
        """Try each ability in a call of its own; an endpoint may ignore a parameter without a word."""
        found, absent = self.found, self._form.absent
        _, found["has_temperature"] = await self._tried("has_temperature", {"temperature": 0.5})
        found["has_n"] = found["has_logprobs"] = False
        if "n" not in absent:
            answer, found["has_n"] = await self._tried("has_n", {}, n=2)
            if answer is not None and found["has_n"]:
                kinds = [reply.failure and reply.failure.kind for reply in self._read(answer, n=2)]
                found["has_n"] = "malformed" not in kinds
        if "logprobs" not in absent:
            answer, found["has_logprobs"] = await self._tried("has_logprobs", {"logprobs": True})
            if answer is not None and found["has_logprobs"]:
                found["has_logprobs"] = _field(json_of(answer.text), ("logprobs",)) != ""
        answer, found["has_json"] = await self._tried("has_json", {"response_format": _FORMAT})
        if answer is not None and found["has_json"]:
            written = json_of(self._read(answer)[0].text)
            found["has_json"] = isinstance(written, dict) and set(written) == {"answer"}

    def report(self) -> dict[str, Json]:
        """Put together what was found."""
        lines = ["[teacher.wire]"]
        for name, value in self.found.items():
            if value is not None:
                lines.append(f"{name} = {json.dumps(value)}")
        faults: dict[str, Json] = {what: self.connections.hide(said) for what, said in self._faults.items()}
        return {
            "found": self.found,
            "lines": lines,
            "reasoning_in": self._reasoning_in,
            "calls": self._calls,
            "prompt_tokens": self._prompt,
            "completion_tokens": self._completion,
            "models": self._models,
            "faults": faults,
        }

    async def _tried(
        self, what: str, sent: Mapping[str, Json], *, n: int = 1
    ) -> tuple[Answer | None, bool | None]:
        """Make one call, and say whether it was taken; None: it met another fault."""
        self._calls += 1
        request = self._request(sent)
        body = self._form.body(request, request.parameters, n)
        try:
            answer = await self.connections.send(self._form.path(request.model), body)
        except (httpx2.HTTPError, TimeoutError) as error:
            self._faults[what] = cut_off(error, limit=self.connections.limit_of(error)).message
            return None, None
        if not answer.is_success:
            self._faults[what] = refusal(answer.status, answer.text, answer.headers).message
            return answer, False if answer.status in REFUSED else None
        for reply in self._read(answer, n=n):
            self._prompt += reply.usage.prompt_tokens
            self._completion += reply.usage.completion_tokens
        return answer, True

    def _request(self, sent: Mapping[str, Json]) -> Request:
        bound = str(self.found["max_tokens_name"])
        extra: dict[str, Json] = dict(self._config.wire.extra)
        return Request(
            endpoint=self.connections.address,
            model=self._config.model or self._config.name,
            messages=(Message(role="user", content=_ASKED),),
            parameters={**extra, bound: min(64, self._config.max_tokens), **sent},
        )

    def _read(self, answer: Answer, *, n: int = 1) -> list[Reply]:
        return read_replies(self._form, json_of(answer.text), [self._request({})] * n, text=answer.text)


def _field(body: Any, names: Sequence[str]) -> str:
    """The first field of one of these names that holds something, at any depth; empty: none does."""
    if isinstance(body, dict):
        found = next((name for name in names if body.get(name)), "")
        return found or next(filter(None, (_field(value, names) for value in body.values())), "")
    return next(filter(None, (_field(value, names) for value in body)), "") if isinstance(body, list) else ""
