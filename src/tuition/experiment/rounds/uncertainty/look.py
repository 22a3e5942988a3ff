"""A look at a student: its greedy explanations in steps, and what its answers are worth behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from tuition.annotation import without_closing
from tuition.core.protocols import Generation, Learner, Task
from tuition.core.records import Example, Target
from tuition.core.texts.steps import split_steps
from tuition.experiment.learn.targets import AnswerForm, answer_text, read_answer
from tuition.experiment.rounds.config import ExplanationConfig

__all__ = ["Draft", "Look", "Shown"]

_CLOSING = "The answer is"
"""How `chain_targets` closes; what follows is a blank, the answer and a full stop."""

Shown = tuple[Mapping[str, Any], int]
"""What one example shows: values by name, and the tokens that the student wrote or scored for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A greedy explanation, read."""

    question: Target
    written: Generation
    answer: str | None
    steps: tuple[str, ...]
    between: str
    """What stands between two steps, as the student wrote them: a new line or a blank."""
    is_bare: bool
    """Whether it is the answer and nothing else."""

    @property
    def example(self) -> Example:
        """What it explains."""
        return self.question.example

    @property
    def is_closed(self) -> bool:
        """Whether its answer is one of several choices."""
        return len(self.example.choices) > 1 and self.answer in self.example.choices

    def behind(self, steps: Sequence[str]) -> str:
        """Write what stands before the answer, given these steps."""
        if self.is_bare:
            return ""
        return f"{self.between.join(steps)}\n{_CLOSING}" if steps else _CLOSING

    def ending(self, answer: str, form: AnswerForm) -> str:
        """Write the answer as it stands behind the steps."""
        words = _words(self.example, answer, form)
        return words if self.is_bare else f" {words}."


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a kind of evidence goes by: the student, what it is asked, and how it is read."""

    student: Learner
    task: Task
    questions: Sequence[Target]
    needs: Set[str]
    """All kinds of evidence that are looked for."""
    config: ExplanationConfig
    form: AnswerForm
    option_score: Literal["sum", "mean"]
    seed: int

    @cached_property
    def drafts(self) -> list[Draft]:
        """The greedy explanation of each question."""
        most, seed = self.config.max_tokens, self.seed
        found = self.student.explain(self.questions, samples=1, temperature=0.0, max_tokens=most, seed=seed)
        return [self._draft(*pair) for pair in zip(self.questions, (one for [one] in found), strict=True)]

    @cached_property
    def scored(self) -> list[list[list[tuple[float, ...]]]]:
        """The scores of the offered answers of each draft: behind all steps, then behind all but one.

        Each is read once, for confidence and removal together. Empty where no answer could be read, and where
        there is neither a step to leave out nor a confidence to be had.
        """
        is_scored = [
            draft.answer is not None and bool(draft.steps or "confidence" in self.needs)
            for draft in self.drafts
        ]
        drafts = [draft for draft, is_one in zip(self.drafts, is_scored, strict=True) if is_one]
        found = self.student.scores_from_prefixes(
            [draft.question for draft in drafts],
            [
                [
                    draft.behind(draft.steps),
                    *(self.without_each(draft) if "removal" in self.needs else []),
                ]
                for draft in drafts
            ],
            [[draft.ending(option, self.form) for option in self.offered(draft)] for draft in drafts],
        )
        rows = iter(found)
        return [next(rows) if is_one else [] for is_one in is_scored]

    def offered(self, draft: Draft) -> tuple[str, ...]:
        """List the answers that are scored; which option wins matters only where steps are left out."""
        if draft.is_closed and draft.steps and "removal" in self.needs:
            return draft.example.choices
        return () if draft.answer is None else (draft.answer,)

    def without_each(self, draft: Draft) -> list[str]:
        """Write the explanation up to its answer, without one of its first steps at a time."""
        steps = draft.steps
        return [
            draft.behind((*steps[:i], *steps[i + 1 :])) for i in range(min(len(steps), self.config.max_steps))
        ]

    def best(self, endings: Sequence[Sequence[float]]) -> int:
        """Find the choice that is scored best, given the log-probabilities of each one's tokens."""
        scores = [
            math.fsum(ending) / (len(ending) if self.option_score == "mean" else 1) for ending in endings
        ]
        return scores.index(max(scores))

    def read(self, text: str, example: Example) -> str | None:
        """Read an answer; None: unreadable."""
        return read_answer(text, example, task=self.task, form=self.form)

    def _draft(self, question: Target, written: Generation) -> Draft:
        text, example = written.text, question.example
        answer = self.read(text, example)
        body = without_closing(text)
        is_bare = answer is not None and text.strip().rstrip(".") == _words(example, answer, self.form)
        return Draft(
            question=question,
            written=written,
            answer=answer,
            steps=() if is_bare else split_steps(body),
            between="\n" if "\n" in body else " ",
            is_bare=is_bare,
        )


def _words(example: Example, answer: str, form: AnswerForm) -> str:
    """An answer as the student writes it; an open one has no letter."""
    return answer_text(example, answer, form=form if answer in example.choices else "text")
