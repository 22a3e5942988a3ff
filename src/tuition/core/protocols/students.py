"""What a student must be able to do, whatever its family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self

from pydantic import Field, model_validator

from tuition.core.config import Section
from tuition.core.records import Json, Target

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Align",
    "Clip",
    "Contrast",
    "Generation",
    "Imitate",
    "Learner",
    "Lesson",
    "Prefer",
    "Progress",
    "Spans",
    "StudentAbilities",
]

Progress = Callable[[str, int, int], None]
"""Told `(stage, done, total)` while long work goes on."""


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
    """A student: answers, scores, learns, and can be kept.

    Every list that a method gives is in the order of its questions or targets. Of a question the `output` is
    not looked at. Log-probabilities are natural, one a token of the text, its end mark included. Equal seeds
    draw equal texts; a temperature of 0 is greedy, and then `samples` is 1. `max_tokens` bounds each text.
    """

    abilities: StudentAbilities

    @property
    def parameters(self) -> int:
        """Number of weights."""

    def generate(self, questions: Sequence[Target], *, max_tokens: int) -> list[Generation]:
        """Write one greedy continuation for each question, with log-probabilities where they are known."""

    def score_options(self, questions: Sequence[Target]) -> list[tuple[float, ...]]:
        """Score every choice of each question, which has at least two.

        Higher is better; of a student that generates, it is the log-likelihood of the option's text.
        """

    def score(self, targets: Sequence[Target]) -> list[tuple[float, ...]]:
        """Give the log-probabilities of each target's output behind its question, to `max_output_tokens`."""

    def explain(
        self, questions: Sequence[Target], *, samples: int, temperature: float, max_tokens: int, seed: int
    ) -> list[list[Generation]]:
        """Write so many explanations of each question, with log-probabilities, entropies and ends."""

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

        For each question and each of its prefixes, of which one may be empty, so many continuations, the
        prefix left out and not counted.
        """

    def scores_from_prefixes(
        self, questions: Sequence[Target], prefixes: Sequence[Sequence[str]], outputs: Sequence[Sequence[str]]
    ) -> list[list[list[tuple[float, ...]]]]:
        """Give the log-probabilities of each ending behind each prefix of each question, all read once."""

    def embed(self, questions: Sequence[Target]) -> np.ndarray | Sequence[Sequence[float]]:
        """Give one vector a question, of equal lengths: the mean of the last hidden states of its tokens.

        Shape (questions, width).
        """

    def fit(
        self,
        targets: Sequence[Target],
        folder: Path,
        *,
        lesson: Lesson | None = None,
        progress: Progress | None = None,
        validate: Callable[[], float] | None = None,
        logs: Path | None = None,
    ) -> Mapping[str, Json]:
        """Train on targets of all objectives, in any order, from the last checkpoint in the folder if any.

        `lesson` is what it learns beside their tokens; None: nothing. With `validate`, which says how good
        the student is now, it ends as the best that was seen. `logs` is where trackers leave their files.
        Gives what happened: steps, tokens, last loss, inputs that had to be cut.
        """

    def save(self, folder: Path, *, form: Mapping[str, Json] | None = None) -> None:
        """Write weights (safetensors), configuration and tokenizer, as `from_pretrained` reads them.

        `form` is what else `tuition.json` says: the instruction (`prefix`), the task, how it is examined.
        """


_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Imitate(Section):
    """How a student follows a mentor's distribution at each token of an output.

    Source: Mentor-KD (arXiv 2410.09037) by its published code; reverse KL and JSD are ours beside it.
    """

    measure: Literal["forward", "reverse", "jsd", "mse"] = "forward"
    """Divergence of the two: KL of the mentor to the student (forward) or the other way round, both against
    their mean (jsd), or the mean square between logits (mse, which has no temperature)."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    """τ: logits are divided by it first."""
    share: _Weight = 0.3
    """λ: what the divergence weighs."""
    tokens: _Weight | None = None
    """What the cross-entropy weighs beside it; left out: 1 − share."""
    squared: bool = False
    """Whether the divergence is multiplied by τ², so that its gradient does not shrink as τ grows."""

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.tokens is None and self.share > 1:
            raise ValueError(f"share = {self.share:g} leaves the cross-entropy less than nothing; set tokens")
        return self


class Clip(Section):
    """Which of the mentor's classes a divergence is taken over; the label's is always one of them.

    Source: MGSR's DAC-KL (arXiv 2407.10068), by its reviews; the likeliest so many are their control.
    """

    top: Annotated[int, Field(ge=0)] | None = None
    """The mentor's likeliest so many; 0: all; left out: those between two quantiles of its distribution,
    which a small head reads off it and learns with the student."""
    renormalised: bool = True
    """Whether both distributions are divided by what they give to those classes."""


class Spans(Section):
    """How the products of neighbouring tokens' probabilities within a span come nearer to the mentor's.

    Source: MGSR's span term (arXiv 2407.10068), by its reviews, whose control are random spans.
    """

    weight: _Weight = 1.0
    """What it weighs beside the cross-entropy."""
    by: Literal["sentence", "random"] = "sentence"
    """Spans end where a sentence or a line does; or at random, as many."""


class Align(Section):
    """How the student's last states come nearer to the mentor's, through a small head that learns with it.

    Source: the hidden-state objective of LLAVADI's ablation (arXiv 2407.19409).
    """

    weight: _Weight = 1.0
    """What it weighs beside the cross-entropy."""
    measure: Literal["cosine", "mse"] = "cosine"
    """1 − cosine, or the mean square between them."""


class Contrast(Section):
    """How the end of an output is drawn to another right one, and away from a wrong one (triplet loss)."""

    weight: _Weight = 0.5
    """What it weighs beside the cross-entropy, as a mean over the targets that have both."""
    margin: _Weight = 1.0
    """ρ: by how much the right one must be nearer, in cosine."""


class Prefer(Section):
    """How an output becomes likelier than a wrong one, by direct preference optimisation (DPO)."""

    beta: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.3
    """β: how strongly the student is held to the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is learnt beside the tokens of the targets, and how often which of them is drawn."""

    imitate: Imitate | None = None
    mentor: Learner | None = None
    """Who is imitated; it reads with the student's tokenizer and is asked like it."""
    clip: Clip | None = None
    """Of the divergence; None: it is taken over all classes."""
    spans: Spans | None = None
    align: Align | None = None
    contrast: Contrast | None = None
    """Of targets with `like` and `against`."""
    prefer: Prefer | None = None
    """Of targets with `against`, whose tokens are then not learnt besides."""
    reference: Learner | None = None
    """Whom the student is held to: mostly itself, before."""
    mixture: Mapping[str, float] = field(default_factory=dict)
    """How often each group is drawn, with replacement; empty: every example once an epoch."""
    grouped_by: Literal["domain", "objective"] = "domain"
    """What the groups of the mixture are."""

    def __post_init__(self) -> None:
        for part, of in (("imitate", "mentor"), ("prefer", "reference")):
            if (getattr(self, part) is None) != (getattr(self, of) is None):
                raise ValueError(f"a lesson has {part} and {of} together, or neither")
        more = [part for part in ("clip", "spans", "align") if getattr(self, part) is not None]
        if more and self.imitate is None:
            raise ValueError(f"a lesson has {more[0]} beside imitate alone; its share may be 0")
        if self.clip is not None and self.imitate is not None and self.imitate.measure != "forward":
            raise ValueError(f"a clip is of the forward divergence, not of {self.imitate.measure!r}")
        if self.contrast is not None and self.prefer is not None:
            raise ValueError("a lesson contrasts or prefers, and not both")
