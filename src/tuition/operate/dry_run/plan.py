"""What a run would ask and what that would cost, before anything is spent: the sums over its dry runs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from tuition.annotation import Route
from tuition.annotation.own_words import unmarked
from tuition.core.budget import EXPECTED_SHARE, LOW_SHARE, Budget
from tuition.core.errors import ConfigError, some_of
from tuition.core.records import Example, Json, Record, option_letter
from tuition.core.store import reading, spend_of
from tuition.experiment.bench import choose_train
from tuition.experiment.checks import Ready, blind_notes, make_ready
from tuition.experiment.config import Experiment, route_of
from tuition.operate.dry_run.calls import (
    SAMPLE,
    PlannedCalls,
    RoundPlan,
    count_of,
    dry_calls,
    dry_runs,
    rounds_of,
    rows_of,
    usd_of,
)
from tuition.operate.dry_run.guess import EXPECTED, Guess
from tuition.operate.dry_run.stand_ins import DryCall
from tuition.operate.execute import baseline_configs
from tuition.recipes import RECIPES
from tuition.teachers import make_teacher

__all__ = ["Plan", "Preview", "RoutePlan", "Spread", "is_over", "objection", "plan_of", "routes_of"]


_SHOWN = 5
"""Answers of open questions that are counted by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Record):
    """One example that is asked about; where nobody is asked, the first of training."""

    id: str
    question: str
    context: str
    choices: tuple[str, ...]
    label: str | None
    """None: it has none, or one that is still to be made."""
    teacher: str
    """Who would be asked about it; empty: nobody is asked."""
    prompt: tuple[dict[str, Json], ...]
    """Role and content of each message; empty where replies are recorded, or nobody is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread(Record):
    """How the labels of one split are spread; the sealed test has none that could be told."""

    split: str
    options: dict[str, Json]
    """Labels of closed questions, counted by the letter of the option."""
    answers: dict[str, Json]
    """Labels of open questions, the commonest first."""
    others: int
    """Labels of open questions that are not among them."""
    unlabelled: int

    @property
    def counts(self) -> dict[str, int]:
        """Everything that was counted, by name."""
        counted = {**self.options, **self.answers, "other": self.others, "none": self.unlabelled}
        return {name: count for name, count in counted.items() if isinstance(count, int) and count}


def _spread_of(split: str, examples: Sequence[Example]) -> Spread:
    """Count the labels of a split."""
    places = Counter(item.answer_index for item in examples if item.listed and item.answer_index is not None)
    answers = Counter(item.answer for item in examples if item.answer is not None and not item.listed)
    # one label alone is told by its name, not as another
    common = dict(answers.most_common(_SHOWN if len(answers) > _SHOWN + 1 else None))
    return Spread(
        split=split,
        options={option_letter(i): count for i, count in sorted(places.items())},
        answers={**common},
        others=answers.total() - sum(common.values()),
        unlabelled=sum(example.answer is None for example in examples),
    )


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


def plan_of(config: Experiment, ready: Ready | None = None) -> Plan:
    """Execute a run and its baselines with stand-ins, and count what they ask."""
    ready = make_ready(config) if ready is None else ready
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
            _spread_of("train", train),
            *(_spread_of("valid", ready.splits.valid),) * bool(ready.splits.valid),
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
                expected_usd=usd_of(call for call in calls if not call.is_kept),
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


def _preview(ready: Ready, train: Sequence[Example], calls: Sequence[DryCall]) -> Preview:
    """An example that is asked about, and the very prompt; labels are asked for before anything else."""
    ids = {call.request.example_id for call in calls}
    known = {one.id: one for split in (ready.splits.valid, train) for one in split if one.id in ids}
    asked = [call for call in calls if call.request.example_id in known]
    first = next((call for call in asked if call.request.role != "label"), next(iter(asked), None))
    example = train[0] if first is None else known[first.request.example_id]
    messages = first.request.messages if first is not None and first.reads_prompt else ()
    return Preview(
        id=example.id,
        question=example.question,
        context=example.context,
        choices=example.listed,
        label=example.answer,
        teacher="" if first is None else first.request.teacher,
        prompt=tuple({"role": one.role, "content": one.content} for one in messages),
    )


def _notes(config: Experiment, train: Sequence[Example], plan: Plan) -> list[str]:
    recipe = RECIPES[config.recipe]
    notes = [*recipe.notes(config, bool(plan.valid)), *_about_the_plan(config, plan)]
    instruction = getattr(config.task, "instruction", "")
    notes += filter(None, (unmarked(role, text + instruction) for role, text in config.prompts.items()))
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


def is_over(config: Experiment) -> bool:
    """Say whether a run and all of its baselines are finished, so that nothing is left to be paid."""
    return all((Path(one.out) / "done").exists() for one in (config, *baseline_configs(config).values()))


def objection(plans: Sequence[Plan], budget: Budget) -> tuple[str, str] | None:
    """Say why plans need a confirmation, and how to do without. None: nothing needs to be confirmed."""
    limit, known = budget.confirm_above_usd, sum(plan.known_usd for plan in plans)
    if known > limit:
        found = f"the expected cost, ${known:.2f}, is above budget.confirm_above_usd = {limit:g}"
        return found, "raise confirm_above_usd"
    if any(plan.expected_usd is None for plan in plans) and not budget.allow_unknown_price:
        asked = sorted({name for plan in plans for name in plan.unpriced})
        found = f"nobody can say what this costs: the price of {some_of(asked)} is unknown"
        return found, "set price_prompt and price_completion, or budget.allow_unknown_price = true"
    return None
