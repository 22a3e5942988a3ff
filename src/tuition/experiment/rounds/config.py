"""What a user may say about an active run: what to ask whom, in which rounds, until when. Asks nobody."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from tuition.annotation.revise import RevisionConfig, find_annotator
from tuition.annotation.routing import AllocationConfig
from tuition.core.config import Section
from tuition.core.protocols import Contrast
from tuition.core.records import Example
from tuition.evaluation.stop import StopConfig
from tuition.experiment.config import Experiment, RationaleAs
from tuition.selection import SelectionConfig

__all__ = ["Allowance", "Elad", "ExamConfig", "ExplanationConfig", "RoundsConfig", "TailoredLesson"]

_STRATEGY = "mean_token_entropy"
"""What is asked next where nothing else is said: not surely worse than answer entropy, at a quarter of the
student's tokens with k = 3; docs/recipes/elad.md has the measurement."""


class Allowance(Section):
    """What asking may use; None: no limit of that kind.

    Counted as if every answer were bought alone, so that a run whose answers are in the store already asks
    exactly what it would have asked without them. Limits on what is newly paid stand in `[budget]`.
    """

    items: Annotated[int, Field(ge=0)] | None = None
    """Examples asked about."""
    calls: Annotated[int, Field(ge=0)] | None = None
    """Answers used, of every kind: chains, verdicts on steps, revisions, second opinions."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """Tokens of those answers and of their prompts."""
    usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Dollars."""

    @property
    def is_open(self) -> bool:
        """Whether nothing is limited."""
        return (self.items, self.calls, self.tokens, self.usd) == (None, None, None, None)


class RoundsConfig(Section):
    """The loop of an active run."""

    most: Annotated[int, Field(ge=1)] = 5
    """Rounds at most, the cold start included."""
    cold: Allowance = Allowance(items=100)
    """Of the cold start, round 0: examples drawn at random, annotated blind. `items = 0`: none, the student
    explains well enough as it is."""
    each: Allowance = Allowance(items=100)
    """Of every other round; what cannot be asked in full asks the best-scored part."""
    total: Allowance = Allowance()
    """Of all rounds together."""
    begin: Literal["start", "last"] = "start"
    """Which student a round trains: the one the run was started with, or the last round's."""
    replay: Annotated[float, Field(ge=0, le=1)] = 1.0
    """With `begin = "last"`: share of the earlier rounds' annotations that are learnt again."""
    rehearse: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """For each annotation so far, how many examples the student repeats in its own words while it learns, so
    that asking about hard ones alone does not make it forget the easy ones. They cost nothing: they are those
    of the last look whose explanation it was surest of, at most half of them."""
    blind_above: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Where a larger share of a round's revisions found the very first step wrong, later rounds annotate
    blind, by `chain`: mending is then writing anew at a higher price. 1: never."""
    keep: Literal["last", "best"] = "last"
    """Which student the run ends with: the last round's, or the best on validation."""

    stop: StopConfig = StopConfig()
    """When it is enough."""

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.cold.is_open and self.total.is_open:
            raise ValueError(
                "rounds.cold and rounds.total are both without a limit, so the cold start would annotate the "
                "whole pool; give one of them a limit, such as rounds.cold.items = 100"
            )
        if self.each.is_open and self.total.is_open:
            raise ValueError(
                "rounds.each and rounds.total are both without a limit, so the first round would ask about "
                "the whole pool; say so with rounds.most = 1 and rounds.cold.items, or give a limit"
            )
        if self.replay < 1 and self.begin == "start":
            raise ValueError(
                "rounds.replay leaves earlier annotations out, and a student that begins anew would never "
                "see them; set rounds.begin = 'last'"
            )
        return self


