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


def _refusing(
    status: int, code: str, message: str, *, about: str, is_paid: bool = False, **more: Any
) -> Fault:
    refusal = Refusal(status=status, code=code, message=message, **more)
    return Fault(about=about, is_paid=is_paid, refusal=refusal)


FAULTS: Mapping[str, Fault] = {
    # Statuses.
    "rate_limit": _refusing(
        429, "rate_limit_exceeded", "too many requests", about="429, Retry-After in seconds"
    ),
    "rate_limit_date": _refusing(
        429, "rate_limit_exceeded", "too many requests", about="429, Retry-After as a date"
    ),
    "rate_limit_silent": _refusing(
        429, "rate_limit_exceeded", "too many requests", about="429 without Retry-After"
    ),
    "quota": _refusing(
        429,
        "insufficient_quota",
        "the account has no credit left",
        about="429 (Anthropic's form: 402), no credit",
    ),
    "overloaded": _refusing(503, "overloaded", "the model is overloaded", about="503"),
    "overloaded_529": _refusing(529, "overloaded_error", "the server is overloaded", about="529"),
    "server_error": _refusing(500, "server_error", "the server failed", about="500"),
    "bad_gateway": _refusing(502, "", "Bad Gateway", about="502, a page of HTML", is_page=True),
    "timeout_408": _refusing(408, "timeout", "the request took too long to arrive", about="408"),
    "timeout_504": _refusing(504, "timeout", "the model took too long", about="504"),
    "timeout_524": _refusing(
        524,
        "timeout",
        "a timeout occurred",
        about="524, when the answer was there",
        is_paid=True,
        is_page=True,
    ),
    "redirect": _refusing(
        307, "moved", "moved for good", about="307 to another address", headers={"Location": "/elsewhere"}
    ),
    "auth": _refusing(401, "invalid_api_key", "incorrect API key provided", about="401"),
    "forbidden": _refusing(403, "permission_denied", "the key may not use this model", about="403"),
    "not_found": _refusing(404, "model_not_found", "the model does not exist", about="404"),
    "too_long": _refusing(
        400,
        "context_length_exceeded",
        "this model's maximum context length is 8192 tokens; your messages came to 10240",
        about="400, the prompt is too long",
    ),
    "unsupported": _refusing(
        400,
        "unsupported_parameter",
        "unsupported parameter: 'max_tokens' is not supported with this model",
        about="400 that names a parameter",
        param="max_tokens",
    ),
    "flagged": _refusing(
        400,
        "content_filter",
        "the response was filtered: the prompt triggered the content management policy",
        about="400, the prompt is flagged",
    ),
    # Connections.
    "drop": Fault(about="the connection ends before any byte; not paid", is_paid=False, forms=_ONLINE),
    "cut_early": Fault(about="the connection ends before any byte; paid", forms=_ONLINE),
    "cut": Fault(about="the connection ends in the middle of the body", forms=_ONLINE),
    "hang": Fault(about="nothing comes for `hang_s`", forms=_ONLINE),
    "slow": Fault(about="the answer comes whole, after `slow_s`", forms=_ONLINE),
    "drip": Fault(about="the body comes in drops, over `slow_s`", forms=_ONLINE),
    # Bodies.
    "broken_json": Fault(about="the body ends in the middle of the JSON"),
    "wrong_type": Fault(about="the body is a JSON list", forms=_ONLINE),
    "page": Fault(about="200 with a page of HTML", forms=_ONLINE),
    "bad_gzip": Fault(about="the body says it is compressed and is not", forms=_ONLINE),
    "bad_bytes": Fault(about="the text holds bytes that are no UTF-8", forms=_ONLINE),
    "error_in_200": _refusing(
        200, "upstream_error", "the upstream provider failed", about="200 with an error object"
    ),
    # Contents.
    "no_choices": Fault(about="a list of choices with nothing in it"),
    "null_content": Fault(about="the content is null"),
    "empty": Fault(about="the text is empty"),
    "truncated": Fault(about="half a text, finish reason `length`"),
    "exhausted": Fault(about="no text, finish reason `length`"),
    "filtered": Fault(about="no text, finish reason `content_filter`"),
    "refusal": Fault(about="the model says that it will not answer"),
    "no_usage": Fault(about="a good answer without a count of tokens"),
    "zero_usage": Fault(about="a good answer said to have no tokens"),
    "other_model": Fault(about="a good answer of another model"),
    "extra_choice": Fault(
        about="one choice more than asked for, the first one twice", forms=("openai", "batch")
    ),
    "missing_choice": Fault(about="one choice fewer than asked for", forms=("openai", "batch")),
    "garbage": Fault(about="a good answer with control characters and half surrogate pairs"),
}
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
