"""How teachers are asked and which of their rationales are kept. Knows no teacher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from tuition.annotation.demonstrations import Choice
from tuition.annotation.health import CHECKS, FILTERS
from tuition.annotation.prompts import PROMPTS
from tuition.core.config import Section
from tuition.core.errors import near_name

__all__ = ["AnnotationConfig"]


class AnnotationConfig(Section):
    """One way of asking, the same for every teacher of a run."""

    examples: Annotated[int, Field(ge=0)] = 2
    """Demonstrations in the prompt, drawn from the training split; the paper's k."""
    examples_by: Choice = "random"
    """How they are chosen: `random` (the paper), `nearest` (BM25 over the questions) or `fixed` (the same
    for every question)."""
    forced: bool = True
    """Whether the teacher is shown the gold answer (teacher forcing); false: it solves by itself."""
    rationale_prompt: str = "rationale/1"
    """Name and version of the prompt that shows the gold answer."""
    solve_prompt: str = "solve/1"
    """Name and version of the prompt that does not."""
    filters: tuple[str, ...] = FILTERS["usual"]
    """Health checks that drop a rationale which fails one: a list, or the name of a choice of them, `paper`
    (which keeps all but the empty), `usual` or `strict`."""
    answer_check: bool = True
    """Without forcing: keep only rationales whose own answer can be read and equals the label, if any."""
    verify: str = ""
    """Who says what follows from a rationale alone: a teacher's name, or `self` for its own author; empty:
    nobody. What does not lead to its answer has the fault `unverified`."""
    keep_by: Literal["", "ifd", "ifd_perplexity"] = ""
    """By what the untrained student finds of a rationale it is learnt, in recipes that ask before they train:
    `ifd`, how little its question helps with it (its loss behind the question over its loss alone), or the
    same of perplexities; 1 or more is dropped. Empty: every rationale that the route chose."""
    keep_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """With `keep_by`: share of those that is learnt, the highest first."""
    keep_least: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """With `keep_by`: lower ones are dropped, whose question says it all."""
    redraws: Annotated[int, Field(ge=0)] = 0
    """Further samples asked of a teacher whose rationale was dropped, at most so many an example."""
    max_attempts: Annotated[int, Field(ge=1)] = 4
    """Attempts at one call before its failure stands."""
    backoff_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """The first pause between attempts is a random part of this; each further one of twice as much."""
    backoff_most_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    """Longest such pause; a server that asks for a longer one gets it."""
    deadline_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 600.0
    """Seconds from the first attempt at a call after which no further one begins, and the longest pause of
    an endpoint that is waited for; None: no limit. Waiting for a turn before the first is not counted."""
    longer: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    """A reply that `max_tokens` cut off is asked for once more with so many times as many, after everything
    else and if the budget allows; both are bought and counted. 1: never. Verdicts and second opinions, short
    by design, never are."""

    @property
    def dropping(self) -> frozenset[str]:
        """The faults that drop a rationale."""
        unread = ("wrong", "unreadable") if self.answer_check else ()
        return frozenset({*self.filters, "empty", *unread})

    @field_validator("rationale_prompt", "solve_prompt")
    @classmethod
    def _is_known(cls, name: str, info: ValidationInfo) -> str:
        is_forced = info.field_name == "rationale_prompt"
        fit = [prompt.name for prompt in PROMPTS.values() if prompt.is_forced == is_forced]
        if name not in fit:
            shown = "that shows the answer" if is_forced else "that does not show the answer"
            raise ValueError(near_name(name, fit, kind=f"prompt {shown}"))
        return name

    @field_validator("filters", mode="before")
    @classmethod
    def _chosen(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value not in FILTERS:
            raise ValueError(near_name(value, FILTERS, kind="choice of filters"))
        return FILTERS[value]

    @field_validator("filters")
    @classmethod
    def _are_checks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in CHECKS:
                raise ValueError(near_name(name, CHECKS, kind="health check"))
        return names