class ExplanationConfig(Section):
    """How the student is made to explain where its reasoning is looked at."""

    max_tokens: Annotated[int, Field(ge=1)] = 128
    """Upper bound of an explanation, and of a continuation behind a prefix."""
    samples: Annotated[int, Field(ge=1)] = 5
    """k: explanations sampled a question, whose answers vote."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """T: of samples and continuations."""
    max_steps: Annotated[int, Field(ge=1)] = 8
    """n_max: only so many steps are left out one by one, and only prefixes of so many are continued."""
    prefix_samples: Annotated[int, Field(ge=1)] = 3
    """K: continuations sampled behind each prefix."""
    calibrate: Annotated[int, Field(ge=0)] = 100
    """On how many validation examples every selection score is compared with the student's errors, at the
    end of the run; 0: none."""
    answer_tokens: Annotated[int, Field(ge=1)] = 16
    """Upper bound of an open answer that is written behind an explanation without one of its steps."""


class ExamConfig(Section):
    """What the student must get wrong before a teacher is asked (Tailored Learning)."""

    samples: Annotated[int, Field(ge=0)] = 0
    """Explanations sampled a question of the pool in every round but the cold start; one that is right in all
    of them is not asked about, of the others a wrong one is mended. 4 in the published code; 0: no exam."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Of those explanations."""


class TailoredLesson(Section):
    """What the student learns of an explanation beside its tokens (Tailored Learning)."""

    prompt_weight: Annotated[float, Field(ge=0, le=1)] = 0.0
    """What a token of the question weighs beside one of the explanation, in a decoder-only student; 0.1 in
    the published code."""
    contrast: Contrast | None = None
    """A triplet: a mended explanation is drawn to a right one of the exam, and away from the mistake; left
    out: none."""


class Elad(Experiment):
    """Configuration of `elad`."""

    selection: SelectionConfig = SelectionConfig(strategy=_STRATEGY)
    """What to ask next; `examples` or `share` take a random part of the training split for the pool."""
    explanation: ExplanationConfig = ExplanationConfig()
    """How the student explains when it is looked at."""
    annotator: str = "chain"
    """What a teacher does about a chosen example: `answer_only`, `chain` (blind), `chain_gold`, `clear` (step
    by step), `clear_one_call`, `clear_panel`, `repair`, or `package.module:name`."""
    revision: RevisionConfig = RevisionConfig()
    """Settings of the annotators that mend the student's own explanation."""
    allocation: AllocationConfig = AllocationConfig()
    """Which teacher is asked about which example."""
    rounds: RoundsConfig = RoundsConfig()
    """How many rounds, and what each may use."""
    exam: ExamConfig = ExamConfig()
    """Whether only what the student gets wrong is asked about."""
    lesson: TailoredLesson = TailoredLesson()
    """What is learnt beside the tokens; `[lesson.contrast]` is the triplet."""
    uses_labels: bool = False
    """Whether the pool's labels may be shown to teachers and learnt; else the loop sees none of them."""

    @property
    def rationale_as(self) -> RationaleAs:
        """What the student learns: chains, or with `answer_only` answers alone."""
        return "task" if self.annotator == "answer_only" else "chain"

    def shown(self, pool: Sequence[Example]) -> list[Example]:
        """Show examples as the loop sees them."""
        bare = {} if self.uses_labels else {"answer": None, "label_source": ""}
        return [dataclasses.replace(example, **bare) for example in pool]

    @field_validator("selection", mode="before")
    @classmethod
    def _with_strategy(cls, value: object) -> object:
        """A table that says nothing of the strategy leaves this recipe's own, and not that of the others."""
        return {"strategy": _STRATEGY, **value} if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _can_ask(self) -> Self:
        if not self.teacher:
            raise ValueError("elad asks one [[teacher]] or several, none is given")
        find_annotator(self.annotator)
        if self.exam.samples and not self.uses_labels:
            raise ValueError(
                f"exam.samples = {self.exam.samples} grades explanations by the pool's labels; set "
                "uses_labels = true, or exam.samples = 0"
            )
        if self.lesson.contrast is not None and not self.exam.samples:
            raise ValueError("[lesson.contrast] holds explanations against the exam's; set exam.samples = 4")
        if self.annotator == "chain_gold" and not self.uses_labels:
            raise ValueError(
                "annotator = 'chain_gold' shows teachers the pool's labels; set uses_labels = true, or "
                "annotator = 'chain', which shows none"
            )
        return self
