"""What an endpoint takes: as its table says, as its refusals teach, and as a few small calls find out."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import httpx2

from tuition.core.records import Json, Message, Reply, Request
from tuition.teachers.config import TeacherConfig
from tuition.teachers.http.connections import Answer, Connections, address_of, cut_off
from tuition.teachers.http.faults import json_of, refusal, said_of
from tuition.teachers.http.forms.anthropic import AnthropicForm
from tuition.teachers.http.forms.openai import OpenAIForm
from tuition.teachers.http.keys import Secret, read_key

__all__ = ["SAMPLES_PER_CALL", "Capabilities", "form_of", "probe"]

SAMPLES_PER_CALL = 8
"""Samples asked for in one call where an endpoint can: as many as every one of them allows."""

_LOG = logging.getLogger(__name__)
_REFUSED = (400, 422)
_OPTIONAL = {
    "temperature": "wire.has_temperature",
    "n": "wire.has_n",
    "logprobs": "wire.has_logprobs",
    "top_logprobs": "wire.has_logprobs",
    "response_format": "wire.has_json",
    "seed": "",
}
"""What a call can do without, and the switch that says so for good."""
_AS_SENT = {"response_format": ("response_format", "output_config", "output_format")}
_OTHER_BOUND = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OUT_OF_RANGE = re.compile(
    r"between|range|at most|at least|(less|greater|lower|higher|larger|smaller) than|exceed|[<>]="
    r"|too (large|high|big|small|low|many|long)|maximum|minimum|above_max|below_min|context length",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"not support|unsupported|unknown|unrecogni[sz]ed|not permitted|not allowed", re.IGNORECASE
)


def form_of(config: TeacherConfig) -> OpenAIForm | AnthropicForm:
    """Give the form that a teacher's endpoint speaks.

    Args:
        config: Its table.

    Returns:
        How requests are written and replies read.
    """
    return AnthropicForm() if config.wire.form == "anthropic" else OpenAIForm()


class Capabilities:
    """What one endpoint takes; what it refuses is left out from then on, with a warning, never silently."""

    def __init__(self, config: TeacherConfig, *, key: Secret | None = None) -> None:
        """Begin with what the table says.

        Args:
            config: The teacher's table.
            key: Taken out of what an endpoint says before it is logged; None where nothing is learned.
        """
        wire, self._key = config.wire, key or Secret()
        self._who = f"teacher {config.name!r} (model {config.model or config.name!r})"
        self._extra = frozenset(wire.extra)
        self._bound = wire.max_tokens_name or "max_tokens"
        self._may_rename = wire.max_tokens_name is None and wire.form == "openai"
        self._lacks: list[str] = []
        has = {
            "temperature": config.has_temperature,
            "n": wire.has_n is not False,
            "logprobs": wire.has_logprobs is not False,
            "top_logprobs": wire.has_logprobs is not False,
            "response_format": wire.has_json is not False,
        }
        if wire.form == "anthropic":
            nothing = dict.fromkeys(("n", "logprobs", "top_logprobs", "seed"), False)
            has |= {**nothing, "response_format": wire.has_json is True}
        self._off = {name for name, is_there in has.items() if not is_there}

    @property
    def lacks(self) -> tuple[str, ...]:
        """What was wanted and is not sent, in the order it was noticed."""
        return tuple(self._lacks)

    def has(self, name: str) -> bool:
        """Say whether a parameter is sent.

        Args:
            name: As OpenAI calls it.

        Returns:
            False where the table or a refusal says that the endpoint takes none.
        """
        return name not in self._off

    def fit(self, parameters: Mapping[str, Json]) -> dict[str, Json]:
        """Turn a request's parameters into what this endpoint takes.

        Args:
            parameters: As they stand in the request, and in its key.

        Returns:
            Without what it lacks, for which there is a warning once; the bound under its own name.
        """
        sent: dict[str, Json] = {}
        for name, value in parameters.items():
            if name in self._off and name not in self._extra:
                self.miss(name, why="and its table says so, or its form has none")
            else:
                sent[self._bound if name == "max_tokens" else name] = value
        return sent

    def learn(self, answer: Answer, body: Mapping[str, object]) -> bool:
        """Learn from a refusal.

        What `wire.extra` adds is never left out, and a value out of range is its giver's to mend.

        Args:
            answer: What came back.
            body: What was sent.

        Returns:
            Whether the refusal names something that the next attempt goes without.
        """
        if answer.status not in _REFUSED:
            return False
        said = list(said_of(json_of(answer.text)))
        found = [name for name in _OPTIONAL if self._is_refused(name, said, body)]
        for name in found:
            self._off.add(name)
            self.miss(name, why=f"and said: {said[0][:200]!r}")
        return self._rename(said, body) or bool(found)

    def miss(self, name: str, *, why: str) -> None:
        """Warn, once for each name, that something is left out.

        Args:
            name: As OpenAI calls it.
            why: What is known of the reason.
        """
        self._off.add(name)
        if name in self._lacks:
            return
        self._lacks.append(name)
        switch = _OPTIONAL.get(name, "")
        advice = f" Set {switch} = false to have it so from the beginning." if switch else ""
        _LOG.warning(
            "%s takes no %s, %s; it is asked without.%s", self._who, name, self._key.hide(why), advice
        )

    def _is_refused(self, name: str, said: list[str], body: Mapping[str, object]) -> bool:
        if name in self._extra or not any(sent in body for sent in _AS_SENT.get(name, (name,))):
            return False
        names = [text for text in said for sent in _AS_SENT.get(name, (name,)) if _names(sent, text)]
        # One sample a call is in every range.
        return bool(names) and (name == "n" or not any(_OUT_OF_RANGE.search(text) for text in said))

    def _rename(self, said: list[str], body: Mapping[str, object]) -> bool:
        """Whether the bound of the answer was refused for its name; then it gets the other one, once."""
        sent = next((name for name in _OTHER_BOUND if name in body), "")
        if not sent or not any(_names(sent, text) for text in said):
            return False
        if sent != self._bound:
            # Another call in flight has learned it already.
            return True
        other = _OTHER_BOUND[sent]
        is_name = any(_names(other, text) or _UNKNOWN.search(text) for text in said)
        if not self._may_rename or not is_name:
            return False
        self._bound, self._may_rename = other, False
        _LOG.info("%s takes its bound as %s; set wire.max_tokens_name = %r.", self._who, other, other)
        return True


def _names(name: str, text: str) -> bool:
    """Whether a text speaks of a parameter; one letter must stand in quotes or before a verb."""
    if text == name:
        return True
    if len(name) == 1:
        return re.search(rf"[`'\"]{name}[`'\"]|\b{name} (=|>|must|is|should)", text) is not None
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


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

    Args:
        config: The teacher's table; what its `wire` declares is tried all the same.

    Returns:
        `found`: the switches of `[teacher.wire]`, None where it could not be told; `lines`: them as TOML;
        `reasoning_in`: where reasoning text stands, empty for nowhere; `models`: the ids that the endpoint
        lists, None where it lists none; `calls`, `prompt_tokens`, `completion_tokens`: what was used;
        `faults`: what went wrong, by what was tried.
    """
    asking = _Probe(config)
    async with asking.line:
        await asking.models()
        await asking.plain()
        if asking.found["max_tokens_name"] is not None:
            await asking.abilities()
    return asking.report()


