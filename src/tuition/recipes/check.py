"""What would end a run after money was spent, looked for before.

Knows the configuration, the examples' findings and the student; asks no teacher.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tuition.core.errors import ConfigError, DataError, TeacherError, TrainingError, some_of
from tuition.core.protocols import Learner
from tuition.core.records import Example, Json
from tuition.core.splits import Splits
from tuition.playground import BASE_FOLDER
from tuition.recipes.config import Experiment
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.teachers.config import TeacherConfig

__all__ = ["check_examination", "check_student", "check_terms", "make_student"]


def check_examination(config: Experiment, splits: Splits, findings: Iterable[Mapping[str, Json]]) -> None:
    """Refuse an examination that could not be held.

    Args:
        config: Says how answers are read.
        splits: The test stays sealed.
        findings: From the data check.

    Raises:
        DataError: Validation or test has examples without a label, or without options to score.
        ConfigError: The student is taught one form of answer and examined in another.
    """
    for finding in findings:
        if finding["kind"] == "unreadable_label":
            raise DataError(
                f"{finding['sentence']}. Such a label could never be answered rightly: mend it, or set "
                "task.kind to what the labels are."
            )
        if finding["kind"] == "no_answer" and finding["split"] in ("valid", "test"):
            raise DataError(
                f"{finding['sentence']}. Nothing there can be graded: label them, name a labelled file, or "
                "set task.valid_share = 0 so that no validation is drawn from an unlabelled training split."
            )
    if config.evaluation.scoring == "options" and getattr(config, "rationale_as", "task") == "chain":
        raise ConfigError(
            "evaluation.scoring = 'options' scores an option right behind the question, and a chain puts a "
            "rationale between them; set scoring = 'generate', or rationale_as = 'task'."
        )
    if config.evaluation.scoring == "options":
        bare = _without_options(splits.valid)
        bare += splits.test.check(_without_options) if splits.test is not None else []
        if bare:
            raise DataError(
                f"evaluation.scoring is 'options', but {len(bare)} questions have fewer than two choices: "
                f"{some_of(bare)}. Set it to 'generate'."
            )


def _without_options(examples: Sequence[Example]) -> list[str]:
    return [example.id for example in examples if len(example.choices) < 2]


def check_terms(teachers: Sequence[TeacherConfig]) -> None:
    """Refuse teachers whose texts must not be trained on.

    Args:
        teachers: Those whose rationales a student is to learn.

    Raises:
        TeacherError: One of them forbids it.
    """
    for table in teachers:
        if not table.train_on_outputs:
            raise TeacherError(
                f"teacher {table.name!r} has train_on_outputs = false: its terms forbid training on them. "
                "Nothing was asked; take it out of the configuration."
            )


def check_student(config: Experiment, texts: Sequence[str]) -> None:
    """Refuse a student that could not learn rationales; it is loaded whole and let go again.

    Args:
        config: Names the student.
        texts: Of the training questions, for a fresh student's tokenizer.

    Raises:
        ConfigError: It cannot be loaded, or writes no text.
    """
    student = make_student(config.student, config.training, texts=texts)
    if not student.abilities.generates:
        raise ConfigError(
            f"[student] {config.student.model!r} scores options and writes no text, so it cannot learn "
            "rationales; nothing was asked. Take an encoder-decoder or decoder-only model, or recipe = "
            "'label_only'."
        )


def make_student(
    config: StudentConfig, training: TrainingConfig, *, texts: Sequence[str] | None = None
) -> Learner:
    """Load a student; one that cannot be loaded is a fault of the configuration.

    Args:
        config: Names it.
        training: How it will learn.
        texts: For a fresh student's tokenizer.

    Returns:
        The student.

    Raises:
        ConfigError: It cannot be loaded.
    """
    # torch is loaded when a student is, and not before.
    from tuition.student.load import load_student

    try:
        return load_student(config, training, base_folder=BASE_FOLDER, texts=texts)
    except TrainingError as error:
        raise ConfigError(f"[student] {error}") from None
