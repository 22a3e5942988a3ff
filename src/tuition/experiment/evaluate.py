"""Examine a student or a teacher: on validation, then on the test split, which opens once, at the end."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from tuition.core.errors import TrainingError
from tuition.core.protocols import FixedForm, Learner
from tuition.core.records import Example, Grade, Json, Prediction
from tuition.core.splits import fingerprint
from tuition.evaluation.accuracy import Accuracy, accuracy, by_domain
from tuition.experiment.answer import Way, ask_student, graded, vote
from tuition.experiment.bench import Bench, DryRun
from tuition.experiment.form import reader_of
from tuition.tasks.check import blind_answers
from tuition.tasks.classical import LEFT_OUT, Classical

__all__ = [
    "Answerer",
    "StudentAnswers",
    "evaluate",
    "figures_of",
    "hits_on_valid",
    "student_answers",
    "try_on_valid",
]

_LOG = logging.getLogger(__name__)

Answerer = Callable[[Sequence[Example]], list[Prediction] | None]
"""Answers examples, in order; None: it could not answer one of them. The task grades, unless it was done."""

Prepare = Callable[[Sequence[Example]], list[Example]]
"""Makes questions ready to be asked, such as with passages."""

Figures = dict[str, dict[str, Json] | None]
"""The figures of `valid` and `test`; None where there is no such split, or nobody answered on it."""


def evaluate(bench: Bench, answer: Answerer, *, learnt: Sequence[Example] | None = None) -> Figures:
    """Examine on validation, then open the test split, once, as the last thing.

    The classical students learn from `learnt`; by default, from the training examples as they are labelled.
    """
    rows: list[dict[str, Json]] = []
    figures: Figures = {"valid": None, "test": None}
    learnt = bench.train if learnt is None else learnt
    # A dry run looks at no figure.
    classical = Classical(() if isinstance(bench.run, DryRun) else learnt, seed=bench.config.seed)
    if not classical.has_linear:
        _LOG.warning(LEFT_OUT)

    def examine(split: str, examples: Sequence[Example]) -> dict[str, Json] | None:
        start, asked = len(rows), examples[: bench.config.evaluation.limit]
        found = _evaluate(bench, split, examples, answer=answer, rows=rows)
        if found is None:
            return None
        if isinstance(answer, StudentAnswers) and (voted := answer.vote(asked)) is not None:
            found |= {"votes": _voted(bench, *voted, examples=asked, rows=rows[start:])}
        return found | _without_student(bench, classical, asked)

    if bench.splits.valid:
        figures["valid"] = examine("valid", bench.splits.valid)
    if bench.splits.test is not None:
        bench.run.event("test_opened", test=bench.splits.test.id[:16])
        bench.account.store.note_opening(bench.splits.test.content, run=bench.run.id).result()
        examples = bench.splits.test.open(bench.run.id)
        figures["test"] = examine("test", examples)
    bench.run.write_rows("predictions.jsonl", rows)
    bench.run.event("examined", answers=len(rows))
    return figures


def try_on_valid(bench: Bench, answer: Answerer) -> dict[str, Json]:
    """Examine on validation alone, to choose between students; the test split stays sealed."""
    return hits_on_valid(bench, answer)[0]


def hits_on_valid(bench: Bench, answer: Answerer) -> tuple[dict[str, Json], list[int]]:
    """Examine on validation alone, example by example; the test split stays sealed."""
    rows: list[dict[str, Json]] = []
    figures = (
        _evaluate(bench, "valid", bench.splits.valid, answer=answer, rows=rows)
        if bench.splits.valid
        else None
    )
    if figures is None:
        raise TrainingError("there is nothing to choose on: validation is empty, or nobody answered on it")
    wanted = ("n", "right", "accuracy", "ci95", "unreadable", "label_source", "reader")
    return {name: figures[name] for name in wanted}, [int(row["grade"] == Grade.RIGHT) for row in rows]


class StudentAnswers:
    """Lets the student of a run answer what it can read; the rest stays in the examination, unasked."""

    def __init__(self, bench: Bench, student: Learner, way: Way, *, prepare: Prepare) -> None:
        self._bench, self._student, self._way, self._prepare = bench, student, way, prepare

    def __call__(self, examples: Sequence[Example]) -> list[Prediction]:
        """Answer as `ask_student` does."""
        answer, reads = ask_student(self._student, self._bench.task, self._way), self._bench.reads
        found = iter(answer(self._prepare([example for example in examples if reads(example)])))
        return [
            next(found)
            if reads(example)
            else Prediction(example_id=example.id, text="", answer=None, grade=Grade.UNREADABLE)
            for example in examples
        ]

    def vote(self, examples: Sequence[Example]) -> tuple[list[Counter[str]], int] | None:
        """Let it answer what it can read several times; None: that is not wanted, or it writes nothing."""
        bench, wanted = self._bench, self._bench.config.evaluation
        writes = self._student.abilities.generates and self._way.scoring != "options"
        if not wanted.votes or not writes:
            return None
        return vote(
            self._student,
            bench.task,
            self._way,
            examples=self._prepare([example for example in examples if bench.reads(example)]),
            samples=wanted.votes,
            temperature=wanted.vote_temperature,
            seed=bench.config.seed,
        )


def student_answers(
    bench: Bench, student: Learner, *, prefix: str = "", prepare: Prepare = list
) -> StudentAnswers:
    """Let the student of a run answer what it can read, as `ask_student` does, of questions made ready.

    It is asked by the run's own instruction unless another one is given.
    """
    return StudentAnswers(bench, student, Way.of(bench.config, prefix=prefix), prepare=prepare)


def _evaluate(
    bench: Bench, split: str, examples: Sequence[Example], *, answer: Answerer, rows: list[dict[str, Json]]
) -> dict[str, Json] | None:
    examples = examples[: bench.config.evaluation.limit]
    bench.run.progress(f"evaluate on {split}", 0, len(examples))
    predictions = answer(examples)
    bench.run.progress(f"evaluate on {split}", len(examples), len(examples))
    if predictions is None:
        return None
    grades = graded(predictions, examples, bench.task)
    for prediction, example, grade in zip(predictions, examples, grades, strict=True):
        done = dataclasses.replace(prediction, grade=grade)
        about = {
            "split": split,
            "domain": example.domain,
            "label": example.answer,
            "label_source": example.label_source,
        }
        rows.append({**about, "fingerprint": fingerprint(example)[:16], **done.to_json()})
    answers = [prediction.answer for prediction in predictions]
    more = bench.task.figures(answers, examples) if isinstance(bench.task, FixedForm) else {}
    return figures_of(grades, examples) | {"reader": reader_of(bench.task)} | more


def _voted(
    bench: Bench,
    counts: Sequence[Counter[str]],
    tokens: int,
    *,
    examples: Sequence[Example],
    rows: Sequence[dict[str, Json]],
) -> dict[str, Json]:
    """Grade what most samples say, of equals the first, beside the greedy answers; rows get the counts."""
    told, grades = iter(counts), []
    for example, row in zip(examples, rows, strict=True):
        votes: Counter[str] = next(told) if bench.reads(example) else Counter()
        row["votes"] = dict(votes)
        grades.append(bench.task.grade(next((one for one, _ in votes.most_common(1)), None), example))
    wanted = bench.config.evaluation
    return {
        **_shares(accuracy(grades)),
        "samples": wanted.votes,
        "temperature": wanted.vote_temperature,
        "student_tokens": tokens,
        "greedy_tokens": sum(int(str(row["output_tokens"])) for row in rows),
    }


def figures_of(grades: Sequence[Grade], examples: Sequence[Example]) -> dict[str, Json]:
    """Give the figures of graded answers as `metrics.json` has them, but for who read them."""
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


def _without_student(bench: Bench, classical: Classical, examples: Sequence[Example]) -> dict[str, Json]:
    """What the rules that need no question come to, and the classical students."""

    def shares(column: Sequence[str | None]) -> dict[str, Json]:
        pairs = zip(column, examples, strict=True)
        return _shares(accuracy([bench.task.grade(answer, example) for answer, example in pairs]))

    rules, students = blind_answers(bench.splits.train, examples), classical.answers(examples)
    return {
        "blind": {rule: shares(column) for rule, column in rules.items()},
        "classical": {name: column and shares(column) for name, column in students.items()},
    }