class _Probe:
    """A few calls to one endpoint, and what they showed."""

    def __init__(self, config: TeacherConfig) -> None:
        self._config = config
        self._form = form_of(config)
        key = read_key(config)
        address_of(config)
        self.line = Connections(config, headers=self._form.headers(key), key=key)
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
            answer = await self.line.send("/models")
        except (httpx2.HTTPError, TimeoutError) as error:
            self._faults["models"] = cut_off(error, limit=self.line.limit_of(error)).message
            return
        body = json_of(answer.text) if answer.is_success else None
        entries = body.get("data") if isinstance(body, dict) else None
        names = [entry.get("id") for entry in entries or () if isinstance(entry, dict)]
        found: list[Json] = [self.line.hide(name) for name in names if isinstance(name, str)]
        self._models = found if entries is not None else None

    async def plain(self) -> None:
        """Make one call without anything optional, under either name of the bound."""
        declared = self._config.wire.max_tokens_name
        is_native = self._config.wire.form == "anthropic"
        names = (declared,) if declared else ("max_tokens",) if is_native else tuple(_OTHER_BOUND)
        for name in names:
            self.found["max_tokens_name"] = name
            answer = await self._try("plain", {})
            if answer is not None and answer.is_success:
                self._faults.pop("plain", None)
                self._reasoning_in = _reasoning_in(json_of(answer.text))
                return
        self.found["max_tokens_name"] = None

    async def abilities(self) -> None:
        """Try each ability in a call of its own."""
        found, is_native = self.found, self._config.wire.form == "anthropic"
        found["has_temperature"] = self._told(await self._try("has_temperature", {"temperature": 0.5}))
        found["has_n"] = found["has_logprobs"] = False
        if not is_native:
            answer = await self._try("has_n", {}, n=2)
            choices = _choices(answer)
            found["has_n"] = self._told(answer) and len(choices) == 2
            answer = await self._try("has_logprobs", {"logprobs": True})
            choices = _choices(answer)
            found["has_logprobs"] = self._told(answer) and bool(choices and choices[0].get("logprobs"))
        answer = await self._try("has_json", {"response_format": _FORMAT})
        found["has_json"] = self._told(answer)
        if answer is not None and found["has_json"]:
            written = json_of(self._read(answer).text)
            found["has_json"] = isinstance(written, dict) and set(written) == {"answer"}

    def report(self) -> dict[str, Json]:
        """Put together what was found."""
        settings = {name: value for name, value in self.found.items() if value is not None}
        lines = ["[teacher.wire]"]
        for name, value in settings.items():
            lines.append(
                f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {str(value).lower()}"
            )
        faults: dict[str, Json] = {what: self.line.hide(said) for what, said in self._faults.items()}
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

    async def _try(self, what: str, sent: Mapping[str, Json], *, n: int = 1) -> Answer | None:
        request = self._request(sent)
        body = self._form.body(request, request.parameters, n=n)
        try:
            answer = await self.line.send(self._form.path, body)
        except (httpx2.HTTPError, TimeoutError) as error:
            self._calls += 1
            self._faults[what] = cut_off(error, limit=self.line.limit_of(error)).message
            return None
        self._calls += 1
        if not answer.is_success:
            self._faults[what] = refusal(answer.status, answer.text, answer.headers).message
            return answer
        usage = self._read(answer).usage
        self._prompt += usage.prompt_tokens
        self._completion += usage.completion_tokens
        return answer

    def _request(self, sent: Mapping[str, Json]) -> Request:
        bound = str(self.found["max_tokens_name"])
        extra: dict[str, Json] = dict(self._config.wire.extra)
        return Request(
            endpoint=self.line.address,
            model=self._config.model or self._config.name,
            messages=(Message(role="user", content=_ASKED),),
            parameters={**extra, bound: min(64, self._config.max_tokens), **sent},
        )

    def _read(self, answer: Answer) -> Reply:
        request = self._request({})
        return self._form.read(json_of(answer.text), answer.text, [request])[0]

    def _told(self, answer: Answer | None) -> bool | None:
        """Yes, no, or None for a call that met another fault."""
        if answer is None or not (answer.is_success or answer.status in _REFUSED):
            return None
        return answer.is_success


def _choices(answer: Answer | None) -> list[dict[str, Any]]:
    body = json_of(answer.text) if answer is not None else None
    found = body.get("choices") if isinstance(body, dict) else None
    return [choice for choice in found if isinstance(choice, dict)] if isinstance(found, list) else []


def _reasoning_in(body: Any) -> str:
    """The name of the field that holds reasoning text, where any was written."""
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else body
    message = first.get("message", first) if isinstance(first, dict) else {}
    if not isinstance(message, dict):
        return ""
    named = [name for name in ("reasoning", "reasoning_content") if message.get(name)]
    content = message.get("content")
    if isinstance(content, str) and "</think>" in content:
        named.append("<think>")
    if isinstance(content, list) and any(isinstance(part, dict) and "thinking" in part for part in content):
        named.append("thinking")
    return named[0] if named else ""
