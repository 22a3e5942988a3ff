"""TinyLLM: several teachers' rationales, one student, a weighted sum of losses.

Source: TinyLLM (arXiv 2402.04616). docs/recipes/tinyllm.md holds paper and code side by side.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tuition.core.records import Json
from tuition.core.run import Run
from tuition.recipes.common import open_bench
from tuition.recipes.config import Experiment
from tuition.recipes.distil import learn_and_examine, route_annotations
from tuition.recipes.gather import gather

__all__ = ["TinyLLM", "tinyllm"]


class TinyLLM(Experiment):
    """Configuration of `tinyllm`; the weight α of a teacher stands in the teacher's own table."""

    gamma: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the answer's loss; the paper fixes 1."""
    route: Literal["all", "random"] = "all"
    """Which rationales an example learns from: every teacher's, summed; or one, drawn by the seed."""
    rationale_as: Literal["task", "chain"] = "task"
    """A second task beside the answer, as in the paper; or a chain the student writes before its answer."""

    @model_validator(mode="after")
    def _some_teacher(self) -> Self:
        if not self.teacher:
            raise ValueError("tinyllm learns from one [[teacher]] or several, none is given")
        return self


def tinyllm(config: TinyLLM, run: Run) -> dict[str, Json]:
    """Distil the rationales of all teachers into one student.

    Every teacher m is shown question, options, gold answer and k examples (teacher-forcing chain of
    thought), and writes a rationale. The student minimises γ·L_A + Σ_m α_m·L_m, one instruction a source,
    and answers from the answer's instruction alone.

    Source: TinyLLM, section 3; equations as in papers' v1 text.

    Differs: rationales that fail a health check can be left out; the test split is read once, at the end.

    Args:
        config: Teachers, weights and switches.
        run: The run's folder.

    Returns:
        The metrics, as written.
    """
    with open_bench(config, run) as bench:
        gathered = gather(bench)
        rationales = route_annotations(gathered.annotations, route=config.route, seed=config.seed)
        return learn_and_examine(
            bench,
            gathered,
            rationales,
            gamma=config.gamma,
            alphas={teacher.name: teacher.weight for teacher in config.teacher},
            rationale_as=config.rationale_as,
            one_objective=config.route != "all",
        )
