"""Examine a student or a teacher: on validation, then on the test split, which opens once, at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from tuition.core.errors import TrainingError
from tuition.core.protocols import Learner
from tuition.core.records import Example, Grade, Json, Prediction
from tuition.core.splits import fingerprint
from tuition.evaluation.accuracy import Accuracy, accuracy, by_domain
from tuition.recipes.common import Bench
from tuition.recipes.targets import questions
from tuition.tasks.blind import blind_answers

__all__ = ["Answerer", "Figures", "examine", "student_answers"]

Answerer = Callable[[Sequence[Example]], list[Prediction] | None]
"""Answers examples, in order; None: it could not answer one of them. Grades are not its business."""

Figures = dict[str, dict[str, Json] | None]
"""The figures of `valid` and `test`; None where there is no such split, or nobody answered on it."""


def examine(bench: Bench, answer: Answerer) -> Figures:
    """Examine on validation, then open the test split, once, as the last thing.

    Args:
        bench: Its run folder gets `predictions.jsonl`.
        answer: The student or a teacher.

    Returns:
        The figures of both splits.
    """
    rows: list[dict[str, Json]] = []
    figures: Figures = {"valid": None, "test": None}
    if bench.splits.valid:
        figures["valid"] = _examine(bench, "valid", bench.splits.valid, answer=answer, rows=rows)
    if bench.splits.test is not None:
        bench.run.event("test_opened", test=bench.splits.test.id[:16])
        examples = bench.splits.test.open(bench.run.id)
        figures["test"] = _examine(bench, "test", examples, answer=answer, rows=rows)
    bench.run.write_rows("predictions.jsonl", rows)
    bench.run.event("examined", answers=len(rows))
    return figures


def student_answers(bench: Bench, student: Learner, *, prefix: str) -> Answerer:
    """Let the student answer, in the configured way.

    Args:
        bench: Its configuration says how answers are read.
        student: Who answers.
        prefix: The instruction.

    Returns:
        What `examine` wants.
    """

    def generated(examples: Sequence[Example]) -> list[Prediction]:
        limit = bench.config.student.max_output_tokens
        texts = student.generate(questions(examples, prefix), max_tokens=limit)
        return [
            Prediction(
                example_id=example.id,
                text=text.text,
                answer=bench.task.read(text.text, example),
                output_tokens=text.tokens,
            )
            for example, text in zip(examples, texts, strict=True)
        ]

    def scored(examples: Sequence[Example]) -> list[Prediction]:
        scores = student.score_options(questions(examples, prefix))
        return [
            Prediction(example_id=example.id, text="", answer=_best(example, row), option_scores=row)
            for example, row in zip(examples, scores, strict=True)
        ]

    by_options = bench.config.evaluation.scoring == "options" or not student.abilities.generates
    return scored if by_options else generated


def _best(example: Example, scores: Sequence[float]) -> str:
    if any(score != score for score in scores):
        raise TrainingError(
            f"the student's scores for {example.id!r} are no numbers: its training came apart. Lower lr."
        )
    return example.choices[max(range(len(scores)), key=scores.__getitem__)]


def _examine(
    bench: Bench, split: str, examples: Sequence[Example], *, answer: Answerer, rows: list[dict[str, Json]]
) -> dict[str, Json] | None:
    examples = examples[: bench.config.evaluation.limit]
    bench.run.progress(f"examine on {split}", 0, len(examples))
    predictions = answer(examples)
    bench.run.progress(f"examine on {split}", len(examples), len(examples))
    if predictions is None:
        return None
    grades = [
        bench.task.grade(prediction.answer, example)
        for prediction, example in zip(predictions, examples, strict=True)
    ]
    for prediction, example, grade in zip(predictions, examples, grades, strict=True):
        graded = dataclasses.replace(prediction, grade=grade)
        about = {"split": split, "domain": example.domain, "label": example.answer}
        rows.append({**about, "fingerprint": fingerprint(example)[:16], **graded.to_json()})
    return _figures(grades, examples) | {"blind": _blind(bench, examples)}


def _figures(grades: Sequence[Grade], examples: Sequence[Example]) -> dict[str, Json]:
    whole = accuracy(grades)
    sources = sorted({example.label_source for example in examples})
    parts = by_domain(grades, [example.domain for example in examples])
    return {
        **_shares(whole),
        "label_source": "+".join(sources),
        "by_domain": {name: _shares(part) for name, part in parts.items()},
    }


def _shares(found: Accuracy) -> dict[str, Json]:
    """An accuracy as `metrics.json` has it."""
    return {
        "n": found.n,
        "right": found.right,
        "accuracy": found.share,
        "ci95": [found.low, found.high],
        "unreadable": found.unreadable / found.n,
    }


def _blind(bench: Bench, examples: Sequence[Example]) -> dict[str, Json]:
    """How far one comes without the question: the rules learn from train alone."""
    answers = blind_answers(bench.splits.train, examples)
    return {
        rule: _shares(
            accuracy(
                [bench.task.grade(answer, example) for answer, example in zip(column, examples, strict=True)]
            )
        )
        for rule, column in answers.items()
    }
