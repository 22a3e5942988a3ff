"""The faults between a client and a teacher's server, by name, and which calls get them.

Knows no HTTP library; `inject.py` does what is declared here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any

from pydantic import Field, model_validator

from tuition.core.config import Section
from tuition.core.errors import near_name
from tuition.playground.serving.batches import BatchFaults

__all__ = ["FAULTS", "FORMS", "Fault", "Faults", "Refusal"]

FORMS = ("openai", "anthropic", "batch")
"""Ways of asking: Chat Completions, Anthropic's Messages, a line of a batch."""
_ONLINE = ("openai", "anthropic")

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that refuses: a status, and the contents of the error object."""

    status: int
    code: str
    """The word of the Chat Completions form; Anthropic's follows from the status."""
    message: str
    param: str = ""
    """The parameter it is about; empty: none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_page: bool = False
    """Whether the body is a page of HTML, as a proxy writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way a call goes wrong."""

    about: str
    """What the client sees."""
    is_paid: bool = True
    """Whether it stands on the server's list of payments."""
    refusal: Refusal | None = None
    """None: a teacher's answer is changed or lost; a paid refusal comes after the teacher's work."""
    forms: tuple[str, ...] = FORMS
    """Where it can happen; elsewhere the call goes well."""


_LIMITED = (429, "rate_limit_exceeded", "too many requests")
_QUOTA = (429, "insufficient_quota", "the account has no credit left")
_LENGTH = "this model's maximum context length is 8192 tokens; your messages came to 10240"
_PARAM = "unsupported parameter: 'max_tokens' is not supported with this model"
_POLICY = "the response was filtered: the prompt triggered the content management policy"
_SEVERAL = ("openai", "batch")
_ROWS: tuple[tuple[str, str, tuple[int, str, str] | tuple[str, ...]], ...] = (
    # Statuses.
    ("rate_limit", "429, Retry-After in seconds", _LIMITED),
    ("rate_limit_date", "429, Retry-After as a date", _LIMITED),
    ("rate_limit_silent", "429 without Retry-After", _LIMITED),
    ("quota", "429 (Anthropic's form: 402), no credit", _QUOTA),
    ("overloaded", "503", (503, "overloaded", "the model is overloaded")),
    ("overloaded_529", "529", (529, "overloaded_error", "the server is overloaded")),
    ("server_error", "500", (500, "server_error", "the server failed")),
    ("bad_gateway", "502, a page of HTML", (502, "", "Bad Gateway")),
    ("timeout_408", "408", (408, "timeout", "the request took too long to arrive")),
    ("timeout_504", "504", (504, "timeout", "the model took too long")),
    ("timeout_524", "524, when the answer was there", (524, "timeout", "a timeout occurred")),
    ("redirect", "307 to another address", (307, "moved", "moved for good")),
    ("auth", "401", (401, "invalid_api_key", "incorrect API key provided")),
    ("forbidden", "403", (403, "permission_denied", "the key may not use this model")),
    ("not_found", "404", (404, "model_not_found", "the model does not exist")),
    ("too_long", "400, the prompt is too long", (400, "context_length_exceeded", _LENGTH)),
    ("unsupported", "400 that names a parameter", (400, "unsupported_parameter", _PARAM)),
    ("flagged", "400, the prompt is flagged", (400, "content_filter", _POLICY)),
    # Connections.
    ("drop", "the connection ends before any byte; not paid", _ONLINE),
    ("cut_early", "the connection ends before any byte; paid", _ONLINE),
    ("cut", "the connection ends in the middle of the body", _ONLINE),
    ("hang", "nothing comes for `hang_s`", _ONLINE),
    ("slow", "the answer comes whole, after `slow_s`", _ONLINE),
    ("drip", "the body comes in drops, over `slow_s`", _ONLINE),
    # Bodies.
    ("broken_json", "the body ends in the middle of the JSON", FORMS),
    ("wrong_type", "the body is a JSON list", _ONLINE),
    ("page", "200 with a page of HTML", _ONLINE),
    ("bad_gzip", "the body says it is compressed and is not", _ONLINE),
    ("bad_bytes", "the text holds bytes that are no UTF-8", _ONLINE),
    ("error_in_200", "200 with an error object", (200, "upstream_error", "the upstream provider failed")),
    # Contents.
    ("no_choices", "a list of choices with nothing in it", FORMS),
    ("null_content", "the content is null", FORMS),
    ("empty", "the text is empty", FORMS),
    ("truncated", "half a text, finish reason `length`", FORMS),
    ("exhausted", "no text, finish reason `length`", FORMS),
    ("filtered", "no text, finish reason `content_filter`", FORMS),
    ("refusal", "the model says that it will not answer", FORMS),
    ("no_usage", "a good answer without a count of tokens", FORMS),
    ("zero_usage", "a good answer said to have no tokens", FORMS),
    ("other_model", "a good answer of another model", FORMS),
    ("extra_choice", "one choice more than asked for, the first one twice", _SEVERAL),
    ("missing_choice", "one choice fewer than asked for", _SEVERAL),
    ("garbage", "a good answer with control characters and half surrogate pairs", FORMS),
)
"""Name, what the client sees, and the refusal's status, code and message, or where it can happen."""
_MORE: Mapping[str, Mapping[str, Any]] = {
    "bad_gateway": {"is_page": True},
    "timeout_524": {"is_page": True},
    "redirect": {"headers": {"Location": "/elsewhere"}},
    "unsupported": {"param": "max_tokens"},
}
"""What else a refusal says."""


