"""What a run would ask and what that would cost, before anything is spent."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tuition.annotation import Asker, annotation_requests
from tuition.core.records import Example, Json, Record, canonical_json
from tuition.core.splits import Splits
from tuition.recipes import RECIPES
from tuition.recipes.asking import asker_of
from tuition.recipes.check import blind_notes, check_terms
from tuition.recipes.common import choose_train
from tuition.recipes.config import Experiment, route_of, task_of
from tuition.recipes.labels.labeller import panel_of
from tuition.recipes.labels.labels import check_labellers, demonstrated, look_at_asked, stood_in
from tuition.recipes.plan.preview import Preview, Spread, preview_of, spread_of
from tuition.recipes.plan.pricing import PricedCall, TeacherPlan, kept_in, plan_calls, price_call
from tuition.recipes.plan.rounds import RoundsPlan, plan_rounds
from tuition.recipes.plan.routes import RoutePlan, RoutePricer, asked_for_certain
from tuition.recipes.ready import make_ready
from tuition.recipes.rounds.config import Elad
from tuition.recipes.routing import assemble
from tuition.teachers.config import TeacherConfig

__all__ = ["Plan", "plan_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Record):
    """What a run would do."""

    train: int
    valid: int
    test: int
    teachers: tuple[TeacherPlan, ...]
    """A row a teacher, and one for each kind of call that is not certain yet."""
    routes: tuple[RoutePlan, ...]
    """What each route would cost; empty where there is no choice of routes."""
    rounds: RoundsPlan | None
    """What the rounds of an active run would ask, beside the teachers' rows; None: it has none."""
    findings: tuple[str, ...]
    """What the data check found."""
    preview: Preview
    """One training example as it was read, and the prompt about it."""
    labels: tuple[Spread, ...]
    """How the labels of train and valid are spread."""
    notes: tuple[str, ...]
    """What the user should know before starting."""

    @property
    def expected_usd(self) -> float | None:
        """The guess over all that is asked; None: a teacher that is to be asked has an unknown price."""
        return None if self.unpriced else self.known_usd

    @property
    def known_usd(self) -> float:
        """The guess over what is still to be asked of teachers of known price."""
        rounds = 0.0 if self.rounds is None else self.rounds.expected_usd or 0.0
        return rounds + sum(teacher.expected_usd or 0.0 for teacher in self.teachers)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The rows whose price is unknown."""
        names = [teacher.teacher for teacher in self.teachers if teacher.expected_usd is None]
        if self.rounds is not None and self.rounds.expected_usd is None:
            names.append(self.rounds.teachers)
        return tuple(names)

    def to_json(self) -> dict[str, Json]:
        """Give the plan as JSON.

        Returns:
            One entry a field, and the sum.
        """
        return {**super(Plan, self).to_json(), "expected_usd": self.expected_usd}


def plan_of(config: Experiment) -> Plan:
    """Read the data, make every request, and price them.

    Args:
        config: The resolved configuration; what its baselines ask is counted too.

    Returns:
        The plan; nothing was asked and nothing written.
    """
    ready = make_ready(config)
    splits = ready.splits
    train = choose_train(config, splits)
    check_labellers(config, splits, train, task=task_of(config))
    plans: list[TeacherPlan] = []
    asked = config.teacher if _annotates(config) or _examines_teachers(config) else ()
    for table in {table.name: table for table in (*asked, *panel_of(config))}.values():
        calls = _calls(config, splits, table=table)
        plans.append(plan_calls(table.name, calls, kept=kept_in(config.store, list(calls))))
    routes: list[RoutePlan] = []
    rounds: RoundsPlan | None = None
    if isinstance(config, Elad):
        rounds = plan_rounds(config, _stood_for(config, splits), has_valid=bool(splits.valid))
        plans = [plan for plan in plans if plan.calls]
    elif RECIPES[config.recipe].asks:
        check_terms(config.writers)
        route, routing = route_of(config)
        assemble(config, route=route, routing=routing)
        pricer = RoutePricer(config, _stood_for(config, splits), stood_in(config, splits.train))
        is_wide = _has_singles(config) and route in ("random", "similarity")
        # With a baseline for each teacher everybody is asked about everything, whatever the route.
        plans = [plan for plan in plans if plan.calls] + pricer.extra("all" if is_wide else route)
        routes = pricer.plans(route) if len(config.writers) > 1 else []
    plan = Plan(
        train=len(train),
        valid=len(splits.valid),
        test=0 if splits.test is None else len(splits.test),
        teachers=tuple(plans),
        routes=tuple(routes),
        rounds=rounds,
        findings=tuple(str(finding["sentence"]) for finding in ready.findings),
        preview=preview_of(
            config,
            train[0],
            asked=_stood_for(config, splits)[0],
            shown=stood_in(config, splits.train),
        ),
        labels=(spread_of("train", train), *(spread_of("valid", splits.valid),) * bool(splits.valid)),
        notes=(),
    )
    notes = (*_notes(config, train, plan), *blind_notes(config, splits))
    return dataclasses.replace(plan, notes=notes)


def _stood_for(config: Experiment, splits: Splits) -> tuple[Example, ...]:
    """The examples the run works with, marks standing for labels that are not made yet."""
    return choose_train(config, dataclasses.replace(splits, train=stood_in(config, splits.train)))


def _certain(config: Experiment, examples: Sequence[Example], table: TeacherConfig) -> list[Example]:
    """The examples one teacher will be asked about; a baseline of its own asks it about all."""
    if _has_singles(config) or config.selects_in_rounds or not RECIPES[config.recipe].asks:
        return list(examples) if table in config.writers else []
    route, routing = route_of(config)
    return asked_for_certain(examples, table.name, route=route, routing=routing, config=config)


def _has_singles(config: Experiment) -> bool:
    return "single_teacher" in config.evaluation.baselines and len(config.writers) > 1


def _annotates(config: Experiment) -> bool:
    """Whether teachers write about the whole of training; a run in rounds does not by itself."""
    asks = RECIPES[config.recipe].asks and not config.selects_in_rounds
    return asks or _has_singles(config)


def _examines_teachers(config: Experiment) -> bool:
    return config.recipe == "ask_teacher" or "teachers" in config.evaluation.baselines


def _calls(config: Experiment, splits: Splits, *, table: TeacherConfig) -> dict[str, PricedCall]:
    """Every call to one teacher, once."""
    asker = asker_of(config, table, train=stood_in(config, splits.train))
    free = asker.how(forced=False)
    as_panel = dataclasses.replace(free, train=demonstrated(config, splits))

    def priced(examples: Sequence[Example], asker: Asker, samples: int = 1) -> list[PricedCall]:
        requests = annotation_requests(examples, asker, samples=samples)
        return [price_call(request, asker.teacher, longer=asker.config.longer) for request in requests]

    def look(examples: Sequence[Example]) -> list[str]:
        calls = priced(examples[: config.evaluation.limit], free)
        return [canonical_json(call.to_json()) for call in calls]

    def look_as_panel(examples: Sequence[Example]) -> list[str]:
        return [canonical_json(call.to_json()) for call in priced(examples, as_panel)]

    calls: list[PricedCall] = []
    rows: list[str] = []
    if _annotates(config) and table in config.teacher:
        calls += priced(_certain(config, _stood_for(config, splits), table), asker, asker.samples)
    if _examines_teachers(config) and table in config.teacher:
        rows += look(splits.valid) + (splits.test.check(look) if splits.test is not None else [])
    if table in panel_of(config):
        rows += look_at_asked(config, splits, choose_train(config, splits), look=look_as_panel)
    calls += [PricedCall.from_json(json.loads(row)) for row in rows]
    return {call.key: call for call in calls}


def _unpriced(config: Experiment, plan: Plan) -> str:
    unknown = f"the price of {', '.join(plan.unpriced)} is unknown, and so is the cost"
    way_out = "set price_prompt and price_completion"
    if config.budget.allow_unknown_price:
        return f"{unknown}; {way_out}"
    if config.budget.usd is None:
        return f"{unknown}: `tuition run` will refuse without --yes; {way_out}"
    return (
        f"{unknown}: `tuition run` will refuse, for budget.usd = {config.budget.usd:g} could not be held; "
        f"{way_out}, or budget.allow_unknown_price = true"
    )


def _notes(config: Experiment, train: Sequence[Example], plan: Plan) -> list[str]:
    notes = [] if plan.rounds is None else list(plan.rounds.notes)
    if plan.unpriced:
        notes.append(_unpriced(config, plan))
    if (config.annotation.verify and plan.rounds is None) or route_of(config)[0] == "judge":
        notes.append(
            "second opinions and verdicts are priced on texts of a guessed length, for what they look at is "
            "not written yet; those that are paid for already are counted once more"
        )
    expected = plan.known_usd
    if config.budget.usd is not None and expected > config.budget.usd:
        last, way_out = ("teachers hardly asked", "take fewer examples (selection.share)")
        if plan.rounds is not None:
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
    reads_labels = not isinstance(config, Elad) or config.uses_labels
    if unlabelled and config.labels.train == "gold" and reads_labels:
        notes.append(f"{unlabelled} of {len(train)} training examples have no label")
    return notes
