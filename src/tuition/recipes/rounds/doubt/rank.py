"""The student answers the pool, its reasoning is scored, and the pool is ranked: what to ask first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuition.core.protocols import Learner, Pool
from tuition.core.records import Evidence, Example, Json, Prediction
from tuition.core.rows import read_rows
from tuition.recipes.distil import answer_prefix
from tuition.recipes.rounds.ask import Asking
from tuition.recipes.rounds.course import Course
from tuition.recipes.rounds.doubt.evidence import evidence_of
from tuition.recipes.targets import questions
from tuition.selection import SelectionConfig, candidates_of, needs_of, rank, scores_of

__all__ = ["Ranked", "drafter", "explained", "rank_pool"]

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


def rank_pool(course: Course, student: Learner, asking: Asking) -> Ranked:
    """Have the student explain the examples that are left, and put them into the order of asking.

    Source: after ELAD (arXiv 2402.13098), steps 1 and 2 of its loop; in the cold start the order is random.

    Args:
        course: Its round's folder gets `looked.jsonl` and `chosen.json`, and is read back where it has them.
        student: Who explains.
        asking: Its costs are those of a score per dollar.

    Returns:
        The order, and what the student wrote on the way.
    """
    before = _read_back(course)
    if before is not None:
        return before
    selection = SelectionConfig() if course.is_cold else course.config.selection
    seed, left = course.seed, course.left
    examples = [left[i] for i in candidates_of(Pool(size=len(left)), selection, seed=seed)]
    rehearses = course.config.rounds.rehearse > 0 and not course.is_cold
    also: frozenset[str] = frozenset({"greedy"}) if rehearses else frozenset()
    needs = needs_of(selection) | also
    drafts, evidence = explained(course, student, examples, needs=needs, seed=seed)
    wants_vectors = selection.diversity != "none"
    asked = questions(examples, answer_prefix(course.config))
    pool = Pool(
        size=len(examples),
        domains=[example.domain for example in examples],
        evidence=evidence,
        costs=[asking.cost_of(example) for example in examples] if selection.per_dollar else (),
        vectors=student.embed(asked) if wants_vectors else (),
    )
    is_scored = bool(needs_of(selection) and examples)
    scores = [float(score) for score in scores_of(pool, selection)] if is_scored else []
    order = rank(pool, selection, n=_wanted(course, asking, examples), seed=seed)
    found = Ranked(
        order=tuple(examples[i] for i in order),
        drafts={draft.example_id: draft for draft in drafts},
        evidence={item.example_id: item for item in evidence},
        highest=max(scores) if scores else None,
        student_tokens=sum(sum(item.student_tokens.values()) for item in evidence),
    )
    _write_down(course, found, scores=scores)
    return found


def drafter(
    course: Course, student: Learner, ranked: Ranked
) -> Callable[[Sequence[Example]], Mapping[str, Prediction]]:
    """Make what gives the student's explanations of the chosen examples.

    Args:
        course: Its round's folder gets `drafts.jsonl`.
        student: Who explains what it has not explained yet, greedily.
        ranked: Holds what it wrote while it was looked at.

    Returns:
        A function from examples to explanations by id.
    """

    def draft(examples: Sequence[Example]) -> Mapping[str, Prediction]:
        kept = course.read_rows(_DRAFTS)
        known = {**ranked.drafts, **{row["example_id"]: Prediction.from_json(row) for row in kept}}
        missing = [example for example in examples if example.id not in known]
        greedy: frozenset[str] = frozenset({"greedy"})
        written, _ = explained(course, student, missing, needs=greedy, seed=course.seed)
        if written:
            # What a teacher was shown stays, so that nothing is bought anew for the last digit of a number.
            course.write_rows(_DRAFTS, [*kept, *(item.to_json() for item in written)])
        return {**known, **{item.example_id: item for item in written}}

    return draft


def explained(
    course: Course,
    student: Learner,
    examples: Sequence[Example],
    *,
    needs: frozenset[str],
    seed: int,
    what: str = "student explains",
) -> tuple[Sequence[Prediction], Sequence[Evidence]]:
    """Have the student explain examples as the run configures it.

    Args:
        course: Of the run.
        student: Who explains.
        examples: Their labels are not looked at.
        needs: Kinds of evidence; none: nobody explains anything.
        seed: Equal seeds draw equal explanations.
        what: What is going on, for whoever hears of progress.

    Returns:
        One prediction and one row of numbers an example, in order; none where nothing is needed.
    """
    if not needs or not examples:
        return (), ()
    course.bench.run.progress(what, 0, len(examples))
    found = evidence_of(
        student,
        examples,
        needs=needs,
        task=course.bench.task,
        prefix=answer_prefix(course.config),
        form=course.config.student.answer_form,
        option_score=course.config.student.option_score,
        config=course.config.explanation,
        seed=seed,
    )
    course.bench.run.progress(what, len(examples), len(examples))
    return found


def _wanted(course: Course, asking: Asking, examples: Sequence[Example]) -> int:
    """How long the order must be: as many examples as the round may ask, as far as that is known.

    It matters where examples are spread: whoever is far from the chosen depends on how many are chosen.
    """
    allowance = course.allowance
    if allowance.items is not None:
        return min(len(examples), allowance.items)
    if course.config.selection.diversity == "none" or allowance.usd is None or not examples:
        return len(examples)
    done = course.rounds[-1] if course.rounds else None
    usd = asking.cost_of(examples[0])
    if done is not None and done["asked"] and done["usd_of_round"]:
        usd = done["usd_of_round"] / done["asked"]
    return min(len(examples), math.ceil(_ROOM * allowance.usd / usd)) if usd else len(examples)


def _write_down(course: Course, found: Ranked, *, scores: Sequence[float]) -> None:
    rows: list[dict[str, Json]] = [
        {
            "score": scores[i] if scores else None,
            "prediction": draft.to_json(),
            "evidence": found.evidence[draft.example_id].to_json(),
        }
        for i, draft in enumerate(found.drafts.values())
    ]
    course.write_rows("looked.jsonl", rows)
    order = [example.id for example in found.order]
    course.write_json(
        "chosen.json", {"order": order, "highest": found.highest, "student_tokens": found.student_tokens}
    )


def _read_back(course: Course) -> Ranked | None:
    """Read what was ranked; `chosen.json` is written last."""
    chosen = course.read_json("chosen.json")
    if chosen is None:
        return None
    rows: list[dict[str, Any]] = list(read_rows(course.folder / "looked.jsonl"))
    drafts = [Prediction.from_json(row["prediction"]) for row in rows]
    found = [Evidence.from_json(row["evidence"]) for row in rows]
    return Ranked(
        order=tuple(course.pool[id_] for id_ in chosen["order"]),
        drafts={draft.example_id: draft for draft in drafts},
        evidence={item.example_id: item for item in found},
        highest=chosen["highest"],
        student_tokens=chosen["student_tokens"],
    )
