"""Distilling step-by-step: one teacher's rationale as a second task, the two losses in a convex sum.

Source: Distilling Step-by-Step (arXiv 2305.02301), the one-teacher baseline of TinyLLM.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tuition.core.records import Json
from tuition.core.run import Run
from tuition.recipes.common import open_bench
from tuition.recipes.config import Experiment
from tuition.recipes.distil import learn_and_examine
from tuition.recipes.gather import gather

__all__ = ["StepByStep", "step_by_step"]


class StepByStep(Experiment):
    """Configuration of `step_by_step`; it wants exactly one teacher."""

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the answer's loss: α·L_label + (1−α)·L_rationale."""
    rationale_as: Literal["task", "chain"] = "task"
    """A second task beside the answer, as in the paper; or a chain the student writes before its answer."""

    @model_validator(mode="after")
    def _one_teacher(self) -> Self:
        if len(self.teacher) != 1:
            raise ValueError(
                f"step_by_step learns from one teacher, {len(self.teacher)} are given; tinyllm takes several"
            )
        return self


def step_by_step(config: StepByStep, run: Run) -> dict[str, Json]:
    """Distil one teacher's rationales.

    Source: Distilling Step-by-Step (arXiv 2305.02301); α = 0.5 as in its published code.

    Differs: labels are those of the data, never the teacher's own, unless the data have none.

    Args:
        config: One teacher and the share α.
        run: The run's folder.

    Returns:
        The metrics, as written.
    """
    with open_bench(config, run) as bench:
        gathered = gather(bench)
        return learn_and_examine(
            bench,
            gathered,
            gathered.annotations,
            gamma=config.alpha,
            # A chain holds rationale and answer in one, so there is nothing to share the weight with.
            alphas={config.teacher[0].name: 1.0 if config.rationale_as == "chain" else 1.0 - config.alpha},
            rationale_as=config.rationale_as,
        )
