"""Mentor-KD: the teachers' right chains train a mentor, whose own right chains and soft labels join them.

Source: Mentor-KD (arXiv 2410.09037). docs/recipes/mentor_kd.md holds its code and ours side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from tuition.annotation import AnnotationConfig
from tuition.core.config import Section
from tuition.core.protocols import Align, Imitate, Learner, Lesson
from tuition.core.records import Annotation, Json
from tuition.core.run import Run
from tuition.experiment.bench import Bench, open_bench, train_student
from tuition.experiment.config import Experiment
from tuition.experiment.learn.distil import chain_objective, evaluate_trained, learn
from tuition.experiment.learn.second_model import chain_figures, cost_of, own_chains, with_model
from tuition.experiment.recipe import Recipe, SecondModel, Variant
from tuition.experiment.teach.gather import gather

__all__ = ["RECIPE", "Mentor", "MentorKD", "MentorLesson", "Solving", "lessons_apart", "mentor_kd"]

_MENTOR = "mentor"
"""Name of its table, its folder and its chains."""


class Mentor(SecondModel):
    """The mentor: a model between teacher and student in size, and how it explains."""

    samples: Annotated[int, Field(ge=0)] = 3
    """Chains it writes about each labelled question, n in the published code; 0: none, and no mentor unless
    it is imitated."""
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.7
    """Of those chains; 0: greedy, and then there is one."""

    @model_validator(mode="after")
    def _no_copies(self) -> Self:
        if self.temperature == 0 and self.samples > 1:
            raise ValueError(
                f"mentor.temperature = 0 writes {self.samples} equal chains; set mentor.samples = 1, or a "
                "temperature above 0, such as 0.7"
            )
        return self


class Solving(AnnotationConfig):
    """How teachers are asked: they solve by themselves unless told else."""

    forced: bool = False
    """Whether the teacher is shown the gold answer; false, as published: a wrong answer drops the chain."""


class MentorLesson(Section):
    """What the student learns of the mentor beside its chains."""

    imitate: Imitate | None = None
    """How it follows the mentor's probabilities at each token of a chain; left out: not at all."""
    align: Align | None = None
    """How its last states follow the mentor's, beside `imitate`; left out: not at all."""

    @model_validator(mode="after")
    def _has_mentor(self) -> Self:
        if self.align is not None and self.imitate is None:
            raise ValueError("align stands beside [lesson.imitate] alone; its share may be 0")
        return self


class MentorKD(Experiment):
    """Configuration of `mentor_kd`; the weight of a teacher's chains stands in the teacher's own table."""

    annotation: Solving = Solving()
    """How teachers are asked, and which answers are kept."""
    mentor: Mentor = Mentor()
    """The second model, with a `student` and a `training` table of its own."""
    lesson: MentorLesson = MentorLesson()
    """The mentor's soft labels: a table `[lesson.imitate]`, which may be empty, has them learnt."""

    @property
    def has_mentor(self) -> bool:
        """Whether there is a mentor: to explain, or to be imitated."""
        return self.mentor.samples > 0 or self.lesson.imitate is not None

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        if not self.writers:
            raise ValueError("mentor_kd learns from one [[teacher]] or several, none is given")
        if _MENTOR in (table.name for table in self.teacher):
            raise ValueError(
                f"a teacher is named {_MENTOR!r}, as the mentor's chains are; give it another name"
            )
        return self


def mentor_kd(config: MentorKD, run: Run) -> dict[str, Json]:
    """Distil the teachers' chains of thought into a mentor, and both's into the student.

    Source: Mentor-KD (arXiv 2410.09037) by its published code, 2hojae/mentor-kd at ec9ea11: n = 3 chains a
    question, temperature 0.7, those kept whose answer is the label, the label behind each of them.

    Then (1−λ)·cross-entropy + λ·KL(mentor ‖ student) at temperature τ on the tokens of those chains, λ = 0.3
    and τ = 2, where `[lesson.imitate]` stands; without it, cross-entropy alone.

    Differs: the divergence is a mean over the tokens of the outputs; there, padding is in the mean, too, and
    the question of decoder-only students. Chains are closed by a sentence and pass the health checks. A
    question without a label is not put to the mentor. No epoch is chosen on the test split, as in that code.
    """
    with open_bench(config, run) as bench:
        # 1. The teachers write chains of thought; those that come to the label are kept.
        gathered = gather(bench)

        # 2. and 3. The mentor learns them, explains the same questions itself, and the right chains are kept.
        mentor, own, figures = None, (), None
        if config.has_mentor:
            mentor, own, figures = _mentored(bench, config, gathered.annotations)

        # 4. The student learns both alike, and at each token what the mentor would have written.
        chains = [*gathered.annotations, *own]
        imitate = config.lesson.imitate
        align = config.lesson.align
        lesson = None if imitate is None else Lesson(imitate=imitate, mentor=mentor, align=align)
        trained = learn(bench, lambda _: chain_objective(bench, chains, own=[_MENTOR]), lesson=lesson)
        soft = {
            name: part.model_dump(mode="json")
            for name, part in (("imitate", imitate), ("align", align))
            if part is not None
        }
        return evaluate_trained(bench, gathered, trained, rationale_as="chain", mentor=figures, **soft)


