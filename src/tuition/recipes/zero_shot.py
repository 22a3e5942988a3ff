"""The student as it is, nothing learnt: what training has to beat.

Source: common practice.
"""

from __future__ import annotations

from tuition.core.records import Json
from tuition.core.run import Run
from tuition.experiment.bench import finish, open_bench, train_student
from tuition.experiment.config import Experiment
from tuition.experiment.evaluate import evaluate, student_answers
from tuition.experiment.recipe import Recipe, Variant

__all__ = ["RECIPE", "zero_shot"]


def zero_shot(config: Experiment, run: Run) -> dict[str, Json]:
    """Examine the student before any training."""
    with open_bench(config, run) as bench:
        student = train_student(bench, [])
        figures = evaluate(bench, student_answers(bench, student))
        return finish(bench, figures, student=student)


RECIPE = Recipe(
    config_type=Experiment,
    run=zero_shot,
    baseline="zero_shot",
    beside=lambda _: [Variant(name="zero_shot", changed={"teacher": ()})],
    order=20,
    learns=False,
)
