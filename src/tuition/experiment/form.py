"""What a saved student says of itself: how it is asked, what it answers, and one question with its input."""

from __future__ import annotations

from collections.abc import Sequence

from tuition.core.protocols import Task
from tuition.core.records import Example, Json
from tuition.experiment.checks import answer_way
from tuition.experiment.config import Experiment
from tuition.experiment.recipe import RECIPES
from tuition.experiment.targets import ANSWER_PREFIX, RATIONALE_PREFIX, answer_text, question_text

__all__ = ["answer_prefix", "asked_text", "form_of", "reader_of"]


def answer_prefix(config: Experiment) -> str:
    """Give the instruction by which a student of this configuration is asked for its answer."""
    own = RECIPES[config.recipe].instruction(config)
    return own or (ANSWER_PREFIX if answer_way(config) == "answer" else RATIONALE_PREFIX)


def asked_text(example: Example) -> str:
    """Write what is sent to a saved student: context, question and choices, without the instruction."""
    text = question_text(example)
    return f"{example.context}\n{text}" if example.context else text


def reader_of(task: Task) -> str:
    """Name who reads and grades answers: the same name, the same readings."""
    return f"{getattr(task, 'name', '')} {task.version}".strip()


def form_of(config: Experiment, task: Task, train: Sequence[Example]) -> dict[str, Json]:
    """Say what `tuition.json` in a student's folder says beside what the student knows itself."""
    shown = min(train, key=lambda example: (len(asked_text(example)), example.id), default=None)
    choices = {example.choices for example in train}
    # Of the files that it learnt from; other sources have none.
    column = str(getattr(config.task, "question_column", "question"))
    return {
        "recipe": config.recipe,
        "prefix": answer_prefix(config),
        "scoring": config.evaluation.scoring,
        "max_tokens": config.evaluation.max_tokens or config.student.max_output_tokens,
        "kind": getattr(config.task, "kind", None) or getattr(task, "name", ""),
        "reader": reader_of(task),
        "choices": list(choices.pop()) if len(choices) == 1 else [],
        **({"question_column": column} if column != "question" else {}),
        **({key: getattr(config.task, key)} if (key := getattr(task, "made_of", "")) else {}),
        "example": None if shown is None else _shown(config, shown),
    }


def _shown(config: Experiment, example: Example) -> dict[str, Json]:
    """A question, what is sent for it, and what the student is to write; None where nobody says that."""
    form, answer, writes = config.student.answer_form, example.answer, None
    if answer is not None and (form == "text" or answer in example.choices):
        writes = answer_text(example, answer, form=form)
        writes = writes if answer_way(config) == "answer" else f"…\nThe answer is {writes}."
    return {
        "question": example.question,
        "choices": list(example.choices),
        "context": example.context,
        "sent": asked_text(example),
        "writes": writes,
    } | ({"messages": [turn.to_json() for turn in example.messages]} if example.messages else {})
