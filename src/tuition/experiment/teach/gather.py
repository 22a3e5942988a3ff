"""Ask the teachers of a run, look their rationales over, and keep what the student may learn from.

What was gathered once is read back when a run is gone on with: its training stands on exactly that.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuition.annotation import CHECKS, Annotated, HealthRow, Route, RoutingConfig, health_table
from tuition.core.errors import BudgetSpent, TeacherError
from tuition.core.records import Annotation, Json
from tuition.core.rows import read_own_rows
from tuition.core.run import Run
from tuition.experiment.bench import Bench
from tuition.experiment.checks import check_terms
from tuition.experiment.teach.asking import Writer, annotation_row
from tuition.experiment.teach.keep import keep_best
from tuition.experiment.teach.panel import Routed, ask_by_route, assemble, choose_used

__all__ = ["Gathered", "gather"]

_OUT_OF_REACH = frozenset(
    {"auth", "connection", "exception", "expired", "rate_limit", "server", "timeout", "unusable"}
)
"""Failures that say something of an endpoint or a table, and nothing of a question."""

_ROUTING = RoutingConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the teachers were asked for."""

    annotations: tuple[Annotation, ...]
    """Those to learn from: kept by the filters, chosen by the route; teacher by teacher, in the order of the
    examples."""
    health: list[dict[str, Json]]
    """One row a teacher, over all annotations."""
    is_spent: bool
    failures: dict[str, Json]
    """Examples left without a reply, counted by teacher and kind."""
    is_simulated: bool
    """Whether a teacher was a program."""
    routed: dict[str, Json]
    """Counts of the route: by teacher the calls, the kept, the used; what was verified and judged."""


def gather(bench: Bench, *, route: Route = "all", routing: RoutingConfig = _ROUTING) -> Gathered:
    """Ask the teachers about the chosen examples, look the answers over, and choose what is learnt."""
    config, run = bench.config, bench.run
    check_terms(config.writers)
    before = next((event for event in run.events() if event["event"] == "annotated"), None)
    if before is not None:
        rows = read_own_rows(run.path / "annotations.jsonl")
        facts = ("is_spent", "failures", "is_simulated", "routed")
        return Gathered(
            annotations=tuple(Annotation.from_json(row) for row in rows if row["is_used"]),
            health=json.loads((run.path / "health.json").read_text(encoding="utf-8"))["teachers"],
            **{name: before[name] for name in facts},
        )
    panel = assemble(config, route=route, routing=routing).paid_by(bench.account, train=bench.splits.train)
    for asker in panel.everyone:
        # A price that is unknown under a limit is refused now, and not after the others are paid.
        asker.ask([])
    writers = {
        name: Writer(asker, bench.train, verifier=panel.verifiers.get(name))
        for name, asker in panel.writers.items()
    }
    orders = ask_by_route(bench, writers, panel, route=route, routing=routing)
    found = {name: writer.result for name, writer in writers.items()}
    _refuse_silence(found)
    routed = choose_used(bench, found, panel, route=route, orders=orders)
    kept, by = keep_best(bench, routed.used)
    routed = dataclasses.replace(routed, used=kept, figures=routed.figures | by)
    used = Counter(item.teacher for item in routed.used)
    outcomes = Counter(check.outcome for writer in writers.values() for check in writer.verifications)
    teachers: dict[str, Json] = {
        name: {
            "asked": len(result.annotations) + len(result.dropped) + len(result.failures),
            "kept": len(result.annotations),
            "used": used[name],
            "redrawn": writers[name].redrawn,
        }
        for name, result in found.items()
    }
    figures: dict[str, Json] = {
        "route": route,
        "teachers": teachers,
        "without": len(bench.train) - len({item.example_id for item in routed.used}),
        "verified": {outcome: outcomes[outcome] for outcome in sorted(outcomes)},
        **routed.figures,
    }
    return _write_down(bench, writers, found, routed=routed, figures=figures, is_simulated=panel.is_simulated)


