"""What check, run and pilot look at before the first call: the data, the student, what it can read.

Asks no teacher and loads no student.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuition.core.errors import ConfigError, DataError, TrainingError
from tuition.core.records import Example, Json
from tuition.core.splits import SealedTest, Splits
from tuition.experiment.checks import check_abilities, check_evaluation, named
from tuition.experiment.config import Experiment, task_of
from tuition.experiment.learn.targets import ANSWER_PREFIX, RATIONALE_PREFIX, question_text
from tuition.experiment.recipe import RECIPES
from tuition.playground import BASE_FOLDER
from tuition.tasks.check import Finding, check_labels, check_splits, finding
from tuition.tasks.load import source_type

if TYPE_CHECKING:
    from tuition.student.look import LookedAt

__all__ = ["Ready", "load_splits", "make_ready"]


_TOO_LONG = (
    "longer than the {0} tokens that the student reads beside its output (student.max_input_tokens = {0} or "
    "less cuts them instead)"
)
_CUT = "are longer than {} tokens with the instruction, and lose their end, the context's first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A configuration that nothing known beforehand stands against."""

    splits: Splits
    """Without the training questions that the student cannot read."""
    findings: list[dict[str, Json]]
    """From the data check, and what is too long."""
    unread: frozenset[tuple[str, str]]
    """Split and id of the questions that the student cannot read; those of validation and test stay, and
    count as unreadable."""


def load_splits(config: Experiment) -> tuple[Splits, list[dict[str, Json]]]:
    """Load the examples and look them over before anything else."""
    source = source_type(getattr(config.task, "source", "files"))(config.task)
    splits = source.load()
    task = task_of(config)
    findings = [*getattr(source, "findings", ()), *check_splits(splits), *check_labels(splits, task)]
    return splits, [finding.to_json() for finding in findings]


def make_ready(config: Experiment) -> Ready:
    """Load the data and look at the student, and refuse what could only end a run after money was spent."""
    splits, findings = load_splits(config)
    check_evaluation(config, splits, findings)
    recipe = RECIPES[config.recipe]
    if not recipe.has_student:
        return Ready(splits=splits, findings=findings, unread=frozenset())
    ready = _read_by_student(config, splits, findings, explains=recipe.asks)
    for name, table in recipe.models(config).items():
        # What is too long for a second model is cut, so that its limits take no question from the student.
        with named(name):
            _look(config.model_copy(update={"student": table.student}), splits, explains=True)
    return ready


def _look(config: Experiment, splits: Splits, *, explains: bool) -> LookedAt:
    """Look at the student without loading it, and refuse one that could not learn or be examined."""
    # the student's room is opened only where there is a student
    from tuition.student.look import look_at

    def texts() -> list[str]:
        return [text for item in splits.train for text in (question_text(item), item.answer) if text]

    try:
        student = look_at(config.student, base_folder=BASE_FOLDER, texts=texts)
    except TrainingError as error:
        raise ConfigError(f"[student] {error}") from None
    check_abilities(config, writes=student.family != "options", explains=explains)
    return student


def _read_by_student(
    config: Experiment, splits: Splits, findings: list[dict[str, Json]], *, explains: bool
) -> Ready:
    student = _look(config, splits, explains=explains)
    try:
        unread, found = _too_long(config, splits, student)
    except TrainingError as error:
        raise ConfigError(f"[student] {error}") from None
    aside = set(unread["train"])
    kept = tuple(example for example in splits.train if example.id not in aside)
    return Ready(
        splits=dataclasses.replace(splits, train=kept),
        findings=[*findings, *(one.to_json() for one in found)],
        unread=frozenset((split, id) for split, ids in unread.items() for id in ids),
    )


def _too_long(
    config: Experiment, splits: Splits, student: LookedAt
) -> tuple[dict[str, list[str]], list[Finding]]:
    """Find the questions that the student cannot read, by split; tell them, and the inputs that are cut."""
    prefix = max(ANSWER_PREFIX, RATIONALE_PREFIX, *(table.prefix or "" for table in config.writers), key=len)

    def longer(examples: Sequence[Example], limit: int, *, whole: bool) -> list[str]:
        inputs = [_input(example, prefix, student.family, whole=whole) for example in examples]
        return [examples[i].id for i in student.longer(inputs, limit)]

    def cannot_read(examples: Sequence[Example]) -> list[str]:
        # a question that the user's own limit cuts to what can be read is cut, as published
        is_cut = student.reads is None or config.student.max_input_tokens <= student.reads
        return [] if is_cut else longer(examples, student.cut_at, whole=False)

    def is_cut(examples: Sequence[Example]) -> list[str]:
        return longer(examples, student.cut_at, whole=True)

    unread: dict[str, list[str]] = {}
    found: list[Finding] = []
    for split, examples in (("train", splits.train), ("valid", splits.valid), ("test", splits.test)):
        see = examples.check if isinstance(examples, SealedTest) else _plain(examples or ())
        unread[split] = see(cannot_read)
        if examples is not None and len(examples) and len(unread[split]) == len(examples):
            raise DataError(
                f"{split}: every question is longer than what the student reads, {student.reads} tokens "
                f"beside student.max_output_tokens = {config.student.max_output_tokens}. Lower that, cut the "
                f"questions with student.max_input_tokens = {student.reads}, or take a student that reads "
                "more."
            )
        done = "are set aside" if split == "train" else "count as unreadable"
        found += finding("too_long", split, unread[split], words=f"{done}, {_TOO_LONG.format(student.reads)}")
        gone = set(unread[split])
        cut = [id for id in see(is_cut) if id not in gone]
        found += finding("cut", split, cut, words=_CUT.format(student.cut_at))
    return unread, found


def _plain(examples: Sequence[Example]) -> Callable[[Callable[[Sequence[Example]], list[str]]], list[str]]:
    return lambda look: look(examples)


def _input(example: Example, prefix: str, family: str, *, whole: bool) -> str:
    """Write what the student reads; one that scores options reads the longest of them once more."""
    context = f"{example.context}\n" if whole and example.context else ""
    behind = max(example.choices, key=len, default="") if family == "options" else ""
    return f"{prefix}{context}{question_text(example)}\n{behind}"
