"""Distilling step-by-step: one teacher's rationale as a second task, the two losses in a convex sum.

Source: Distilling Step-by-Step (arXiv 2305.02301), the one-teacher baseline of TinyLLM.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Self

from pydantic import Field, model_validator

from tuition.core.records import Json, Target
from tuition.core.run import Run
from tuition.experiment.bench import open_bench
from tuition.experiment.config import Experiment, RationaleAs
from tuition.experiment.learn.distil import evaluate_trained, learn, objectives
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.teach.gather import gather

__all__ = ["RECIPE", "StepByStep", "step_by_step"]


class StepByStep(Experiment):
    """Configuration of `step_by_step`; it wants exactly one teacher whose weight is not 0."""

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the answer's loss: α·L_label + (1−α)·L_rationale."""
    rationale_as: RationaleAs = "task"
    """A second task beside the answer, as in the paper; a chain, written before the answer; or both."""

    @model_validator(mode="after")
    def _one_teacher(self) -> Self:
        if len(self.writers) != 1:
            raise ValueError(
                f"step_by_step learns from one teacher, {len(self.writers)} are given; tinyllm takes several"
            )
        return self


def step_by_step(config: StepByStep, run: Run) -> dict[str, Json]:
    """Distil one teacher's rationales.

    Source: Distilling Step-by-Step (arXiv 2305.02301); α = 0.5 as in its published code.

    Differs: labels are those of the data, never the teacher's own, unless the data have none.
    """
    with open_bench(config, run) as bench:
        gathered = gather(bench)

        # α·L_label + (1−α)·L_rationale; a chain holds both in one, and has the whole weight.
        def loss(factor: float) -> list[Target]:
            return objectives(
                bench,
                gathered.annotations,
                gamma=config.alpha,
                alphas={config.writers[0].name: factor},
                combine="convex",
                rationale_as=config.rationale_as,
            )

        trained = learn(bench, loss)
        return evaluate_trained(bench, gathered, trained, rationale_as=config.rationale_as)


def _beside(config: Experiment) -> list[Variant]:
    """One run a teacher that writes, each with the verifier of the main run beside its teacher."""
    verifiers = [table for table in config.teacher if table.name == config.annotation.verify]
    rows: list[Variant] = []
    for writer in config.writers if len(config.writers) > 1 else ():
        silent = (table.model_copy(update={"weight": 0.0}) for table in verifiers if table != writer)
        rows.append(Variant(name=f"step_by_step-{writer.name}", changed={"teacher": (writer, *silent)}))
    return rows


RECIPE = Recipe(
    config_type=StepByStep,
    run=step_by_step,
    asks=True,
    rationale_as=attrgetter("rationale_as"),
    baseline="single_teacher",
    beside=_beside,
    order=40,
    best_of="single teacher",
)
