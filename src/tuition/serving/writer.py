"""What the server must know of a model, what it asks of it, and its own limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field

from tuition.core.config import Section

__all__ = ["Limits", "Prompt", "Second", "Told", "Writer"]


class Told(Protocol):
    """Hears of each token as it comes."""

    def __call__(
        self, place: int, token: int, logprobs: Mapping[int, float], /, *, confidence: float | None = None
    ) -> bool:
        """Hear of a token of the prompt at a place; False ends the text.

        Log-probabilities, its own and those of the likeliest, come where the prompt asks for them, and so
        does the confidence in the whole text where the tokens' own probabilities do not make it.
        """


Second = Callable[[Sequence[Mapping[str, str]], str, float | None], tuple[str, str]]
"""Given the messages, the text written and the confidence in it, from 0 to 1: the text to send, and whose it
is. It may take as long as a teacher takes, in a thread of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is to be continued, and how."""

    ids: Sequence[int]
    max_tokens: int
    temperature: float
    """0: greedy."""
    seed: int
    top: int | None
    """So many of the likeliest tokens are told with each token. None: no probabilities are told."""
    options: Sequence[Sequence[int]] = ()
    """Whole texts, end mark included, of which the likeliest is written. Empty: the text is free."""


class Writer(Protocol):
    """A model behind the server."""

    name: str
    """What clients call it."""
    marks: list[int]
    """Tokens that end a text."""
    reads: int
    """Most tokens of a prompt."""
    writes: int
    """Most tokens of a text for which the request sets no bound."""
    positions: int | None
    """Most tokens of prompt and text together. None: no limit."""

    def render(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Put messages into token ids; what it cannot read is a DataError, whose text the client gets."""

    def options(self, messages: Sequence[Mapping[str, str]]) -> list[list[int]]:
        """Give the texts, as token ids, of which messages ask for the likeliest. Empty: the text is free.

        One that cannot be written is a DataError, whose text the client gets.
        """

    def decode(self, ids: Sequence[int], *, with_marks: bool = False) -> str:
        """Put token ids into text, without end marks and their like unless they are wanted."""

    def stream(self, prompts: Sequence[Prompt], told: Told) -> None:
        """Continue prompts together, in the calling thread, and tell each token as it comes."""


class Limits(Section):
    """Bounds of the server; a request beyond one is refused, and told so."""

    batch: Annotated[int, Field(ge=1, le=1024)] = 32
    """Requests decoded together."""
    collect_ms: Annotated[float, Field(ge=0, le=1000)] = 5.0
    """Milliseconds in which requests are collected before they are decoded."""
    queue: Annotated[int, Field(ge=0)] = 256
    """Requests that may wait; more are answered by 503."""
    max_tokens: Annotated[int, Field(ge=1)] = 1024
    """Most tokens that a request may ask for."""
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    """Seconds for one request, waiting included; what takes longer is answered by 503."""
    body_bytes: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000_000
    """Most bytes of a request's body; more are answered by 413."""
    hosts: tuple[str, ...] = ()
    """Names besides `--host` and localhost by which clients may call the server; IP addresses need none."""