def _mentored(
    bench: Bench, config: MentorKD, taught: Sequence[Annotation]
) -> tuple[Learner | None, Sequence[Annotation], dict[str, Json]]:
    """Train the mentor and have it explain; one that is not imitated is let go before the student loads."""
    table, beside = config.mentor, with_model(bench, config.mentor)
    mentor = train_student(beside, chain_objective(beside, taught), name=_MENTOR)
    kept = None if config.lesson.imitate is None else mentor
    if not table.samples:
        return kept, (), cost_of(beside, mentor, name=_MENTOR)
    found = own_chains(
        beside,
        mentor,
        bench.train,
        teacher=_MENTOR,
        samples=table.samples,
        temperature=table.temperature,
        max_tokens=table.student.max_output_tokens,
    )
    figures = cost_of(beside, mentor, name=_MENTOR) | chain_figures(bench, found, teacher=_MENTOR)
    return kept, found.annotations, figures


def lessons_apart(config: MentorKD) -> list[Variant]:
    """Learn one thing of the mentor a run: its chains, its probabilities by each divergence, its states.

    Source: LLAVADI (arXiv 2407.19409), whose ablation finds more of data than of logits than of states.

    Differs: no images; its affinity between tokens, which adds little there, is left out.
    """
    how: Imitate = config.lesson.imitate or Imitate()
    silent = config.mentor.model_copy(update={"samples": 0})
    writes = config.mentor.model_copy(update={"samples": config.mentor.samples or 3})
    rows: dict[str, tuple[Mentor, Imitate | None, Align | None]] = {
        "tokens_alone": (silent, None, None),
        "mentor_chains": (writes, None, None),
        **{
            measure: (silent, how.model_copy(update={"measure": measure}), None)
            for measure in ("forward", "reverse", "jsd", "mse")
        },
        "states": (silent, Imitate(share=0.0, tokens=1.0), config.lesson.align or Align()),
    }
    return [
        Variant(
            name=name,
            changed={
                "mentor": mentor,
                "lesson": config.lesson.model_copy(update={"imitate": imitate, "align": align}),
            },
            asks=False,
        )
        for name, (mentor, imitate, align) in rows.items()
    ]


def _notes(config: MentorKD, _has_valid: bool) -> list[str]:
    if not config.has_mentor or config.mentor.student.model != config.student.model:
        return []
    model = config.student.model
    return [f"mentor and student are both {model!r}; the published mentor is larger than the student"]


def _ablations(config: MentorKD) -> list[Variant]:
    """Without the mentor: from the teachers alone. Without its soft labels, and without its chains."""
    none = "" if config.has_mentor else "the run has no mentor"
    no_chains = {"mentor": config.mentor.model_copy(update={"samples": 0})}
    hard = {"lesson": MentorLesson()}
    rows = [Variant(name="without_mentor", changed=no_chains | hard, why_not=none, asks=False)]
    if config.lesson.imitate is not None and config.mentor.samples:
        rows.append(Variant(name="without_soft_labels", changed=hard, asks=False))
        rows.append(Variant(name="without_mentor_chains", changed=no_chains, asks=False))
    return rows


RECIPE = Recipe(
    config_type=MentorKD,
    run=mentor_kd,
    asks=True,
    models=lambda config: {_MENTOR: config.mentor} if config.has_mentor else {},
    imitated=lambda config: "" if config.lesson.imitate is None else _MENTOR,
    rationale_as=lambda _: "chain",
    notes=_notes,
    ablations=_ablations,
    lessons=lessons_apart,
    order=55,
)
