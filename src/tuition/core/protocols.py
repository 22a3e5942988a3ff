"""The doors for a stranger's code: what a task, a teacher and a student must be able to do, and a pool is.

A task kind or a teacher can be named in a configuration as `package.module:Name`; what fits another of these
protocols joins its craft's dictionary, or is handed over in code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from tuition.core.budget import Price
from tuition.core.records import Evidence, Example, Grade, Json, Reply, Request, Target
from tuition.core.splits import Splits

__all__ = [
    "Generation",
    "Learner",
    "Listener",
    "Pool",
    "Progress",
    "Source",
    "StepChecker",
    "StudentAbilities",
    "Task",
    "Teacher",
    "TeacherAbilities",
]

Progress = Callable[[str, int, int], None]
"""Told `(stage, done, total)` while long work goes on."""


class Listener(Protocol):
    """Who hears how a run goes while it goes."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """Hear that a part of long work is done.

        Args:
            stage: What is being done.
            done: How much of it.
            total: Of how much.
        """
        ...

    def table(self, title: str, rows: Sequence[Mapping[str, Json]]) -> None:
        """Hear something that a person should see before the run goes on.

        Args:
            title: What it is.
            rows: Each with the same entries.
        """
        ...


class Task(Protocol):
    """What is asked and what is right: reads an answer out of a text, and grades it."""

    name: str
    version: str
    """Changes whenever the same text could be read or graded differently."""

    def read(self, text: str, example: Example) -> str | None:
        """Read the answer out of a text.

        Args:
            text: The whole of what a teacher or a student wrote; see `core.steps.before_spill`.
            example: The question; the form of its label may be looked at, such as a number, never its value.

        Returns:
            In the form of labels: an option's text, a plain number, a string. None: unreadable.
        """
        ...

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Say what an answer is worth.

        Args:
            answer: What `read` gave, or a label.
            example: The question; its answer is not None.

        Returns:
            UNREADABLE for None, else RIGHT or WRONG.
        """
        ...


class Source(Protocol):
    """Where the examples come from: a user's files, shared data, a generator."""

    def load(self) -> Splits:
        """Read or make the splits.

        Returns:
            Train, valid and a sealed test; the test may be absent.
        """
        ...


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
        ...


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
    vectors: Sequence[Sequence[float]] = ()
    """Where each row lies, for diversity: one vector a row, all of one length; empty: unknown."""
    asked: frozenset[int] = frozenset()
    """Rows that must not be chosen: asked before, or refused by a teacher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentAbilities:
    """What a family of students can do; all of them score options."""

    generates: bool
    """Writes text: answers, rationales."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One text the student wrote."""

    text: str
    tokens: int
    """Tokens written, the end mark included."""
    logprobs: tuple[float, ...] = ()
    """Natural log-probability of each token under the student, whatever the temperature; empty where nobody
    asked."""
    entropies: tuple[float, ...] = ()
    """Entropy of the student's distribution at each token, in nats; empty where nobody asked."""
    ends: tuple[int, ...] = ()
    """Letters of `text` written once each token is, so that tokens can be told by step; empty where nobody
    asked."""


class Learner(Protocol):
    """A student: answers, scores, learns, and can be kept."""

    abilities: StudentAbilities

    @property
    def parameters(self) -> int:
        """Number of weights."""
        ...

    def generate(self, questions: Sequence[Target], *, max_tokens: int) -> list[Generation]:
        """Write one greedy continuation for each question.

        Args:
            questions: Their `output` is not looked at.
            max_tokens: Upper bound for each continuation.

        Returns:
            One text a question, in order.
        """
        ...

    def score_options(self, questions: Sequence[Target]) -> list[tuple[float, ...]]:
        """Score every choice of each question.

        Args:
            questions: Each with at least two choices; their `output` is not looked at.

        Returns:
            One score a choice, higher is better; for a student that generates, the log-likelihood of the
            option's text.
        """
        ...

    def score(self, targets: Sequence[Target]) -> list[tuple[float, ...]]:
        """Say how familiar each target's output is to the student behind its question.

        Args:
            targets: Their `output` is what is scored, not written.

        Returns:
            One natural log-probability a token of the output, its end mark included; an output beyond
            `max_output_tokens` is scored up to there.
        """
        ...

    def explain(
        self, questions: Sequence[Target], *, samples: int, temperature: float, max_tokens: int, seed: int
    ) -> list[list[Generation]]:
        """Write explanations with the probabilities behind them.

        Args:
            questions: Their `output` is not looked at.
            samples: How many a question.
            temperature: 0: greedy, and then `samples` is 1.
            max_tokens: Upper bound for each.
            seed: Equal seeds draw equal texts.

        Returns:
            For each question its samples, with log-probabilities, entropies and ends.
        """
        ...

    def answers_from_prefixes(
        self,
        questions: Sequence[Target],
        prefixes: Sequence[Sequence[str]],
        *,
        samples: int,
        temperature: float,
        max_tokens: int,
        seed: int,
    ) -> list[list[list[Generation]]]:
        """Continue an output from each of several beginnings; question and common beginnings are read once.

        Args:
            questions: Their `output` is not looked at.
            prefixes: Beginnings of the output, for each question; the empty one is allowed.
            samples: How many continuations of each.
            temperature: 0: greedy, and then `samples` is 1.
            max_tokens: Upper bound for each continuation, the prefix not counted.
            seed: Equal seeds draw equal texts.

        Returns:
            For each question, for each prefix, the continuations without the prefix.
        """
        ...

    def scores_from_prefixes(
        self,
        questions: Sequence[Target],
        prefixes: Sequence[Sequence[str]],
        outputs: Sequence[Sequence[str]],
    ) -> list[list[list[tuple[float, ...]]]]:
        """Score several endings behind each of several beginnings, all of them read once.

        Args:
            questions: Their `output` is not looked at.
            prefixes: Beginnings of the output, for each question.
            outputs: Endings, for each question the same behind all its prefixes.

        Returns:
            For each question, prefix and ending one natural log-probability a token of the ending, its end
            mark included.
        """
        ...

    def embed(self, questions: Sequence[Target]) -> list[tuple[float, ...]]:
        """Say where each question lies: the mean of the last hidden states over its tokens.

        Args:
            questions: Their `output` is not looked at.

        Returns:
            One vector a question, all of one length.
        """
        ...

    def fit(
        self, targets: Sequence[Target], folder: Path, *, progress: Progress | None = None
    ) -> Mapping[str, Json]:
        """Train on the targets; go on from the last checkpoint in the folder if there is one.

        Args:
            targets: Of all objectives, in any order.
            folder: For checkpoints.
            progress: Told about steps.

        Returns:
            What happened: steps, tokens, last loss, inputs that had to be cut.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), configuration and tokenizer, as `from_pretrained` reads them.

        Args:
            folder: Made when absent.
        """
        ...
