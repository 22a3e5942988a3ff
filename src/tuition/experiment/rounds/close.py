"""The end of a round: validation, what it cost, whether to go on; and the end of the run."""

from __future__ import annotations

import statistics
from collections import Counter
from difflib import SequenceMatcher
from typing import Any

from tuition.annotation import CHECKS, health_table
from tuition.annotation.revise.session import draft_text
from tuition.core.protocols import Learner
from tuition.core.records import Json, Prediction
from tuition.evaluation.stop import certain, should_stop
from tuition.experiment.bench import finish, keep_student, train_student
from tuition.experiment.checks import answer_way
from tuition.experiment.evaluate import evaluate, hits_on_valid, student_answers
from tuition.experiment.rounds.allowance import PROBE, Used
from tuition.experiment.rounds.ask import Asking, Taught
from tuition.experiment.rounds.exam import mistakes
from tuition.experiment.rounds.rank import Ranked, calibrate
from tuition.experiment.rounds.state import ActiveRun
from tuition.experiment.targets import answered

__all__ = ["close_round", "evaluate_last", "stop_if_certain"]

_FOR_RESUMING = ("gone", "looks", "hits", "used", "used_before", "stop")
"""Fields of `round.json` that resuming needs and `metrics.json` does not repeat."""


def stop_if_certain(state: ActiveRun, ranked: Ranked) -> bool:
    """End the rounds where nothing is left in the pool that the student is unsure of.

    Source: after ELAD (arXiv 2402.13098), which stops when the transfer suffices; a threshold τ is ours.
    """
    if state.config.selection.leave_known and not ranked.order and not state.is_cold:
        state.stop = {"by": "certain", "findings": []}
        return True
    below = state.config.rounds.stop.certain_below
    if below is None or state.number < state.config.rounds.stop.least_rounds:
        return False
    finding = certain(ranked.highest, below=below)
    if finding.holds:
        state.stop = {"by": "certain", "findings": [finding.to_json()]}
    return finding.holds


def close_round(
    state: ActiveRun, student: Learner, *, ranked: Ranked, taught: Taught, asking: Asking
) -> None:
    """Examine the round's student on validation, decide whether to go on, and write the round down."""
    rounds, config = state.config.rounds, state.config
    used = state.used(state.used_before.items + taught.asked)
    figures: dict[str, Json] = {}
    hits: list[int] = []
    if state.bench.splits.valid:
        answer = student_answers(state.bench, student)
        figures, hits = hits_on_valid(state.bench, answer)
    revision = taught.revision if asking.revises else None
    share = None if revision is None else revision.first_step_share
    # Fewer than a first part say nothing of the next rounds.
    switches = share is not None and share > rounds.blind_above and taught.asked >= PROBE
    if switches:
        state.bench.run.event("switched_to_blind", round=state.number, first_step_wrong=share)
    row: dict[str, Any] = {
        "round": state.number,
        "asked": taught.asked,
        "annotated": len({item.example_id for item in taught.kept}),
        "usd": used.usd,
        "usd_of_round": used.since(state.used_before).usd,
        "calls": used.calls,
        "tokens": used.tokens,
        "valid_accuracy": figures.get("accuracy"),
        "ci95": figures.get("ci95"),
        "n": figures.get("n"),
        "reader": figures.get("reader"),
        "strategy": "random" if state.is_cold else config.selection.strategy,
        "annotator": asking.by,
        "by_teacher": dict(Counter(item.teacher for item in taught.kept)),
        "highest": ranked.highest,
        "student_tokens": ranked.student_tokens,
        "first_step_wrong": share,
        "revision": None if revision is None else revision.to_json(),
        "similarity": _similarity(state, ranked, taught),
        "switched_to_blind": switches,
        "failures": taught.failures,
        "endings": dict(taught.endings),
        "gone": list(taught.gone),
        "looks": [look.to_json() for look in taught.looks],
        "hits": hits,
        "used": used.to_json(),
        "used_before": state.used_before.to_json(),
    }
    row["stop"] = _why_stop(state, taught, row)
    wanted = ("asked", "annotated", "strategy", "annotator", "usd", "valid_accuracy", "first_step_wrong")
    state.bench.run.table(f"round {state.number}", [{name: row[name] for name in wanted}])
    state.close(row)


