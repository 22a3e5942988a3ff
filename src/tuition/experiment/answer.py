"""How a student is asked for its answer, and how that is read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuition.core.errors import TrainingError
from tuition.core.protocols import Learner, Task
from tuition.core.records import Example, Grade, Prediction
from tuition.evaluation.accuracy import accuracy
from tuition.experiment.config import Experiment
from tuition.experiment.form import answer_prefix
from tuition.experiment.targets import AnswerForm, answer_text, questions, read_answer

__all__ = ["Way", "ask_student", "graded", "share_right", "vote"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a student is asked for its answer, and how that is read."""

    prefix: str
    answer_form: AnswerForm
    scoring: str
    """generate, exact or options."""
    max_tokens: int
    """Bound of what it writes."""

    @classmethod
    def of(cls, config: Experiment, *, prefix: str = "") -> Way:
        """Read it from the configuration of a run; without another instruction it is the configured one."""
        return cls(
            prefix=prefix or answer_prefix(config),
            answer_form=config.student.answer_form,
            scoring=config.evaluation.scoring,
            max_tokens=config.evaluation.max_tokens or config.student.max_output_tokens,
        )


def ask_student(student: Learner, task: Task, way: Way) -> Callable[[Sequence[Example]], list[Prediction]]:
    """Let a student answer in a way.

    Source: TinyLLM's published code for `evaluation.scoring = "exact"`, which wants the label's very text.
    Differs: a student that writes nothing is unreadable there, not wrong.
    """
    form, scoring, prefix = way.answer_form, way.scoring, way.prefix

    def is_exact(example: Example) -> bool:
        return scoring == "exact" and example.answer is not None

    def generated(examples: Sequence[Example]) -> list[Prediction]:
        texts = student.generate(questions(examples, prefix), max_tokens=way.max_tokens)
        answers = [
            (text.text or None)
            if scoring == "exact"
            else read_answer(text.text, example, task=task, form=form)
            for example, text in zip(examples, texts, strict=True)
        ]
        return [
            Prediction(
                example_id=example.id,
                text=text.text,
                answer=answer,
                grade=_exact(text.text, example, form=form) if is_exact(example) else None,
                output_tokens=text.tokens,
                confidence=None
                if answer is None or not text.logprobs
                else math.exp(sum(text.logprobs) / len(text.logprobs)),
            )
            for example, text, answer in zip(examples, texts, answers, strict=True)
        ]

    def scored(examples: Sequence[Example]) -> list[Prediction]:
        scores = student.score_options(questions(examples, prefix, form=form))
        return [
            Prediction(
                example_id=example.id,
                text="",
                answer=_best(example, row),
                option_scores=row,
                confidence=1 / sum(math.exp(score - max(row)) for score in row),
            )
            for example, row in zip(examples, scores, strict=True)
        ]

    return scored if scoring == "options" or not student.abilities.generates else generated


def vote(
    student: Learner,
    task: Task,
    way: Way,
    *,
    examples: Sequence[Example],
    samples: int,
    temperature: float,
    seed: int,
) -> tuple[list[Counter[str]], int]:
    """Let a student that writes answer several times: how many samples gave each answer, and tokens of all.

    Source: self-consistency (arXiv 2203.11171), majority over sampled chains.
    """
    drawn = student.explain(
        questions(examples, way.prefix),
        samples=samples,
        temperature=temperature,
        max_tokens=way.max_tokens,
        seed=seed,
    )
    counts: list[Counter[str]] = []
    for example, texts in zip(examples, drawn, strict=True):
        read = [read_answer(text.text, example, task=task, form=way.answer_form) for text in texts]
        counts.append(Counter(answer for answer in read if answer is not None))
    return counts, sum(text.tokens for texts in drawn for text in texts)


def graded(predictions: Sequence[Prediction], examples: Sequence[Example], task: Task) -> list[Grade]:
    """Grade answers that are not graded yet."""
    return [
        task.grade(prediction.answer, example) if prediction.grade is None else prediction.grade
        for prediction, example in zip(predictions, examples, strict=True)
    ]


def share_right(student: Learner, task: Task, way: Way, *, examples: Sequence[Example]) -> float:
    """Say which share of the examples a student answers rightly now."""
    return accuracy(graded(ask_student(student, task, way)(examples), examples, task)).share


def _exact(text: str, example: Example, *, form: AnswerForm) -> Grade:
    """Grade as the published code does: the label's very text, or wrong."""
    if not text:
        return Grade.UNREADABLE
    label = answer_text(example, example.answer or "", form=form)
    # Tokenizers write blanks their own way; the published code compares with the label as decoded.
    return Grade.RIGHT if text.split() == label.split() else Grade.WRONG


def _best(example: Example, scores: Sequence[float]) -> str:
    if any(score != score for score in scores):
        raise TrainingError(
            f"the student's scores for {example.id!r} are no numbers: its training came apart. Lower lr."
        )
    return example.choices[max(range(len(scores)), key=scores.__getitem__)]
