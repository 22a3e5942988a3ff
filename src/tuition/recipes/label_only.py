"""Plain fine-tuning: the student learns the labels and nothing else. What every rationale has to beat.

Source: common practice.
"""

from __future__ import annotations

from tuition.core.errors import DataError
from tuition.core.records import Json
from tuition.core.run import Run
from tuition.experiment.bench import finish, open_bench, train_student
from tuition.experiment.config import Experiment
from tuition.experiment.evaluate import evaluate, student_answers
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.targets import answer_targets

__all__ = ["RECIPE", "label_only"]


def label_only(config: Experiment, run: Run) -> dict[str, Json]:
    """Train on labels alone."""
    with open_bench(config, run) as bench:
        targets = answer_targets(bench.train, weight=1.0, form=config.student.answer_form)
        if not targets:
            raise DataError(
                f"none of the {len(bench.train)} training examples has a label, and label_only needs some."
                " Label them, let teachers label them (labels.train), or let them solve them: recipe ="
                " 'tinyllm', annotation.forced = false."
            )
        student = train_student(bench, targets)
        figures = evaluate(bench, student_answers(bench, student))
        return finish(bench, figures, student=student, objectives={"answer": len(targets)})


RECIPE = Recipe(
    config_type=Experiment,
    run=label_only,
    baseline="label_only",
    beside=lambda _: [Variant(name="label_only", changed={"teacher": ()})],
    order=30,
)
