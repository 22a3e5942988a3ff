"""The student answers the pool, its reasoning is scored, the pool is ranked; scores are calibrated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuition.annotation import without_closing
from tuition.core.errors import DataError
from tuition.core.protocols import Learner, Pool, StepChecker
from tuition.core.records import Evidence, Example, Grade, Json, Prediction
from tuition.core.rows import read_rows
from tuition.core.texts.steps import split_steps
from tuition.evaluation.calibration import calibration_rows
from tuition.evaluation.gate import judge, known_score
from tuition.experiment.bench import DryRun
from tuition.experiment.config import source_of
from tuition.experiment.form import answer_prefix
from tuition.experiment.rounds.ask import Asking
from tuition.experiment.rounds.evidence import evidence_of
from tuition.experiment.rounds.exam import examined, mistakes
from tuition.experiment.rounds.state import ActiveRun
from tuition.experiment.targets import questions
from tuition.selection import STRATEGIES, SelectionConfig, candidates_of, needs_of, rank, scores_of

__all__ = ["Ranked", "calibrate", "drafter", "explained", "rank_pool"]

_DRAFTS = "drafts.jsonl"
_ROOM = 1.5
"""How many times as many examples are ranked as a sum of money is expected to buy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Which examples the student's own reasoning puts first."""

    order: tuple[Example, ...]
    """Best first."""
    drafts: Mapping[str, Prediction]
    """The student's explanations, by example id, as far as it was looked at."""
    evidence: Mapping[str, Evidence]
    """What those show, by example id."""
    highest: float | None
    """The highest score in what was left of the pool; None: nothing was scored."""
    student_tokens: int
    """What looking cost, in tokens the student wrote."""


def rank_pool(state: ActiveRun, student: Learner, asking: Asking) -> Ranked:
    """Have the student explain the examples that are left, and put them into the order of asking.

    Source: after ELAD (arXiv 2402.13098), steps 1 and 2 of its loop; in the cold start the order is random.
    """
    before = _read_back(state)
    if before is not None:
        return before
    selection = SelectionConfig() if state.is_cold else state.config.selection
    seed, left = state.seed, state.left
    examples = [left[i] for i in candidates_of(Pool(size=len(left)), selection, seed=seed)]
    examples = examined(state, student, examples)
    rehearses = state.config.rounds.rehearse > 0 and not state.is_cold
    also: frozenset[str] = frozenset({"greedy"}) if rehearses else frozenset()
    also |= {"confidence"} if selection.leave_known else frozenset()
    needs = needs_of(selection) | also
    drafts, evidence = explained(state, student, examples, needs=needs, seed=seed)
    if selection.leave_known and not isinstance(state.bench.run, DryRun):
        kept = _unknown(state, student, evidence)
        examples = [examples[i] for i in kept]
        drafts, evidence = [drafts[i] for i in kept], [evidence[i] for i in kept]
    wants_vectors = selection.diversity != "none"
    asked = questions(examples, answer_prefix(state.config))
    pool = Pool(
        size=len(examples),
        domains=[example.domain for example in examples],
        evidence=evidence,
        costs=[asking.cost_of(example) for example in examples] if selection.per_dollar else (),
        vectors=student.embed(asked) if wants_vectors else (),
    )
    is_scored = bool(needs_of(selection) and examples)
    scores = [float(score) for score in scores_of(pool, selection)] if is_scored else []
    order = rank(pool, selection, n=_wanted(state, asking, examples), seed=seed)
    found = Ranked(
        order=tuple(examples[i] for i in order),
        drafts={draft.example_id: draft for draft in drafts},
        evidence={item.example_id: item for item in evidence},
        highest=max(scores) if scores else None,
        student_tokens=sum(sum(item.student_tokens.values()) for item in evidence),
    )
    # One row at a time: of a large pool they would take as much memory again.
    rows: Iterator[dict[str, Json]] = (
        {
            "score": scores[i] if scores else None,
            "prediction": draft.to_json(),
            "evidence": found.evidence[draft.example_id].to_json(),
        }
        for i, draft in enumerate(drafts)
    )
    state.write_rows("looked.jsonl", rows)
    ids = [example.id for example in found.order]
    facts = {"order": ids, "highest": found.highest, "student_tokens": found.student_tokens}
    state.write_json("chosen.json", facts)
    return found


