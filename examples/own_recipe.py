"""A recipe of your own: the shortest answers first, as a method that joins every table.

    python examples/own_recipe.py

A recipe is a configuration, a function and a few facts. Its plan is a dry run of the function.
"""

import sys
from typing import Annotated

from pydantic import Field

import tuition
from tuition.core.records import Json
from tuition.core.run import Run
from tuition.experiment.bench import finish, open_bench, train_student
from tuition.experiment.evaluate import evaluate, student_answers
from tuition.experiment.recipe import Variant
from tuition.experiment.targets import ANSWER_PREFIX, answer_targets
from tuition.recipes import Recipe


class ShortestFirst(tuition.Experiment):
    """Configuration of `shortest_first`."""

    kept_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the examples that are learnt, those with the shortest questions."""


def shortest_first(config: ShortestFirst, run: Run) -> dict[str, Json]:
    """Learn the labels of the shortest questions."""
    with open_bench(config, run) as bench:
        ordered = sorted(bench.train, key=lambda example: (len(example.question), example.id))
        kept = ordered[: max(1, round(config.kept_share * len(ordered)))]
        targets = answer_targets(kept, weight=1.0, form=config.student.answer_form)
        student = train_student(bench, targets)
        figures = evaluate(bench, student_answers(bench, student, prefix=ANSWER_PREFIX))
        return finish(bench, figures, student=student, objectives={"answer": len(targets)})


RECIPE = Recipe(
    config_type=ShortestFirst,
    run=shortest_first,
    order=30,
    remark="learns the shortest questions",
    ablations=lambda config: [Variant(name="all_questions", changed={"kept_share": 1.0})],
)


def main() -> None:
    """Run it on the playground."""
    config = tuition.load_config(
        {
            "recipe": "own_recipe:RECIPE",
            "out": "runs/own_recipe",
            "store": "runs/own_recipe.db",
            "kept_share": 0.5,
            "task": {"source": "playground", "train": 16, "valid": 6, "test": 6, "domains": ["coins"]},
            "student": {"model": "fresh:llama-nano", "max_output_tokens": 8, "threads": 1},
            "training": {"steps": 3, "batch_examples": 8},
        },
        trust=True,
    )
    done = tuition.run(config)
    print(done.metrics["objectives"], done.metrics["test"]["accuracy"])


if __name__ == "__main__":
    # The configuration names this file as a module, so that a run can be gone on with from the command line.
    sys.modules["own_recipe"] = sys.modules[__name__]
    main()
