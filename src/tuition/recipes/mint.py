"""MinT: every way of writing a solution is a view with its own instruction; one student learns all views.

Source: in the style of MinT (arXiv 2307.07951). docs/recipes/related.md has what is known of it, and how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tuition.core.config import Section
from tuition.core.errors import DataError, near_name
from tuition.core.protocols import Lesson
from tuition.core.records import Annotation, Json, Target
from tuition.core.rows import read_rows
from tuition.core.run import Run
from tuition.experiment.bench import Bench, open_bench
from tuition.experiment.config import Experiment, RationaleAs
from tuition.experiment.learn.distil import evaluate_trained, learn
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.targets import answer_targets, chain_targets, question_text, rationale_targets
from tuition.experiment.teach.gather import gather
from tuition.student.config import StudentConfig

__all__ = ["RECIPE", "Asked", "MinT", "View", "mint", "view_targets"]


class View(Section):
    """One way of writing a solution."""

    name: Annotated[str, Field(min_length=1)] = "chain"
    """Of its objective, `view:NAME`."""
    instruction: Annotated[str, Field(min_length=1)] = "Explain step by step, then answer."
    """Stands behind the question; each view has its own."""
    what: Literal["answer", "chain", "rationale", "file"] = "chain"
    """The label alone; rationale and label; the rationale; or a text of a file."""
    teacher: str = ""
    """Whose rationales these are; empty: those of teachers that no other view of the same `what` names."""
    file: str = ""
    """With `what = "file"`: JSON Lines with the examples' `id` and the solutions, such as equations."""
    column: str = "text"
    """Of the solutions in that file."""
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Of its loss."""
    share: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """How often it is drawn, beside the others'; all views have a share or none, and without shares every
    example brings all of its views."""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if (self.what == "file") != bool(self.file):
            raise ValueError(f"view {self.name!r} has what = {self.what!r} and file = {self.file!r}")
        return self


class Asked(StudentConfig):
    """The student, asked behind the question unless told else."""

    instruction: Literal["before", "behind", "decoder"] = "behind"
    """Where the prefix stands; behind the question, as in the paper."""


_VIEWS = (View(), View(name="answer", instruction="Give the answer alone.", what="answer"))


class MinT(Experiment):
    """Configuration of `mint`; the views are tables `[[view]]`."""

    student: Asked = Asked()
    """Who learns."""
    view: tuple[View, ...] = _VIEWS
    """The views, each with an instruction of its own."""
    ask: str = "chain"
    """By which view the student is examined: one that ends in the answer."""

    @property
    def asked(self) -> View:
        """The view of the examination."""
        return next(view for view in self.view if view.name == self.ask)

    @property
    def rationale_as(self) -> RationaleAs:
        """What is examined: a chain that ends in the answer, or the answer alone."""
        return "chain" if self.asked.what == "chain" else "task"

    @model_validator(mode="after")
    def _views_fit(self) -> Self:
        names = [view.name for view in self.view]
        if self.ask not in names:
            raise ValueError(near_name(self.ask, names, kind="view in ask"))
        if self.asked.what not in ("answer", "chain"):
            raise ValueError(f"ask = {self.ask!r}, but what = {self.asked.what!r} ends in no answer")
        for what in ("name", "instruction"):
            if len({getattr(view, what) for view in self.view}) < len(names):
                raise ValueError(f"two views have the same {what}; the student could not tell them apart")
        writers = [table.name for table in self.writers]
        for view in self.view:
            if view.teacher and view.teacher not in writers:
                raise ValueError(near_name(view.teacher, writers, kind=f"teacher in view {view.name!r}"))
        if not writers:
            raise ValueError("mint learns from one [[teacher]] or several, none is given")
        if len({view.share is None for view in self.view}) > 1:
            raise ValueError("some views have a share and some have none; give it to all or to none")
        return self


def mint(config: MinT, run: Run) -> dict[str, Json]:
    """Teach one student every view of the solutions, told apart by what stands behind the question.

    Source: in the style of MinT (arXiv 2307.07951): views are annotation formats, each with a fixed
    instruction behind the question (known by its abstract and summaries); the rest is recollection.

    Differs: views are made of what the teachers wrote, of labels and of files; none is made from another by
    rule. A noisy teacher may have a view of its own. One view is asked for at the end; views do not vote.
    """
    with open_bench(config, run) as bench:
        # 1. Every source of solutions there is.
        gathered = gather(bench)

        # 2. Question and instruction of a view → the solution in that view, for each that has it.
        shares = {_objective(view): view.share for view in config.view if view.share is not None}
        mixed = Lesson(mixture=shares, grouped_by="objective") if shares else None

        # 3. One student learns them all.
        def loss(_: float) -> list[Target]:
            return [
                target for view in config.view for target in view_targets(bench, view, gathered.annotations)
            ]

        trained = learn(bench, loss, lesson=mixed)

        # 4. At the end the instruction of the wanted view stands behind the question.
        return evaluate_trained(bench, gathered, trained, rationale_as=config.rationale_as)


def _objective(view: View) -> str:
    return f"view:{view.name}"


def view_targets(bench: Bench, view: View, rationales: Sequence[Annotation]) -> list[Target]:
    """Make the targets of one view: for each example that has a solution in it."""
    config, examples, form = bench.config, bench.by_id, bench.config.student.answer_form
    views = config.view if isinstance(config, MinT) else ()
    named = {other.teacher for other in views if other.what == view.what and other.teacher}
    own = [
        item
        for item in rationales
        if (item.teacher == view.teacher if view.teacher else item.teacher not in named)
    ]
    weights = {item.teacher: 1.0 for item in own}
    match view.what:
        case "answer":
            targets = answer_targets(bench.train, weight=1.0, form=form)
        case "chain":
            targets = chain_targets(examples, own, weights=weights, form=form)
        case "rationale":
            targets = rationale_targets(
                examples, own, prefixes=dict.fromkeys(weights, view.instruction), weights=weights
            )
        case _:
            texts = {
                str(row.get("id")): str(row.get(view.column) or "") for row in read_rows(Path(view.file))
            }
            have = [example for example in bench.train if texts.get(example.id, "").strip()]
            targets = [
                Target(example=item, prefix="", input=question_text(item), output=texts[item.id])
                for item in have
            ]
    if not targets:
        raise DataError(f"view {view.name!r} has no solution of any example; take it out, or mend its source")
    return [
        replace(target, prefix=view.instruction, weight=view.weight, objective=_objective(view))
        for target in targets
    ]


def _ablations(config: MinT) -> list[Variant]:
    """The view of the examination alone."""
    others = [view for view in config.view if view.name != config.ask]
    none = "" if others else "the run has one view"
    return [Variant(name="one_view", changed={"view": (config.asked,)}, why_not=none, asks=False)]


RECIPE = Recipe(
    config_type=MinT,
    run=mint,
    asks=True,
    instruction=lambda config: config.asked.instruction,
    rationale_as=lambda config: config.rationale_as,
    ablations=_ablations,
    order=56,
)
