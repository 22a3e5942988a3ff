"""Train the student of a round on everything that was annotated so far."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from random import Random

from tuition.annotation import without_closing
from tuition.core.errors import BudgetSpent, DataError
from tuition.core.protocols import Learner
from tuition.core.records import Annotation, Target
from tuition.recipes.common import train_student, untrained_student
from tuition.recipes.rounds.ask import Taught
from tuition.recipes.rounds.course import Course
from tuition.recipes.rounds.doubt.rank import Ranked
from tuition.recipes.targets import answer_targets_of, chain_targets

__all__ = ["rehearsed", "student_of", "train_round"]

_STUDENT = ""
"""Who wrote what is rehearsed: no teacher, and every teacher has a name."""


def train_round(course: Course, taught: Taught, *, ranked: Ranked) -> Learner:
    """Train the student of the round that is due.

    Source: after ELAD (arXiv 2402.13098), step 4; the loss is ours: cross-entropy on q → r* ⊕ a* over
    everything annotated so far.

    Differs: a round may go on from the last one's student, with a share of the earlier annotations; what it
    is sure of may be rehearsed in its own words.

    Args:
        course: Its round's folder gets `student/`; a student that lies there is loaded.
        taught: What the round's asking came to.
        ranked: What the student wrote when it was looked at; the surest of it may be rehearsed.

    Returns:
        The student.

    Raises:
        BudgetSpent: The budget ended before anything could be learnt.
        DataError: Nothing was annotated that could be learnt.
    """
    rounds = course.config.rounds
    goes_on = rounds.begin == "last" and course.number > 0
    earlier = course.annotations
    if goes_on:
        earlier = _replayed(earlier, rounds.replay, seed=course.bench.config.seed + course.number)
    learnt = [*earlier, *taught.kept]
    targets = _targets(course, learnt)
    if not targets and taught.is_spent:
        raise BudgetSpent("the budget was spent before a single annotation; raise [budget].")
    if not targets:
        raise DataError(
            f"round {course.number} asked about {taught.asked} examples, and nothing is left to learn from "
            f"({_counted(taught)}). {course.place_of(course.number)}/annotations.jsonl in the run folder has "
            "what came, with the faults it was dropped for."
        )
    targets += _targets(course, rehearsed(ranked, taught, n=round(rounds.rehearse * len(learnt))))
    start = course.bench.run.path / course.place_of(course.number - 1) / "student" if goes_on else None
    name = f"{course.place_of(course.number)}/student"
    return train_student(course.bench, targets, name=name, start=start)


def rehearsed(ranked: Ranked, taught: Taught, *, n: int) -> list[Annotation]:
    """Pick what the student repeats in its own words: the explanations it was surest of.

    Surest is the lowest mean entropy over the tokens of a greedy explanation that ends in an answer.

    Source: ours; self-training on confident examples is old, and here it keeps what is known.

    Args:
        ranked: What the student wrote.
        taught: What was asked about in this round, which is left out.
        n: How many, at most; never more than half of what was looked at.

    Returns:
        Its explanations as annotations of kind `rehearsal`, surest first.
    """
    asked = {*taught.gone}
    fit = [
        (statistics.fmean(item.values["entropies"]), ranked.drafts[id_])
        for id_, item in ranked.evidence.items()
        if id_ not in asked and item.values.get("entropies") and ranked.drafts[id_].answer is not None
    ]
    fit.sort(key=lambda pair: (pair[0], pair[1].example_id))
    return [
        Annotation(
            example_id=draft.example_id,
            teacher=_STUDENT,
            kind="rehearsal",
            rationale=without_closing(draft.text),
            answer=draft.answer,
            parent=draft.id,
        )
        for _, draft in fit[: min(n, len(ranked.evidence) // 2)]
    ]


def student_of(course: Course) -> Learner:
    """Load the student that answers the pool: the last round's, or the one the run was started with.

    Args:
        course: Of the run.

    Returns:
        The student.
    """
    if not course.rounds:
        return untrained_student(course.bench)
    return train_student(course.bench, (), name=f"{course.place_of(course.number - 1)}/student")


def _targets(course: Course, annotations: Sequence[Annotation]) -> list[Target]:
    form = course.bench.config.student.answer_form
    weights = {table.name: table.weight for table in course.bench.config.teacher} | {_STUDENT: 1.0}
    if course.config.rationale_as == "chain":
        return chain_targets(course.pool, annotations, weights=weights, form=form)
    return answer_targets_of(course.pool, annotations, form=form)


def _replayed(annotations: Sequence[Annotation], share: float, *, seed: int) -> list[Annotation]:
    chosen = set(Random(f"{seed}/replay").sample(range(len(annotations)), round(share * len(annotations))))
    return [item for i, item in enumerate(annotations) if i in chosen]


def _counted(taught: Taught) -> str:
    failed = ", ".join(f"{n} {kind}" for kind, n in taught.failures.items())
    return f"{len(taught.dropped)} replies were dropped" + (f"; {failed}" if failed else "")
