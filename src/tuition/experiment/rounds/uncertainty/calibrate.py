"""Hold every selection score against what the student really gets wrong, on labelled validation examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuition.annotation import without_closing
from tuition.core.errors import DataError
from tuition.core.protocols import Learner, Pool, StepChecker
from tuition.core.records import Evidence, Example, Grade, Json, Prediction
from tuition.core.texts.steps import split_steps
from tuition.evaluation.calibration import calibration_rows
from tuition.experiment.rounds.state import ActiveRun
from tuition.experiment.rounds.uncertainty.rank import explained
from tuition.selection import STRATEGIES, SelectionConfig, needs_of, scores_of
from tuition.tasks.load import source_type

__all__ = ["calibrate"]


def calibrate(state: ActiveRun, student: Learner) -> list[dict[str, Json]]:
    """Ask of every score how well it knows the student's wrong answers, and wrong steps where those show."""
    config = state.config
    valid = [example for example in state.bench.splits.valid if state.bench.reads(example)]
    examples = valid[: config.explanation.calibrate]
    if not examples or not student.abilities.generates:
        return []
    wanted = {
        name: config.selection.model_copy(update={"strategy": name})
        for name in dict.fromkeys((*STRATEGIES, config.selection.strategy))
        if needs_of(SelectionConfig(strategy=name))
    }
    needs: frozenset[str] = frozenset().union(*(needs_of(one) for one in wanted.values()))
    drafts, evidence = explained(
        state, student, examples, needs=needs, seed=config.seed, what="calibrate scores"
    )
    pool = Pool(size=len(examples), evidence=evidence)
    scores = {name: [float(score) for score in scores_of(pool, one)] for name, one in wanted.items()}
    tokens = {name: _tokens(evidence, needs_of(one)) for name, one in wanted.items()}
    kinds = {"answers": _wrong_answers(state, examples, drafts)}
    steps = _wrong_steps(state, examples, drafts)
    if steps is not None:
        kinds["steps"] = steps
    return [
        {"of": of, **row}
        for of, wrong in kinds.items()
        for row in calibration_rows(scores, wrong, student_tokens=tokens, seed=config.seed)
    ]


def _tokens(evidence: Sequence[Evidence], kinds: frozenset[str]) -> float:
    counted: Sequence[Mapping[str, int]] = [item.student_tokens for item in evidence]
    # Whatever else is looked at, the greedy explanation is written first.
    return float(sum(tokens.get(kind, 0) for tokens in counted for kind in kinds | {"greedy"}))


def _wrong_answers(state: ActiveRun, examples: Sequence[Example], drafts: Sequence[Prediction]) -> list[int]:
    grade = state.bench.task.grade
    return [
        int(grade(draft.answer, example) is not Grade.RIGHT)
        for example, draft in zip(examples, drafts, strict=True)
    ]


def _wrong_steps(
    state: ActiveRun, examples: Sequence[Example], drafts: Sequence[Prediction]
) -> list[int] | None:
    """Whether an explanation has a wrong step or misses one; None: nobody here can tell."""
    table = state.config.task
    checker = source_type(getattr(table, "source", "files"))(table)
    if not isinstance(checker, StepChecker):
        return None
    try:
        found = [
            checker.first_wrong_step(example, split_steps(without_closing(draft.text)))
            for example, draft in zip(examples, drafts, strict=True)
        ]
    except DataError as error:
        state.bench.run.event("steps_not_checked", because=str(error))
        return None
    return [int(place is not None) for place in found]