def _fault(name: str, about: str, how: tuple[Any, ...]) -> Fault:
    if isinstance(how[0], str):
        return Fault(about=about, is_paid=name != "drop", forms=how)
    status, code, message = how
    refusal = Refusal(status=status, code=code, message=message, **_MORE.get(name, {}))
    return Fault(about=about, is_paid=name == "timeout_524", refusal=refusal)


FAULTS: Mapping[str, Fault] = {name: _fault(name, about, how) for name, about, how in _ROWS}
"""Every fault by its name."""


class Faults(Section):
    """Which share of the calls goes wrong, and how: `Faults(cut=0.1, seed=3)`."""

    shares: dict[str, Share] = Field(default_factory=dict)
    """The share of each fault among all calls, by its name in `FAULTS`; a name may also stand by itself."""
    seed: int = 0
    """Equal seeds give the same calls a fault, counted in order of arrival."""
    plan: tuple[str, ...] = ()
    """What happens to the first calls, one name a call, empty for a good one; the shares hold behind it."""
    retry_after_s: Annotated[int, Field(ge=0)] = 1
    """What Retry-After says."""
    slow_s: Annotated[float, Field(ge=0)] = 30.0
    """Seconds a slow answer takes; longer than a client's patience it is a time-out."""
    hang_s: Annotated[float, Field(ge=0)] = 600.0
    """Seconds after which the server gives a silent connection up."""
    batch: BatchFaults = BatchFaults()
    """What goes wrong with batches themselves, such as `batch.expired`."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, tables: Any) -> Any:
        """Take the faults that are named beside the other fields, as a command line does."""
        if not isinstance(tables, dict):
            return tables
        for name in tables:
            if name not in FAULTS and name not in cls.model_fields:
                raise ValueError(near_name(str(name), [*FAULTS, *cls.model_fields], kind="key"))
        rest = {name: value for name, value in tables.items() if name not in FAULTS}
        named = {name: value for name, value in tables.items() if name in FAULTS}
        return {**rest, "shares": {**rest.get("shares", {}), **named}} if named else rest

    @model_validator(mode="after")
    def _add_up(self) -> Faults:
        for name in (*self.shares, *self.plan):
            if name and name not in FAULTS:
                raise ValueError(near_name(name, FAULTS, kind="fault"))
        total = sum(self.shares.values())
        if total > 1 + 1e-9:
            raise ValueError(f"the shares of faults add up to {total:g}, at most 1 is possible")
        return self

    def draw(self, call: int) -> str:
        """Say what happens to a call."""
        if call < len(self.plan):
            return self.plan[call]
        point = Random(f"{self.seed}/{call}").random()
        for name in FAULTS:
            point -= self.shares.get(name, 0.0)
            if point < 0:
                return name
        return ""
