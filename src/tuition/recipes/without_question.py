"""A student that never sees the question: what it gets right, from the choices alone, is no understanding.

Source: the partial-input baseline of reading benchmarks; the form is ours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tuition.core.errors import DataError
from tuition.core.records import Example, Json
from tuition.core.run import Run
from tuition.experiment.bench import finish, open_bench, train_student
from tuition.experiment.checks import load_splits, why_not_without_question
from tuition.experiment.config import Experiment
from tuition.experiment.evaluate import evaluate, student_answers
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.targets import answer_targets

__all__ = ["RECIPE", "without_question"]


def without_question(config: Experiment, run: Run) -> dict[str, Json]:
    """Train on labels with question and context taken away, and examine in the same way.

    What this student gets right it gets from the choices: a set of data where it is often right measures less
    understanding than its accuracies say.
    """
    with open_bench(config, run) as bench:
        if reason := why_not_without_question(bench.splits):
            raise DataError(f"{reason}.")
        targets = answer_targets(_bare(bench.train), weight=1.0, form=config.student.answer_form)
        if not targets:
            raise DataError(
                f"none of the {len(bench.train)} training examples has a label, and without_question needs "
                "some. Label them, or leave it out."
            )
        student = train_student(bench, targets)
        answer = student_answers(bench, student)
        figures = evaluate(bench, lambda examples: answer(_bare(examples)))
        return finish(bench, figures, student=student, objectives={"answer": len(targets)})


def _bare(examples: Sequence[Example]) -> list[Example]:
    return [dataclasses.replace(example, question="", context="", messages=()) for example in examples]


RECIPE = Recipe(
    config_type=Experiment,
    run=without_question,
    baseline="blind",
    beside=lambda config: [
        Variant(
            name="without_question",
            changed={"teacher": ()},
            why_not=why_not_without_question(load_splits(config)[0]),
        )
    ],
    order=10,
    remark="needs no question",
)
