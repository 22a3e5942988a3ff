"""Train the student of a round on everything that was annotated so far."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from random import Random

from tuition.annotation import without_closing
from tuition.core.errors import BudgetSpent, DataError
from tuition.core.protocols import Learner
from tuition.core.records import Annotation, Target
from tuition.experiment.bench import train_student, untrained_student
from tuition.experiment.rounds.ask import Taught
from tuition.experiment.rounds.exam import lesson_of, tailored
from tuition.experiment.rounds.rank import Ranked
from tuition.experiment.rounds.state import ActiveRun
from tuition.experiment.targets import answer_targets_of, chain_targets

__all__ = ["rehearsed", "student_of", "train_round"]

_STUDENT = ""
"""Who wrote what is rehearsed: no teacher, and every teacher has a name."""


def train_round(state: ActiveRun, taught: Taught, *, ranked: Ranked) -> Learner:
    """Train the student of the round that is due.

    Source: after ELAD (arXiv 2402.13098), step 4; the loss is ours: cross-entropy on q → r* ⊕ a* over
    everything annotated so far.

    Differs: a round may go on from the last one's student, with a share of the earlier annotations; what it
    is sure of may be rehearsed in its own words.
    """
    rounds = state.config.rounds
    goes_on = rounds.begin == "last" and state.number > 0
    earlier = state.annotations
    if goes_on:
        random = Random(f"{state.bench.config.seed + state.number}/replay")
        chosen = set(random.sample(range(len(earlier)), round(rounds.replay * len(earlier))))
        earlier = [item for i, item in enumerate(earlier) if i in chosen]
    trained = [*earlier, *taught.kept]
    targets = _targets(state, trained)
    if not targets and taught.is_spent:
        raise BudgetSpent("the budget was spent before a single annotation; raise [budget].")
    if not targets:
        failed = ", ".join(f"{n} {kind}" for kind, n in taught.failures.items())
        raise DataError(
            f"round {state.number} asked about {taught.asked} examples, and nothing is left to learn from "
            f"({len(taught.dropped)} replies were dropped{failed and f'; {failed}'}). "
            f"{state.place_of(state.number)}/annotations.jsonl in the run folder has what came, with the "
            "faults it was dropped for."
        )
    targets += _targets(state, rehearsed(ranked, taught, n=round(rounds.rehearse * len(trained))))
    start = state.bench.run.path / state.place_of(state.number - 1) / "student" if goes_on else None
    name = f"{state.place_of(state.number)}/student"
    lesson = lesson_of(state)
    return train_student(state.bench, tailored(state, targets), name=name, start=start, lesson=lesson)


def rehearsed(ranked: Ranked, taught: Taught, *, n: int) -> list[Annotation]:
    """Pick what the student repeats in its own words: the explanations it was surest of.

    Surest is the lowest mean entropy over the tokens of a greedy explanation that ends in an answer.

    Source: ours; self-training on confident examples is old, and here it keeps what is known.
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


def student_of(state: ActiveRun) -> Learner:
    """Load the student that answers the pool: the last round's, or the one the run was started with."""
    if not state.rounds:
        return untrained_student(state.bench)
    return train_student(state.bench, (), name=f"{state.place_of(state.number - 1)}/student")


def _targets(state: ActiveRun, annotations: Sequence[Annotation]) -> list[Target]:
    form = state.bench.config.student.answer_form
    weights = {table.name: table.weight for table in state.bench.config.teacher} | {_STUDENT: 1.0}
    if state.config.rationale_as == "chain":
        return chain_targets(state.pool, annotations, weights=weights, form=form)
    return answer_targets_of(state.pool, annotations, form=form)
