"""A teacher on the student's own examination: the same items, read and graded by the same rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from tuition.annotation import solve
from tuition.core.errors import BudgetSpent, ConfigError, TeacherError
from tuition.core.records import Example, Json, Prediction
from tuition.core.run import Run
from tuition.core.splits import Splits
from tuition.experiment.bench import finish, open_bench
from tuition.experiment.config import Experiment
from tuition.experiment.evaluate import evaluate
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.teach.asking import asker_of
from tuition.experiment.teach.receipts import Receipts

__all__ = ["RECIPE", "AskTeacher", "ask_teacher"]


class AskTeacher(Experiment):
    """Configuration of `ask_teacher`; it wants exactly one teacher."""

    receipt: bool = False
    """Whether the teacher is told a student's answer to each question, and how sure the student is."""
    student_run: str = ""
    """Folder of the finished run whose student that is, on the same data; for `receipt = true` alone."""

    @model_validator(mode="after")
    def _one_teacher(self) -> Self:
        if len(self.teacher) != 1:
            raise ValueError(f"ask_teacher examines one teacher, {len(self.teacher)} are given")
        if self.receipt != bool(self.student_run):
            raise ValueError(
                f"receipt is {self.receipt} and student_run {self.student_run!r}; name the folder of the "
                "student's finished run with receipt = true, or leave both out"
            )
        return self


def ask_teacher(config: AskTeacher, run: Run) -> dict[str, Json]:
    """Examine a teacher as a student is examined, without showing it an answer.

    Source: SuperContext (arXiv 2312.15918) for `receipt`, which tells it a student's answer and confidence.
    Differs: the confidence is calibrated on validation, whose own figures therefore flatter it a little.
    """
    told = Receipts(config.student_run) if config.receipt else None
    overrides: dict[str, Json] = {}
    table = config.teacher[0]
    failures: Counter[str] = Counter()
    with open_bench(config, run) as bench:
        asker = asker_of(config, table, account=bench.account, train=bench.splits.train)

        def answer(examples: Sequence[Example]) -> list[Prediction] | None:
            solved = solve(examples, asker, receipts=None if told is None else told.lines(examples))
            failures.update(failure.kind for failure in solved.failures)
            if told is not None:
                answers = [prediction.answer for prediction in solved.predictions]
                overrides[examples[0].split] = [*told.overrides(examples, answers, task=bench.task)]
            # A split without one answer says nothing of the teacher, and no failure is a wrong answer.
            return list(solved.predictions) if len(solved.failures) < len(examples) else None

        figures = evaluate(bench, answer)
        if not any(figures.values()) and failures["unpaid"] == failures.total():
            raise BudgetSpent("the budget was spent before a single answer; raise [budget].")
        if not any(figures.values()):
            raise TeacherError(
                f"teacher {table.name!r} answered none of {failures.total()} questions ({dict(failures)}); "
                "mend its table or its endpoint, then start again: nothing is asked twice."
            )
        return finish(
            bench,
            figures,
            student=None,
            stopped_by="budget" if failures["unpaid"] else "done",
            teachers=[asker.name],
            failures=dict(failures),
            is_simulated=asker.teacher.abilities.is_simulated,
            saw_answers=table.saw_answers and not asker.teacher.abilities.reads_prompt,
            **({} if told is None else {"overrides": overrides}),
        )


def _check(config: AskTeacher, splits: Splits) -> None:
    if not config.receipt:
        return
    Receipts(config.student_run).lines(splits.valid[: config.evaluation.limit])
    if not asker_of(config, config.teacher[0]).teacher.abilities.reads_prompt:
        raise ConfigError(
            f"teacher {config.teacher[0].name!r} answers from a recording, which no receipt can change; "
            "name one that reads its prompt, or leave receipt out."
        )


RECIPE = Recipe(
    config_type=AskTeacher,
    run=ask_teacher,
    has_student=False,
    check=_check,
    baseline="teachers",
    beside=lambda config: [
        Variant(name=f"teacher-{table.name}", changed={"teacher": (table,)}) for table in config.teacher
    ],
    order=90,
)
