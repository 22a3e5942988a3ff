"""The doors for a stranger's code: what a task, a teacher and a student must be able to do, and a pool is.

Tasks, sources and teachers can be named in a configuration as `package.module:Name` (docs/extend); what fits
another of these protocols is handed over in code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tuition.core.budget import Price
from tuition.core.protocols.students import (
    Contrast,
    Generation,
    Imitate,
    Learner,
    Lesson,
    Prefer,
    Progress,
    StudentAbilities,
)
from tuition.core.records import Evidence, Example, Grade, Json, Reply, Request
from tuition.core.splits import Splits

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "BatchState",
    "BatchTeacher",
    "Contrast",
    "FixedForm",
    "Generation",
    "Imitate",
    "Learner",
    "Lesson",
    "Listener",
    "Pool",
    "Prefer",
    "Progress",
    "Sampler",
    "Source",
    "StepChecker",
    "StudentAbilities",
    "Task",
    "Teacher",
    "TeacherAbilities",
]


class Listener(Protocol):
    """Who hears how a run goes while it goes."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """Hear how much of a stage of long work is done."""

    def table(self, title: str, rows: Sequence[Mapping[str, Json]]) -> None:
        """Hear something that a person should see before the run goes on; rows have the same entries."""


class Task(Protocol):
    """What is asked and what is right: reads an answer out of a text, and grades it."""

    name: str
    version: str
    """Changes whenever the same text could be read or graded differently."""

    def read(self, text: str, example: Example) -> str | None:
        """Read the answer out of a text.

        Args:
            text: The whole of what a teacher or a student wrote; see `core.texts.steps.before_spill`.
            example: The question; the form of its label may be looked at, such as a number, never its value.

        Returns:
            In the form of labels: an option's text, a plain number, a string. None: unreadable.
        """

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Say what an answer is worth.

        Args:
            answer: What `read` gave, or a label.
            example: The question; its answer is not None.

        Returns:
            UNREADABLE for None, else RIGHT or WRONG.
        """


@runtime_checkable
class FixedForm(Protocol):
    """A task whose answers all have one form, which a teacher is told once and a student learns."""

    made_of: str
    """The key of `[task]` that says the form."""
    schema: Mapping[str, Json]
    """JSON Schema of an answer, to which a teacher that can do so is held; empty: it writes a text."""
    stand_ins: Sequence[str]
    """Two answers in this form, for a dry run; empty: the choices do."""

    @property
    def told(self) -> str:
        """What a teacher is told of the answers, before each question."""

    def prepared(self, example: Example) -> Example:
        """Give an example the form: its choices, and its label as the task writes it."""

    def figures(self, answers: Sequence[str | None], examples: Sequence[Example]) -> dict[str, Json]:
        """Say more of answers than how many are right, for metrics; the examples are labelled."""


class Source(Protocol):
    """Where the examples come from: a user's files, recorded data, a generator."""

    def load(self) -> Splits:
        """Read or make the splits: train, valid and a sealed test, which may be absent."""


@runtime_checkable
class StepChecker(Protocol):
    """Knows which step of an explanation is wrong, where that can be known; a source may be one too."""

    def first_wrong_step(self, example: Example, steps: Sequence[str]) -> int | None:
        """Find the first wrong step.

        Args:
            example: The question.
            steps: Of an explanation, its closing sentence left out.

        Returns:
            The 0-based index; the number of steps where all are right and the last step is missing; None:
            every step is right and none is missing.

        Raises:
            DataError: The question is none it knows.
        """


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
    most_tokens: int = 0
    """Tokens that a call of an unpaid teacher can count at most, where the request does not bound them."""
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

    async def find(self, name: str) -> str | None:
        """Look for a batch whose handing over nobody saw the end of; None: the provider does not have it."""

    async def poll(self, remote: str) -> BatchState:
        """Ask how far a batch is, by the provider's id."""

    async def collect(self, remote: str, requests: Sequence[Request]) -> list[Reply]:
        """Fetch what a batch that is over has brought.

        Args:
            remote: The provider's id of the batch.
            requests: As they were handed over.

        Returns:
            One a request, in order; what the batch did not get to is a failure of kind `expired`.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What a strategy may know of the examples it chooses from."""

    size: int
    domains: Sequence[str] = ()
    """One a row; empty: unknown."""
    evidence: Sequence[Evidence] = ()
    """What the student's reasoning shows, one a row; empty: nobody looked."""
    costs: Sequence[float] = ()
    """Expected dollars of asking, one a row, above 0; empty: unknown, or every row costs the same."""
    vectors: np.ndarray | Sequence[Sequence[float]] = ()
    """Where each row lies, for diversity: one vector a row, all of one length; empty: unknown."""
    asked: frozenset[int] = frozenset()
    """Rows that must not be chosen: asked before, or refused by a teacher."""
