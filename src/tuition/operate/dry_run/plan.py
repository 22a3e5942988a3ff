"""What a run would ask and what that would cost, before anything is spent: the sums over its dry runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from tuition.annotation import Route
from tuition.core.budget import EXPECTED_SHARE, LOW_SHARE
from tuition.core.errors import ConfigError
from tuition.core.records import Example, Json, Record
from tuition.core.store import reading, spend_of
from tuition.experiment.bench import choose_train
from tuition.experiment.checks import Ready, blind_notes, make_ready
from tuition.experiment.config import Experiment, route_of
from tuition.operate.dry_run.calls import SAMPLE, count_of, dry_calls, dry_runs, usd_of
from tuition.operate.dry_run.preview import Preview, Spread, preview_of, spread_of
from tuition.operate.dry_run.stand_ins import EXPECTED, DryCall, Guess
from tuition.operate.dry_run.sums import PlannedCalls, RoundPlan, new_of, rounds_of, rows_of
from tuition.recipes import RECIPES
from tuition.teachers import make_teacher

__all__ = ["Plan", "RoutePlan", "plan_of", "routes_of"]

_ROUTE_SAMPLE = 30
"""Questions that stand for all of them where routes are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePlan(Record):
    """What the rationales would cost by one route, second looks and verdicts included."""

    route: str
    calls: int
    expected_usd: float | None
    """A guess of what is still to be paid; None: a price is unknown."""
    used_usd: float | None
    """The same, what is kept already included."""
    is_chosen: bool
    """Whether it is the configured one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Record):
    """What a run would do."""

    train: int
    valid: int
    test: int
    teachers: tuple[PlannedCalls, ...]
    """A row a teacher and role."""
    rounds: tuple[RoundPlan, ...]
    """The same calls by round; empty: the run has no rounds."""
    used_usd: float | None
    """The guess as if every answer were bought alone; None: a price is unknown."""
    begun_usd: float
    """Dollars of what a run that was broken off has used of that; 0 where a price is unknown."""
    findings: tuple[str, ...]
    """What the data check found."""
    preview: Preview
    """One training example as it was read, and the prompt about it."""
    labels: tuple[Spread, ...]
    """How the labels of train and valid are spread."""
    notes: tuple[str, ...] = ()
    """What the user should know before starting."""

    @property
    def expected_usd(self) -> float | None:
        """The guess over all that is to be paid; None: a teacher that is to be asked has an unknown price."""
        return None if self.unpriced else self.known_usd

    @property
    def known_usd(self) -> float:
        """The guess over what is still to be asked of teachers of known price."""
        new = sum(row.expected_usd or 0.0 for row in self.teachers)
        left = None if self.used_usd is None else self.used_usd - self.begun_usd
        # What rounds asked before they were broken off is not what a dry run asks, and may have cost more.
        return min(new, left) if self.rounds and left is not None and left > 0 else new

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The teachers whose price is unknown."""
        return tuple(dict.fromkeys(row.teacher for row in self.teachers if row.expected_usd is None))

    def to_json(self) -> dict[str, Json]:
        """Give the plan as JSON."""
        return {**super(Plan, self).to_json(), "expected_usd": self.expected_usd}


def plan_of(config: Experiment) -> Plan:
    """Execute a run and its baselines with stand-ins, and count what they ask."""
    ready = make_ready(config)
    train = choose_train(config, ready.splits)
    runs = dry_runs(config, ready)
    used = usd_of(runs[0])
    plan = Plan(
        train=len(train),
        valid=len(ready.splits.valid),
        test=0 if ready.splits.test is None else len(ready.splits.test),
        teachers=rows_of(runs),
        rounds=rounds_of(runs),
        used_usd=used,
        begun_usd=_begun(config),
        findings=tuple(str(finding["sentence"]) for finding in ready.findings),
        preview=_preview(ready, train, runs[0]),
        labels=(
            spread_of("train", train),
            *(spread_of("valid", ready.splits.valid),) * bool(ready.splits.valid),
        ),
    )
    notes = (*_notes(config, train, plan), *blind_notes(config, ready.splits))
    return dataclasses.replace(plan, notes=notes)


def routes_of(
    config: Experiment, ready: Ready | None = None, *, guess: Guess = EXPECTED, judge: str = ""
) -> list[RoutePlan]:
    """Price every route that a configuration could take."""
    if "route" not in type(config).model_fields or len(config.writers) < 2:
        return []
    chosen, routing = route_of(config)
    ready = make_ready(config) if ready is None else ready
    reads = [table.name for table in config.teacher if make_teacher(table).abilities.reads_prompt]
    judged = routing.model_copy(update={"judge": routing.judge or judge or next(iter(reads), "")})
    alone = config.evaluation.model_copy(update={"baselines": ()})
    found: list[RoutePlan] = []
    for route in get_args(Route):
        how = judged if route == "judge" else routing
        changed: dict[str, Any] = {"route": route, "routing": how, "evaluation": alone}
        if route == "vote":
            # The teachers' own answers vote.
            changed["annotation"] = config.annotation.model_copy(update={"forced": False})
        one = config.model_copy(update=changed)
        try:
            calls = dry_calls(one, ready, guess=guess, most=_ROUTE_SAMPLE, may_fail=True)
        except ConfigError:
            # A route that its teachers cannot take, such as a vote of those that saw the answer.
            continue
        found.append(
            RoutePlan(
                route=route,
                calls=round(count_of(calls)),
                expected_usd=usd_of(new_of(calls)),
                used_usd=usd_of(calls),
                is_chosen=route == chosen,
            )
        )
    return found


