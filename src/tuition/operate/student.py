"""A saved student in use: loaded from its folder alone, it answers in the form that it was taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuition.core.config import parse
from tuition.core.errors import DataError, TrainingError
from tuition.core.plugins import admit, is_place
from tuition.core.protocols import FixedForm, Learner, Task
from tuition.core.records import Example, Prediction
from tuition.experiment.answer import Way, ask_student
from tuition.experiment.checks import make_student
from tuition.experiment.config import task_of
from tuition.experiment.targets import option_texts
from tuition.operate.execute import reread
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.look import ADDITIONS
from tuition.tasks import make_task

__all__ = ["Student", "reading_of", "saved_config", "student_folder"]

_SETTINGS = ("instruction", "answer_form", "option_score", "max_input_tokens", "max_output_tokens")


def student_folder(folder: str | Path) -> Path:
    """Find the student in a run folder, or take its own folder."""
    place = Path(folder)
    for found in (place, place / "student"):
        if (found / "config.json").exists() or (found / ADDITIONS).exists():
            return found
    if (place / "done").exists():
        raise DataError(
            f"the run in {str(folder)!r} trained no student, so none is saved there; its config.toml names "
            "the model it examined. Name a run that trains."
        )
    raise DataError(f"{str(folder)!r} holds no saved student; name a run folder, or the `student` in it.")


def saved_config(place: Path, form: Mapping[str, Any], **settings: Any) -> StudentConfig:
    """Configure a saved student as its form says, and as settings do."""
    told = {name: form[name] for name in _SETTINGS if name in form}
    return parse(StudentConfig, {**told, **settings, "model": str(place)}, where=str(place))


def reading_of(place: Path, form: Mapping[str, Any]) -> tuple[Task, Way]:
    """Say who reads the answers of a saved student, and how it is asked."""
    way = Way(
        prefix=form["prefix"],
        answer_form=saved_config(place, form).answer_form,
        scoring=form["scoring"],
        max_tokens=form["max_tokens"],
    )
    return make_task(form["kind"], form), way


class Student:
    """A student that a run has trained and saved; it answers in the form it was taught."""

    question_column = "question"
    """The column of questions in the files that it learnt from."""

    def __init__(self, learner: Learner, task: Task, way: Way) -> None:
        """Take a student; `load` does it from a folder."""
        self.learner = learner
        self.task = task
        self.way = way

    @classmethod
    def load(cls, folder: str | Path, *, trust: bool = False, **settings: Any) -> Student:
        """Load a saved student.

        Args:
            folder: Its own folder, wherever that lies, or the run folder it is in.
            trust: Whether a kind of task that is no installed package may run.
            settings: Of `[student]`, such as `device`, `threads` or `batch_questions`.

        Returns:
            The student.

        Raises:
            DataError: There is no saved student.
            ConfigError: It cannot be loaded, or its task is no installed code and not trusted.
        """
        from tuition.student.template import read_form

        place = student_folder(folder)
        try:
            form = read_form(place)
        except TrainingError as error:
            raise DataError(str(error)) from None
        if form is None:
            return cls._of_run(place, trust=trust, settings=settings)
        admit({"kind": form["kind"]} if is_place(form["kind"]) else {}, where=str(place), trust=trust)
        config = saved_config(place, form, **settings)
        student = cls(make_student(config, TrainingConfig()), *reading_of(place, form))
        student.question_column = form.get("question_column", cls.question_column)
        return student

    @classmethod
    def _of_run(cls, place: Path, *, trust: bool, settings: Mapping[str, Any]) -> Student:
        """Load a student of version 0.1.0, whose run folder says how it is asked."""
        if not (place.parent / "config.toml").exists():
            raise DataError(
                f"{str(place)!r} has no tuition.json, and does not lie in its run folder, whose config.toml "
                "says in which form it was taught to answer. Load it where the run left it."
            )
        config = reread(place.parent, trust=trust)
        saved = config.student.model_copy(update={"update": "full", **settings, "model": str(place)})
        way = Way.of(config)
        return cls(make_student(saved, config.training), task_of(config), way)

    def written(self, example: Example, prediction: Prediction) -> str:
        """Give what it wrote; where it scored options, the best one as it learnt to write it."""
        if not prediction.option_scores or prediction.answer is None:
            return prediction.text
        choices = self.prepared([example])[0].choices
        return option_texts(choices, form=self.way.answer_form)[choices.index(prediction.answer)]

    @property
    def wants_choices(self) -> bool:
        """Whether it scores options, and so answers only where there are two or more."""
        return self.way.scoring == "options" or not self.learner.abilities.generates

    def answer(self, question: str, choices: Sequence[str] = (), *, context: str = "") -> Prediction:
        """Answer one question."""
        return self.answer_all(
            [Example(id="asked", question=question, choices=tuple(choices), context=context)]
        )[0]

    def answer_all(self, examples: Sequence[Example]) -> list[Prediction]:
        """Answer examples, many at once, in order; their labels are not looked at."""
        examples = self.prepared(examples)
        for example in examples:
            if self.wants_choices and len(example.choices) < 2:
                raise DataError(
                    f"this student scores options and writes no answer; {len(example.choices)} choices were "
                    f"given with {example.id!r}, give two or more."
                )
        return ask_student(self.learner, self.task, self.way)(examples)

    def prepared(self, examples: Sequence[Example]) -> Sequence[Example]:
        """Give the examples the labels that the student knows, where these are the same for all."""
        if not isinstance(self.task, FixedForm):
            return examples
        return [self.task.prepared(example) for example in examples]