def _similarity(state: ActiveRun, ranked: Ranked, taught: Taught) -> float | None:
    """Say how much of what is learnt the student wrote itself, word by word, in [0, 1]; None: no drafts.

    Source: I Learn Better If You Speak My Language (arXiv 2402.11192), the ratio measured on its data.
    """
    rows = state.read_rows("drafts.jsonl")
    drafts = {**ranked.drafts, **{row["example_id"]: Prediction.from_json(row) for row in rows}}
    drafts |= mistakes(state)
    pairs = [(item.rationale, drafts.get(item.example_id)) for item in taught.kept if item.kind != "answer"]
    ratios = [
        SequenceMatcher(None, draft_text(draft).split(), text.split(), autojunk=False).ratio()
        for text, draft in pairs
        if draft is not None and draft.text.strip()
    ]
    return statistics.fmean(ratios) if ratios else None


def _why_stop(state: ActiveRun, taught: Taught, row: dict[str, Any]) -> dict[str, Json] | None:
    """What ends the rounds, with the numbers behind it; None: go on."""
    done = [*state.rounds, row]
    rule: str | None = None
    findings: list[dict[str, Json]] = []
    if row["hits"]:
        stop = should_stop(
            state.config.rounds.stop.model_copy(update={"certain_below": None}),
            hits=[one["hits"] for one in done],
            usd=[one["usd"] for one in done],
            seed=state.config.seed,
        )
        rule, findings = stop.rule, [finding.to_json() for finding in stop.findings]
    if taught.is_spent:
        by = "budget"
    elif rule:
        by = rule
    elif len(state.left) <= len(taught.gone):
        by = "pool"
    elif taught.asked == 0 or state.is_used_up(Used.from_json(row["used"])):
        by = "allowance"
    else:
        by = "rounds" if len(done) == state.config.rounds.most else ""
    return {"by": by, "findings": findings} if by else None


def evaluate_last(state: ActiveRun, student: Learner) -> dict[str, Json]:
    """Examine the student that the rounds end with, and write the metrics of the run."""
    bench, config = state.bench, state.config
    kept = state.number - 1
    if config.rounds.keep == "best" and state.rounds[0]["hits"]:
        # Best on validation; of equals the cheaper.
        kept = max(range(state.number), key=lambda i: (sum(state.rounds[i]["hits"]), -i))
    if kept != state.number - 1:
        student = train_student(bench, (), name=f"{state.place_of(kept)}/student")
    if not (bench.run.path / "student").exists():
        keep_student(bench, student)
    calibration = calibrate(state, student)
    taught = [item for number in range(kept + 1) for item in state.replies_of(number)[0]]
    answer = student_answers(bench, student)
    figures = evaluate(bench, answer, learnt=answered(state.pool, taught))
    stop = state.stop or {}
    rounds = [{name: row[name] for name in row if name not in _FOR_RESUMING} for row in state.rounds]
    return finish(
        bench,
        figures,
        student=student,
        stopped_by=str(stop.get("by")),
        stop=stop,
        rounds=rounds,
        kept_round=kept,
        calibration=calibration,
        health=_health(state),
        failures=dict(sum((Counter(row["failures"]) for row in state.rounds), Counter())),
        is_simulated=state.panel.is_simulated,
        answer_by=answer_way(config),
        teachers=[teacher.name for teacher in config.teacher],
    )


def _health(state: ActiveRun) -> list[dict[str, Json]]:
    found = [item for i in range(state.number) for part in state.replies_of(i) for item in part]
    missing = {table.name: 0 for table in state.config.writers}
    for row in state.rounds:
        for name, n in row["failures"].items():
            teacher, _, kind = name.rpartition(": ")
            # A right draft that is left out had its reply.
            missing[teacher] = missing.get(teacher, 0) + (n if kind != "unneeded" else 0)
    rows = [row.to_json() for row in health_table(found, missing)]
    state.bench.run.write_json("health.json", {"teachers": rows, "checks": dict(CHECKS)})
    return rows
