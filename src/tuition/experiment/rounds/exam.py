"""What the student gets wrong now: it sits an exam before a round asks, and what it wrote there is mended.

Source: Tailored Learning (Democratizing Reasoning, arXiv 2310.13332), by its published code. **[C]**
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from tuition.core.protocols import Learner, Lesson
from tuition.core.records import Example, Grade, Prediction, Target
from tuition.core.rows import read_rows
from tuition.experiment.form import answer_prefix
from tuition.experiment.rounds.state import ActiveRun
from tuition.experiment.targets import questions, read_answer

__all__ = ["examined", "lesson_of", "mistakes", "tailored"]

_EXAM = "exam.jsonl"


def examined(state: ActiveRun, student: Learner, examples: Sequence[Example]) -> list[Example]:
    """Keep the questions that the student gets wrong in one sampled explanation or more.

    Source: Tailored Learning (arXiv 2310.13332), its code: 4 sampled sequences a training
    question, wrong rationales without doubles.

    Differs: the student is asked as it is examined, without demonstrations; the cold start, whose student has
    learnt nothing, has no exam.
    """
    exam = state.config.exam
    if not exam.samples or state.is_cold or not examples:
        return list(examples)
    asked = [example for example in examples if example.answer is not None]
    state.bench.run.progress("student sits an exam", 0, len(asked))
    written = student.explain(
        questions(asked, answer_prefix(state.config)),
        samples=exam.samples,
        temperature=exam.temperature,
        max_tokens=state.config.explanation.max_tokens,
        seed=state.seed,
    )
    state.bench.run.progress("student sits an exam", len(asked), len(asked))
    task, form = state.bench.task, state.config.student.answer_form
    rows: list[dict[str, Any]] = []
    for example, texts in zip(asked, written, strict=True):
        by_grade: dict[Grade, dict[str, str | None]] = {grade: {} for grade in Grade}
        for text in texts:
            answer = read_answer(text.text, example, task=task, form=form)
            by_grade[task.grade(answer, example)].setdefault(text.text, answer)
        wrong = by_grade[Grade.WRONG] | by_grade[Grade.UNREADABLE]
        rows.append(
            {
                "example_id": example.id,
                "wrong": [{"text": text, "answer": answer} for text, answer in wrong.items() if text.strip()],
                "right": [text for text in by_grade[Grade.RIGHT] if text.strip()],
                "is_wrong": bool(wrong),
            }
        )
    state.write_rows(_EXAM, rows)
    failed = {row["example_id"] for row in rows if row["is_wrong"]}
    state.bench.run.event("exam", round=state.number, asked=len(rows), wrong=len(failed))
    return [example for example in examples if example.id in failed]


def mistakes(state: ActiveRun) -> Mapping[str, Prediction]:
    """Give what the student got wrong in the exam of the round that is due, to be mended; by example id."""
    return {
        row["example_id"]: Prediction(
            example_id=row["example_id"], text=row["wrong"][0]["text"], answer=row["wrong"][0]["answer"]
        )
        for row in cast("list[Any]", state.read_rows(_EXAM))
        if row["wrong"]
    }


def lesson_of(state: ActiveRun) -> Lesson | None:
    """Say what is learnt beside the tokens; None: nothing."""
    contrast = state.config.lesson.contrast
    return None if contrast is None else Lesson(contrast=contrast)


def tailored(state: ActiveRun, targets: Sequence[Target]) -> list[Target]:
    """Weigh the question's tokens, and hold each mended explanation against the mistake that it mends.

    Another right explanation of the same question is what the student itself wrote in the exam; a question
    without one is not contrasted, as in the published code.

    Source: Tailored Learning (arXiv 2310.13332), its code: prompt tokens weigh 0.1; anchor,
    another right rationale, own mistake.

    Differs: one pair a target; there up to 10 right and 4 wrong ones a question. There the first token of the
    rationale is weighed down too, which looks like an oversight.
    """
    lesson = state.config.lesson
    if not lesson.prompt_weight and lesson.contrast is None:
        return list(targets)
    seen: dict[str, tuple[str, str]] = {}
    for number in range(state.number + 1):
        path = state.bench.run.path / state.place_of(number) / _EXAM
        for row in cast("Iterable[Any]", read_rows(path) if path.exists() else ()):
            if row["right"] and row["wrong"]:
                seen[row["example_id"]] = (row["right"][0], row["wrong"][0]["text"])
    weighed = []
    for target in targets:
        like, against = seen.get(target.example.id, ("", "")) if lesson.contrast is not None else ("", "")
        weighed.append(replace(target, prompt_weight=lesson.prompt_weight, like=like, against=against))
    return weighed
