"""The half that the rationale recipes share: from annotations to objectives, to a student, to its figures."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Literal

from tuition.core.errors import DataError
from tuition.core.records import Annotation, Json, Target
from tuition.recipes.common import Bench, finish, train_student
from tuition.recipes.examine import examine, student_answers
from tuition.recipes.gather import Gathered
from tuition.recipes.targets import (
    ANSWER_PREFIX,
    RATIONALE_PREFIX,
    answer_targets,
    chain_targets,
    rationale_targets,
)

__all__ = ["learn_and_examine", "route_annotations"]


def route_annotations(
    annotations: Sequence[Annotation], *, route: Literal["all", "random"], seed: int
) -> list[Annotation]:
    """Pick the rationales each example learns from.

    Args:
        annotations: Kept ones, of every teacher.
        route: `all` keeps every one; `random` keeps one an example.
        seed: Equal seeds pick equal rationales, whatever the order they come in.

    Returns:
        A part of the annotations, in their order.
    """
    if route == "all":
        return list(annotations)
    by_example: dict[str, list[Annotation]] = {}
    for annotation in annotations:
        by_example.setdefault(annotation.example_id, []).append(annotation)
    picked = {
        example_id: random.Random(f"{seed}/{example_id}").choice(
            sorted(found, key=lambda annotation: (annotation.teacher, annotation.sample))
        )
        for example_id, found in by_example.items()
    }
    return [annotation for annotation in annotations if picked[annotation.example_id] is annotation]


def learn_and_examine(
    bench: Bench,
    gathered: Gathered,
    rationales: Sequence[Annotation],
    *,
    gamma: float,
    alphas: Mapping[str, float],
    rationale_as: Literal["task", "chain"],
    one_objective: bool = False,
) -> dict[str, Json]:
    """Make the objectives, train the student, examine it, write the result.

    Args:
        bench: Of the run.
        gathered: What the teachers gave.
        rationales: Those the student learns from.
        gamma: Weight of the answer's loss; a chain holds the answer, so it has no such loss.
        alphas: Weight by teacher.
        rationale_as: `task`: answer and rationale are two outputs of two instructions, and the answer is
            given without a rationale. `chain`: the student writes the rationale, then the answer.
        one_objective: Whether all rationales are averaged together, whoever wrote them.

    Returns:
        The metrics, as written.

    Raises:
        DataError: Not one rationale is left to learn from, or none can be closed with an answer.
    """
    targets = _targets(
        bench, rationales, gamma=gamma, alphas=alphas, rationale_as=rationale_as, one_objective=one_objective
    )
    objectives = {target.objective: 0 for target in targets}
    for target in targets:
        objectives[target.objective] += 1
    bench.run.event("targets", **objectives)
    student = train_student(bench, targets)
    prefix = ANSWER_PREFIX if rationale_as == "task" else RATIONALE_PREFIX
    figures = examine(bench, student_answers(bench, student, prefix=prefix))
    return finish(
        bench,
        figures,
        student=student,
        stopped_by="budget" if gathered.is_spent else "done",
        health=gathered.health,
        failures=gathered.failures,
        is_simulated=gathered.is_simulated,
        objectives=objectives,
        rationale_as=rationale_as,
        teachers=[teacher.name for teacher in bench.config.teacher],
    )


def _targets(
    bench: Bench,
    rationales: Sequence[Annotation],
    *,
    gamma: float,
    alphas: Mapping[str, float],
    rationale_as: Literal["task", "chain"],
    one_objective: bool,
) -> list[Target]:
    if not rationales:
        raise DataError(
            "no rationale is left to learn from: every reply failed a health check, or none came. "
            "health.json in the run folder has the counts; annotation.filters says which faults are dropped."
        )
    examples = {example.id: example for example in bench.train}
    if rationale_as == "chain":
        chains = chain_targets(examples, rationales, weights=alphas)
        if not chains:
            raise DataError(
                f"none of {len(rationales)} rationales can become a chain: their examples have no label, and "
                "no answer can be read from them. Label some examples, or set rationale_as = 'task'."
            )
        return chains
    prefixes = {teacher.name: teacher.prefix or RATIONALE_PREFIX for teacher in bench.config.teacher}
    return answer_targets(bench.train, weight=gamma) + rationale_targets(
        examples, rationales, prefixes=prefixes, weights=alphas, one_objective=one_objective
    )
