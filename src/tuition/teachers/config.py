"""How a user names a teacher: one table of the configuration. Knows no network and no file."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from tuition.core.budget import Price, price_of
from tuition.core.config import Section, Words, unspoken
from tuition.core.records import Json
from tuition.teachers.http.config import WireConfig
from tuition.teachers.http.forms import FORMS

__all__ = ["TeacherConfig"]

_NAME = re.compile(r"(?!.*[A-Za-z0-9]{20})[A-Za-z_][A-Za-z0-9_]*|", re.ASCII)
"""Of an environment variable, or empty. A key may be of the same letters, but has a word of 20 or more."""


class TeacherConfig(Section):
    """One teacher: who answers, at what price, and what its rationales weigh."""

    kind: str = "chat"
    """chat, recorded, local, playground, the name of an entry point, or `package.module:Name`."""
    name: Annotated[str, Field(min_length=1)]
    """What tables and reports call it; for a recorded teacher also its name in the file."""
    model: str = ""
    """Model id, as the endpoint knows it; for a local teacher a folder, or a hub name with or without
    `@revision`; empty: the name."""
    base_url: str = ""
    """Where an OpenAI-compatible endpoint answers, such as `http://127.0.0.1:8000/v1`."""
    api_key_env: str = ""
    """Name of the environment variable that holds the key, or with `_FILE` behind it the path of a file that
    does; empty: the endpoint needs none."""
    file: str | tuple[str, ...] = ()
    """Recorded replies: one file or several, JSONL; `data:` begins a path in the data folder."""
    system: Words = ""
    """System message of every prompt to it; empty: none is sent."""
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Sampling temperature; None: not sent, the endpoint decides, and a local teacher takes the likeliest."""
    max_tokens: Annotated[int, Field(ge=1)] = 512
    """Bound of the answer in tokens; always sent, for it bounds the cost."""
    price_prompt: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Dollars per million prompt tokens; None: looked up by model and address, else unknown."""
    price_completion: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Dollars per million completion tokens; given together with `price_prompt`."""
    price_cached: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Dollars per million prompt tokens that the provider had cached; None: as the others."""
    concurrency: Annotated[int, Field(ge=1)] = 8
    """Calls in flight at most; so many a local teacher writes at once."""
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120.0
    """Seconds an endpoint's whole answer may take."""
    licence: str = ""
    """Licence or terms of its texts; travels to the cards."""
    saw_answers: bool = False
    """Whether recorded replies were written with the gold answer in the prompt; others follow the run."""
    train_on_outputs: bool = True
    """Whether its terms allow training on its texts; false: refused for training."""
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """The weight α of its rationales in the loss."""
    prefix: str | None = None
    """The student's instruction for its rationales; None: `explain: `."""
    samples: Annotated[int, Field(ge=1)] = 1
    """Independent rationales for each example."""
    wire: WireConfig = WireConfig()
    """How its endpoint is reached: form, limits, time-outs, abilities, further fields of the body."""

    @field_validator("api_key_env", mode="before")
    @classmethod
    def _is_name(cls, value: object) -> object:
        if isinstance(value, str) and _NAME.fullmatch(value):
            return value
        raise unspoken(
            "api_key_env holds something that looks like a key; put the NAME of an environment variable "
            "there, such as OPENAI_API_KEY. The value is not shown; if it is a key, take it out of the file."
        )

    @model_validator(mode="after")
    def _is_possible(self) -> TeacherConfig:
        wire = self.wire
        form = FORMS[wire.form]
        if self.temperature is not None and not self.has_temperature:
            known = (
                "wire.has_temperature is false" if wire.has_temperature is False else f"form {wire.form!r}"
            )
            raise ValueError(
                f"teacher {self.name!r} has a temperature, and its endpoint takes none ({known}). Leave the "
                "temperature out, or set wire.has_temperature = true if its model does take one."
            )
        if wire.has_n and "n" in form.absent:
            raise ValueError(
                f"teacher {self.name!r}: form {wire.form!r} brings one sample a call; leave wire.has_n out."
            )
        if wire.in_batches and not form.has_batches:
            raise ValueError(
                f"teacher {self.name!r}: batches have the OpenAI form; leave wire.in_batches out."
            )
        return self

    @property
    def has_temperature(self) -> bool:
        """Whether a temperature is sent at all, as far as the table says."""
        known, form = self.wire.has_temperature, FORMS[self.wire.form]
        return "temperature" not in form.declared if known is None else known

    @property
    def files(self) -> tuple[str, ...]:
        """The recorded files, always as several."""
        return (self.file,) if isinstance(self.file, str) else self.file

    @property
    def price(self) -> Price | None:
        """The price in the table; None where prompt or completion is left out."""
        if self.price_prompt is None or self.price_completion is None:
            return None
        return price_of(prompt=self.price_prompt, completion=self.price_completion, cached=self.price_cached)

    def parameters(self) -> dict[str, Json]:
        """Give the sampling parameters that every request to this teacher carries.

        Returns:
            `max_tokens` always, `temperature` where one is set, and what `wire.extra` adds.
        """
        values: dict[str, Json] = {**self.wire.extra, "max_tokens": self.max_tokens}
        return values if self.temperature is None else values | {"temperature": self.temperature}