def _unknown(state: ActiveRun, student: Learner, evidence: Sequence[Evidence]) -> list[int]:
    """Say which drafts are not judged to be known.

    Source: SlimPLM (arXiv 2402.12052), its judge of drafts, before a teacher is asked in place of a search.
    """
    valid = [example for example in state.bench.splits.valid if state.bench.reads(example)]
    valid = valid[: state.config.explanation.calibrate or None]
    needs, what = frozenset({"confidence"}), "student drafts validation"
    told, sure = explained(state, student, valid, needs=needs, seed=state.seed, what=what)
    scores = [item.values["confidence"] for item in sure]
    if all(score is None for score in scores):
        return list(range(len(evidence)))
    golds = [[example.answer or ""] for example in valid]
    known = judge(scores, [draft.answer or "" for draft in told], golds=golds)
    kept = [i for i, item in enumerate(evidence) if known_score(known(item.values["confidence"])) >= 0]
    state.bench.run.event("left_known", round=state.number, known=len(evidence) - len(kept))
    return kept


def drafter(
    state: ActiveRun, student: Learner, ranked: Ranked
) -> Callable[[Sequence[Example]], Mapping[str, Prediction]]:
    """Make what gives the student's explanations of the chosen examples."""

    def draft(examples: Sequence[Example]) -> Mapping[str, Prediction]:
        kept = state.read_rows(_DRAFTS)
        known = {**ranked.drafts, **{row["example_id"]: Prediction.from_json(row) for row in kept}}
        known |= mistakes(state)
        missing = [example for example in examples if example.id not in known]
        greedy: frozenset[str] = frozenset({"greedy"})
        written, _ = explained(state, student, missing, needs=greedy, seed=state.seed)
        if written:
            # What a teacher was shown stays, so that nothing is bought anew for the last digit of a number.
            state.write_rows(_DRAFTS, [*kept, *(item.to_json() for item in written)])
        return {**known, **{item.example_id: item for item in written}}

    return draft


def explained(
    state: ActiveRun,
    student: Learner,
    examples: Sequence[Example],
    *,
    needs: frozenset[str],
    seed: int,
    what: str = "student explains",
) -> tuple[Sequence[Prediction], Sequence[Evidence]]:
    """Have the student explain examples as the run configures it."""
    if not needs or not examples:
        return (), ()
    state.bench.run.progress(what, 0, len(examples))
    found = evidence_of(
        student,
        examples,
        needs=needs,
        task=state.bench.task,
        prefix=answer_prefix(state.config),
        form=state.config.student.answer_form,
        option_score=state.config.student.option_score,
        config=state.config.explanation,
        seed=seed,
    )
    state.bench.run.progress(what, len(examples), len(examples))
    return found


def _wanted(state: ActiveRun, asking: Asking, examples: Sequence[Example]) -> int:
    """How long the order must be: as many examples as the round may ask, as far as that is known."""
    # It matters where examples are spread: which one is far from the chosen depends on how many are chosen.
    allowance = state.allowance
    if allowance.items is not None:
        return min(len(examples), allowance.items)
    if state.config.selection.diversity == "none" or allowance.usd is None or not examples:
        return len(examples)
    done = state.rounds[-1] if state.rounds else None
    usd = asking.cost_of(examples[0])
    if done is not None and done["asked"] and done["usd_of_round"]:
        usd = done["usd_of_round"] / done["asked"]
    return min(len(examples), math.ceil(_ROOM * allowance.usd / usd)) if usd else len(examples)


def _read_back(state: ActiveRun) -> Ranked | None:
    """Read what was ranked; `chosen.json` is written last."""
    chosen = state.read_json("chosen.json")
    if chosen is None:
        return None
    rows: list[dict[str, Any]] = list(read_rows(state.folder / "looked.jsonl"))
    drafts = [Prediction.from_json(row["prediction"]) for row in rows]
    found = [Evidence.from_json(row["evidence"]) for row in rows]
    return Ranked(
        order=tuple(state.pool[id_] for id_ in chosen["order"]),
        drafts={draft.example_id: draft for draft in drafts},
        evidence={item.example_id: item for item in found},
        highest=chosen["highest"],
        student_tokens=chosen["student_tokens"],
    )


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
    written: list[Mapping[str, int]] = [item.student_tokens for item in evidence]
    tokens = {
        # The greedy explanation is written first for every score.
        name: float(sum(counts.get(kind, 0) for counts in written for kind in needs_of(one) | {"greedy"}))
        for name, one in wanted.items()
    }
    pairs = zip(examples, drafts, strict=True)
    wrong = [int(state.bench.task.grade(draft.answer, item) is not Grade.RIGHT) for item, draft in pairs]
    kinds = {"answers": wrong}
    steps = _wrong_steps(state, examples, drafts)
    if steps is not None:
        kinds["steps"] = steps
    return [
        {"of": of, **row}
        for of, is_wrong in kinds.items()
        for row in calibration_rows(scores, is_wrong, student_tokens=tokens, seed=config.seed)
    ]


def _wrong_steps(
    state: ActiveRun, examples: Sequence[Example], drafts: Sequence[Prediction]
) -> list[int] | None:
    """Whether an explanation has a wrong step or misses one; None: nobody here can tell."""
    checker = source_of(state.config)
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