def _write_down(
    bench: Bench,
    writers: Mapping[str, Writer],
    found: Mapping[str, Annotated],
    *,
    routed: Routed,
    figures: dict[str, Json],
    is_simulated: bool,
) -> Gathered:
    """Write the results of the asking; the event is last, and says that all of it is there."""
    run = bench.run
    kept = [annotation for result in found.values() for annotation in result.annotations]
    dropped = [annotation for result in found.values() for annotation in result.dropped]
    checks = [check for writer in writers.values() for check in writer.verifications]
    looked_at = Counter(check.teacher for check in checks if check.outcome != "unanswered")
    missing = {name: writer.missing for name, writer in writers.items()}
    health = [row.to_json() for row in health_table([*kept, *dropped], missing, verified=looked_at)]
    used = frozenset(routed.used)
    rows = (
        annotation_row(bench.config, item, is_kept=is_kept, is_used=item in used)
        for is_kept, items in ((True, kept), (False, dropped))
        for item in items
    )
    run.write_rows("annotations.jsonl", rows)
    if checks:
        run.write_rows("verifications.jsonl", [check.to_json() for check in checks])
    if routed.verdicts:
        run.write_rows("judgements.jsonl", [verdict.to_json() for verdict in routed.verdicts])
    run.write_json("health.json", {"teachers": health, "checks": dict(CHECKS)})
    gathered = Gathered(
        annotations=routed.used,
        health=health,
        is_spent=routed.is_spent or any(result.spent for result in found.values()),
        failures=dict(_failures(found)),
        is_simulated=is_simulated,
        routed=figures,
    )
    run.event(
        "annotated",
        annotations=len(kept) + len(dropped),
        kept=len(kept),
        failures=gathered.failures,
        is_spent=gathered.is_spent,
        is_simulated=is_simulated,
        routed=figures,
    )
    _show(run, gathered)
    return gathered


def _failures(found: Mapping[str, Annotated]) -> Counter[str]:
    return Counter(f"{name}: {failure.kind}" for name, result in found.items() for failure in result.failures)


def _refuse_silence(found: Mapping[str, Annotated]) -> None:
    """End here where nothing at all came, or one teacher is out of reach, before anything is learnt."""
    for name, result in found.items():
        kinds = Counter(failure.kind for failure in result.failures)
        if kinds and kinds.keys() <= _OUT_OF_REACH and not (result.annotations or result.dropped):
            said = result.failures[0].message.rstrip(".")
            raise TeacherError(
                f"teacher {name!r} answered none of {kinds.total()} calls ({_counted(kinds)}); the first: "
                f"{said}. Nothing was trained. Mend its endpoint or its table, or take the table out, then "
                "start again: nothing is asked twice."
            )
    if any(result.annotations or result.dropped for result in found.values()):
        return
    if any(result.spent for result in found.values()):
        raise BudgetSpent("the budget was spent before a single annotation; raise [budget].")
    failures = _failures(found)
    first = next(failure for result in found.values() for failure in result.failures)
    said = first.message.rstrip(".")
    raise TeacherError(
        f"not one of {failures.total()} calls was answered ({_counted(failures)}); the first: {said}. Mend "
        "the endpoint or the table of the teacher, then start again: nothing is asked twice."
    )


def _counted(failures: Counter[str]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in failures.items())


def _show(run: Run, gathered: Gathered) -> None:
    """Show people the health and what to do about it, then the route; a row a teacher."""
    health: Any = gathered.health
    found = [HealthRow.from_json(row) for row in health]
    run.table(
        "rationale health before training, % of replies",
        [
            {"teacher": row.teacher, "replies": row.asked, "faults": row.faults, "what to do": row.what_to_do}
            for row in found
        ],
    )
    teachers: Any = gathered.routed["teachers"]
    shares = {row.teacher: row.unverified_of_verified for row in found}
    verified = {name: "-" if share is None else f"{100 * share:.1f}" for name, share in shares.items()}
    rows = [
        {"teacher": name, **counts, "% unverified of verified": verified.get(name, "-")}
        for name, counts in teachers.items()
    ]
    run.table(f"route {gathered.routed['route']!r}: calls for rationales", rows)
