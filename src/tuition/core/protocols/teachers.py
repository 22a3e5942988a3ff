"""What a teacher must be able to do: make one attempt, or several answers in one call, or a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tuition.core.budget import Price
from tuition.core.records import Reply, Request

__all__ = ["BatchState", "BatchTeacher", "Sampler", "Teacher", "TeacherAbilities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherAbilities:
    """What a teacher can do and what asking it means."""

    reads_prompt: bool = True
    """False for recorded replies: the prompt changes nothing."""
    is_paid: bool = True
    """False where a call moves no money, such as a recorded reply."""
    is_simulated: bool = False
    """True for a program that stands in for a language model; said wherever its name is shown."""
    has_temperature: bool = True
    concurrency: int = 8
    """Calls in flight at most."""
    requests_per_minute: float | None = None
    """Declared limit; None: none is known."""
    tokens_per_minute: float | None = None
    """Declared limit, prompt and completion together; None: none is known."""
    samples_per_call: int = 1
    """Answers one call can bring; above 1 the teacher is a `Sampler`."""
    has_json: bool = False
    """Whether it holds itself to a JSON schema, sent as the parameter `response_format`."""
    is_spaced: bool = False
    """Whether short calls in great number set off evenly; False where calls that come together are answered
    together."""
    in_batches: bool = False
    """Whether it is asked in batches, which take hours and cost less; it is then a `BatchTeacher`."""


class Teacher(Protocol):
    """Who answers, one attempt at a time. Retrying is not its business."""

    name: str
    endpoint: str
    model: str
    price: Price | None
    """None: unknown, and therefore an unknown cost."""
    abilities: TeacherAbilities

    async def complete(self, request: Request) -> Reply:
        """Make one attempt.

        Args:
            request: What to ask.

        Returns:
            The answer, or a reply whose `failure` says why there is none. Raises nothing for one call's
            failure.
        """
        ...


@runtime_checkable
class Sampler(Protocol):
    """A teacher that writes several answers in one call."""

    async def complete_all(self, requests: Sequence[Request]) -> list[Reply]:
        """Make one attempt at several samples of one request.

        Args:
            requests: Equal but for `sample` and `tag`; at most `samples_per_call`. Where that falls before
                the call is made, one is asked, and the others are retryable failures of kind `unpaid`.

        Returns:
            One a request, in order. Their usages add up to the call's; a failure of the call stands in each.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """How far a batch is."""

    is_over: bool
    """Whether nothing more will come: done, failed, expired or cancelled."""
    said: str
    """The provider's own word for it."""
    done: int = 0
    total: int = 0


@runtime_checkable
class BatchTeacher(Teacher, Protocol):
    """A teacher that is handed many requests at once and answers them in its own time.

    A fault that may pass is a ConnectionError: whoever asks waits, and asks again.
    """

    poll_s: float
    """Seconds between two looks at a batch."""

    async def submit(self, name: str, requests: Sequence[Request]) -> str:
        """Hand a batch over.

        Args:
            name: Ours; kept by the provider beside the batch, for `find`.
            requests: Each with a tag of its own.

        Returns:
            The provider's id of the batch.

        Raises:
            TeacherError: It was not taken; nothing of it will be charged.
            ConnectionError: Nobody saw whether it was taken; `find` tells.
        """
        ...

    async def find(self, name: str) -> str | None:
        """Look for a batch whose handing over nobody saw the end of; None: the provider does not have it."""
        ...

    async def poll(self, remote: str) -> BatchState:
        """Ask how far a batch is, by the provider's id."""
        ...

    async def collect(self, remote: str, requests: Sequence[Request]) -> list[Reply]:
        """Fetch what a batch that is over has brought.

        Args:
            remote: The provider's id of the batch.
            requests: As they were handed over.

        Returns:
            One a request, in order; what the batch did not get to is a failure of kind `expired`.
        """
        ...
