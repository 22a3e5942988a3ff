"""A teacher on the student's own examination: the same items, read and graded by the same rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from tuition.annotation import caps_of, solve
from tuition.core.errors import BudgetSpent
from tuition.core.records import Example, Json, Prediction
from tuition.core.run import Run
from tuition.core.store import Place
from tuition.recipes.common import examine, finish, open_bench
from tuition.recipes.config import Experiment
from tuition.teachers import make_teacher

__all__ = ["AskTeacher", "ask_teacher"]


class AskTeacher(Experiment):
    """Configuration of `ask_teacher`; it wants exactly one teacher."""

    @model_validator(mode="after")
    def _one_teacher(self) -> Self:
        if len(self.teacher) != 1:
            raise ValueError(f"ask_teacher examines one teacher, {len(self.teacher)} are given")
        return self


def ask_teacher(config: AskTeacher, run: Run) -> dict[str, Json]:
    """Examine a teacher as a student is examined, without showing it an answer.

    Args:
        config: One teacher.
        run: The run's folder.

    Returns:
        The metrics, as written. `saw_answers` is True for recorded replies that were written with the gold
        answer in the prompt: such a figure says nothing about the teacher.

    Raises:
        BudgetSpent: The budget allowed not one answer on a split.
    """
    teacher = make_teacher(config.teacher[0])
    refused: list[bool] = []
    with open_bench(config, run) as bench:

        def answer(examples: Sequence[Example]) -> list[Prediction]:
            solved = solve(
                examples,
                teacher,
                train=bench.splits.train,
                task=bench.task,
                store=bench.store,
                place=Place(run=run.id),
                config=config.annotation,
                caps=caps_of(config.budget, run.id),
                budget=config.budget,
                seed=config.seed,
                parameters=config.teacher[0].parameters(),
                progress=run.progress,
            )
            refused.append(solved.spent)
            if solved.spent and len(solved.failures) == len(examples):
                raise BudgetSpent("the budget was spent before a single answer; raise [budget].")
            return list(solved.predictions)

        figures = examine(bench, answer)
        return finish(
            bench,
            figures,
            student=None,
            stopped_by="budget" if any(refused) else "done",
            teachers=[teacher.name],
            is_simulated=teacher.abilities.is_simulated,
            saw_answers=config.annotation.forced and not teacher.abilities.reads_prompt,
        )