def _begun(config: Experiment) -> float:
    """Dollars of what this very run has used so far."""
    name = Path(config.out) / "run_id"
    if not name.exists():
        return 0.0
    with reading(Path(config.store)) as connection:
        return spend_of(connection, name.read_text(encoding="utf-8").strip()).usd or 0.0


# ---- what is told beside ----


def _preview(ready: Ready, train: Sequence[Example], calls: Sequence[DryCall]) -> Preview:
    """An example that is asked about, and the very prompt; labels are asked for before anything else."""
    known = {example.id: example for example in (*ready.splits.valid, *train)}
    asked = [call for call in calls if call.request.example_id in known]
    first = next((call for call in asked if call.request.role != "label"), next(iter(asked), None))
    if first is None:
        return preview_of(train[0], None, reads_prompt=True)
    return preview_of(known[first.request.example_id], first.request, reads_prompt=first.reads_prompt)


def _notes(config: Experiment, train: Sequence[Example], plan: Plan) -> list[str]:
    recipe = RECIPES[config.recipe]
    notes = [*recipe.notes(config, bool(plan.valid)), *_about_the_plan(config, plan)]
    expected = plan.known_usd
    if config.budget.usd is not None and expected > config.budget.usd:
        last, way_out = ("teachers hardly asked", "take fewer examples (selection.share)")
        if plan.rounds:
            last, way_out = ("rounds cut short", "allow less in [rounds]")
        notes.append(
            f"budget.usd = {config.budget.usd:g} covers about {100 * config.budget.usd / expected:.0f} % of "
            f"the expected ${expected:.2f}: the asking would end early, the last {last}, and "
            f"the student would learn from what there is. Raise it, or {way_out}"
        )
    by = [f"{split} by {source}" for split, source in config.labels.sources().items() if source != "gold"]
    if by:
        notes.append(
            f"labels: {', '.join(by)}" + ("" if config.labels.replace else ", where there is no gold")
        )
    if route_of(config)[0] == "similarity" and config.annotation.forced and not config.annotation.verify:
        notes.append(
            "with forced = true and no annotation.verify the probe shows who contradicts an answer, and not "
            "who reasons rightly; name a verifier, or set annotation.forced = false"
        )
    unlabelled = sum(example.answer is None for example in train)
    [labelled] = recipe.shown(config, [dataclasses.replace(train[0], answer="?")])
    reads_labels = labelled.answer is not None
    if unlabelled and config.labels.train == "gold" and reads_labels:
        notes.append(f"{unlabelled} of {len(train)} training examples have no label")
    return notes


def _about_the_plan(config: Experiment, plan: Plan) -> list[str]:
    """How the figures were made, and what they do not know."""
    notes: list[str] = []
    if plan.teachers:
        notes.append(
            f"the run was executed with stand-ins for teachers and student. Replies are guessed to use "
            f"{100 * LOW_SHARE:.0f} % of max_tokens at the least and {100 * EXPECTED_SHARE:.0f} % as "
            "expected; retries are not counted"
        )
    if max(plan.train * (not plan.rounds), plan.valid, plan.test) > SAMPLE and plan.teachers:
        notes.append(f"of each split {SAMPLE} questions stand for all, the longest one in the bound")
    if any(row.low_calls < row.high_calls for row in plan.teachers):
        notes.append(
            "how many calls there are depends on replies: half of the checks are guessed to fail, none at "
            "the least, all in the bound"
        )
    if plan.begun_usd and plan.rounds:
        notes.append(f"the run was begun, and has asked for ${plan.begun_usd:.4f} of what the rounds show")
    if plan.unpriced:
        unknown = f"the price of {', '.join(plan.unpriced)} is unknown, and so is the cost"
        way_out = "set price_prompt and price_completion"
        if config.budget.allow_unknown_price:
            notes.append(f"{unknown}; {way_out}")
        elif config.budget.usd is None:
            notes.append(f"{unknown}: `tuition run` will refuse without --yes; {way_out}")
        else:
            notes.append(
                f"{unknown}: `tuition run` will refuse, for budget.usd = {config.budget.usd:g} could not be "
                f"held; {way_out}, or budget.allow_unknown_price = true"
            )
    return notes
