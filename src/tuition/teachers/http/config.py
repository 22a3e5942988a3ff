"""How an endpoint is reached and what it can do: the table `[teacher.wire]`. Knows no network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from tuition.core.config import Section
from tuition.core.errors import near_name
from tuition.core.records import canonical_json
from tuition.teachers.http.forms import FORMS

__all__ = ["WireConfig"]

_OURS = {"max_completion_tokens", "max_tokens", "n", "stream", "temperature"}
"""Parameters that the table says, or the number of samples."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class WireConfig(Section):
    """One endpoint: its form, its limits, its time-outs, and what is known of its abilities."""

    form: str = "openai"
    """How it is spoken to: openai, as most endpoints are, or another form of docs/how-to/teachers.md."""
    connect_s: Positive = 20.0
    """Seconds to wait for a connection; nothing was sent yet, so nothing can have been charged."""
    read_s: Positive | None = None
    """Seconds without a byte after which a call is given up; None: `timeout_s`, which bounds the whole."""
    requests_per_minute: Positive | None = None
    """Requests the endpoint allows in a minute; None: what its headers say, if anything."""
    tokens_per_minute: Positive | None = None
    """Tokens it allows in a minute, prompt and completion together; None: what its headers say."""
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] | None = None
    """Under which name the bound of the answer is sent; None: max_tokens, or the other once it is refused."""
    has_temperature: bool | None = None
    """Whether it takes a temperature; None: sent where one is set, left out once it is refused; form
    `anthropic` sends one only where this is true."""
    has_n: bool | None = None
    """Whether one call can bring several samples; None: one call a sample."""
    has_logprobs: bool | None = None
    """Whether it gives log-probabilities; None: sent where asked for, left out once they are refused."""
    has_json: bool | None = None
    """Whether it holds itself to a JSON schema; None: the prompt alone asks for JSON."""
    in_batches: bool = False
    """Whether it is asked in batches, which take hours and cost less."""
    batch_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """What a token costs in a batch, as a share of its price."""
    batch_poll_s: Positive = 60.0
    """Seconds between two looks at a batch."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of every request's body, such as `reasoning_effort`; part of each request's key."""

    @model_validator(mode="after")
    def _is_possible(self) -> WireConfig:
        if self.form not in FORMS:
            raise ValueError(near_name(self.form, FORMS, kind="form"))
        taken = sorted(self.extra.keys() & (_OURS | FORMS[self.form].reserved))
        if taken:
            raise ValueError(
                f"{', '.join(map(repr, taken))} cannot stand in extra: the prompt, the teacher's table or "
                "`samples` says it; take it out."
            )
        canonical_json(self.extra)
        return self
