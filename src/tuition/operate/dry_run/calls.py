"""Execute a configuration with stand-ins for everything that costs anything, and sum the calls up."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import operator
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuition.core.budget import NANO, Budget, Cost
from tuition.core.errors import ConfigError, DataError, TeacherError, near_name, some_of
from tuition.core.records import Record, Request
from tuition.experiment.bench import DryRun
from tuition.experiment.checks import Ready, make_ready
from tuition.experiment.config import Experiment, dump
from tuition.operate.dry_run.guess import EXPECTED, HIGH, LONG, LOW, Guess
from tuition.operate.dry_run.stand_ins import DryCall, StandIns
from tuition.operate.execute import baseline_configs
from tuition.recipes import RECIPES
from tuition.teachers.config import TeacherConfig
from tuition.teachers.http.forms import FORMS

__all__ = [
    "SAMPLE",
    "PlannedCalls",
    "RoundPlan",
    "Span",
    "batch_table",
    "count_of",
    "dry_calls",
    "dry_runs",
    "first_requests",
    "rounds_of",
    "rows_of",
    "usd_of",
]


SAMPLE = 60
"""Questions of a split that stand for all of it."""


def dry_runs(config: Experiment, ready: Ready) -> tuple[list[DryCall], ...]:
    """Run a configuration several times without paying: as expected, as cheap and as dear as it may come."""
    found = [dry_calls(config, ready, guess=guess) for guess in (EXPECTED, LOW)]
    steps = RECIPES[config.recipe].draft_steps(config)
    for guess in (LONG, HIGH):
        longest = dataclasses.replace(guess, steps=steps)
        found.append(dry_calls(config, ready, guess=longest, may_fail=True))
    return tuple(found)


def dry_calls(
    config: Experiment,
    ready: Ready,
    *,
    guess: Guess = EXPECTED,
    most: int | None = SAMPLE,
    may_fail: bool = False,
) -> list[DryCall]:
    """Run a configuration and its baselines once, with stand-ins.

    Where filters drop every reply, a run ends in an error; if it may, what it asked until then counts.
    """
    calls: list[DryCall] = []
    ends = (DataError, TeacherError) if may_fail else ()
    stand_ins = StandIns(config, ready, guess=guess, most=most, calls=calls)
    with tempfile.TemporaryDirectory(prefix="tuition-dry-run-") as folder:
        for i, one in enumerate(_asking(config)):
            place = {"out": f"{folder}/{i}", "store": f"{folder}/tuition.db", "budget": Budget()}
            scratch = one.model_copy(update=place)
            run = DryRun(Path(scratch.out), config_text=dump(scratch), stand_ins=stand_ins)
            with contextlib.closing(run), contextlib.suppress(*ends):
                RECIPES[scratch.recipe].run(scratch, run)
    calls.sort(key=lambda call: call.place)
    return calls


def _asking(config: Experiment) -> Iterator[Experiment]:
    """The run and those of its baselines that may ask anybody anything new."""
    # A finished run asks nothing; which questions its rounds chose, a dry run would not guess.
    is_over = config.selects_in_rounds and (Path(config.out) / "done").exists()
    if (config.teacher or config.labels.asks) and not is_over:
        yield config
    yield from (one for one in baseline_configs(config).values() if one.teacher)


def count_of(calls: Iterable[DryCall]) -> float:
    """Count the calls of the run that some dry ones stand for."""
    return sum(call.stands_for for call in calls)


def usd_of(
    calls: Iterable[DryCall], cost: Callable[[DryCall], Cost] = operator.attrgetter("cost")
) -> float | None:
    """Add up what the calls cost that some dry ones stand for, in dollars; None: a price is unknown."""
    nanos = [(call.stands_for, cost(call).nano) for call in calls]
    known = [n * nano / NANO for n, nano in nanos if nano is not None]
    return sum(known) if len(known) == len(nanos) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Record):
    """A number that is not known yet."""

    low: float | None
    """A guess; None: unknown."""
    expected: float | None
    """A guess, in the middle."""
    high: float | None
    """A bound."""

    @classmethod
    def over(cls, runs: Sequence[Sequence[DryCall]], of: Callable[[Sequence[DryCall]], float]) -> Span:
        """Count something in every dry run."""
        counts = [of(calls) for calls in runs]
        return cls(low=round(min(counts)), expected=round(counts[0]), high=math.ceil(max(counts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCalls(Record):
    """What one teacher would be asked in one role, and what of it is not paid for yet."""

    teacher: str
    role: str
    calls: int
    """As expected."""
    low_calls: int
    high_calls: int
    kept: int
    """Those whose answer is in the store already."""
    expected_tokens: int
    """A guess, for the calls to be made."""
    low_tokens: int
    high_tokens: int
    """A bound."""
    low_usd: float | None
    """A guess; None: the price is unknown."""
    expected_usd: float | None
    """A guess, in the middle."""
    high_usd: float | None
    """A bound: no answer costs more, not even one that is cut off and asked for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan(Record):
    """What one round would ask, counted as if every answer were bought alone."""

    round: int
    items: Span
    """Examples asked about."""
    calls: Span
    tokens: Span
    usd: Span
    """Dollars; of unknown ones: a price is unknown."""


def _tokens(calls: Iterable[DryCall]) -> float:
    return sum(call.stands_for * call.cost.tokens for call in calls)


def _bound(call: DryCall) -> Cost:
    """No call of those that this one stands for costs more; what a round chooses is not known yet."""
    own = call.worst if call.round is None else call.bound
    rest = (call.stands_for - 1) / call.stands_for
    if own.nano is None or call.bound.nano is None:
        return own
    return Cost(
        nano=math.ceil(own.nano + rest * (call.bound.nano - own.nano)),
        tokens=math.ceil(own.tokens + rest * (call.bound.tokens - own.tokens)),
    )


def _bound_tokens(calls: Iterable[DryCall]) -> float:
    return sum(call.stands_for * _bound(call).tokens for call in calls)


def _span_usd(runs: Sequence[Sequence[DryCall]]) -> Span:
    guesses = [usd_of(calls) for calls in runs]
    known = [usd for usd in guesses if usd is not None]
    if len(known) < len(guesses):
        return Span(low=None, expected=None, high=None)
    bounds = [usd for usd in (usd_of(calls, _bound) for calls in runs) if usd is not None]
    return Span(low=min(known), expected=known[0], high=max(bounds))


def rows_of(runs: Sequence[Sequence[DryCall]]) -> tuple[PlannedCalls, ...]:
    """Sum up by teacher and role, over the dry runs of a plan, the expected one first."""
    by_row: list[dict[tuple[str, str], list[DryCall]]] = []
    for calls in runs:
        found: dict[tuple[str, str], list[DryCall]] = defaultdict(list)
        for call in calls:
            found[call.teacher, call.request.role].append(call)
        by_row.append(found)
    places = dict.fromkeys(place for found in by_row for place in found)
    return tuple(_row(*place, runs=[found.get(place, []) for found in by_row]) for place in places)


def _row(teacher: str, role: str, *, runs: Sequence[Sequence[DryCall]]) -> PlannedCalls:
    calls = Span.over(runs, count_of)
    new = [[call for call in calls_of_run if not call.is_kept] for calls_of_run in runs]
    tokens, usd = Span.over(new, _tokens), _span_usd(new)
    return PlannedCalls(
        teacher=teacher,
        role=role,
        calls=int(calls.expected or 0),
        low_calls=int(calls.low or 0),
        high_calls=int(calls.high or 0),
        kept=round(count_of(runs[0]) - count_of(new[0])),
        expected_tokens=int(tokens.expected or 0),
        low_tokens=int(tokens.low or 0),
        high_tokens=math.ceil(max(_bound_tokens(one) for one in new)),
        low_usd=usd.low,
        expected_usd=usd.expected,
        high_usd=usd.high,
    )


def rounds_of(runs: Sequence[Sequence[DryCall]]) -> tuple[RoundPlan, ...]:
    """Sum up by round; none where the run has no rounds."""
    numbers = sorted({call.round for calls in runs for call in calls if call.round is not None})
    found: list[RoundPlan] = []
    for number in numbers:
        mine = [[call for call in calls if call.round == number] for calls in runs]
        tokens = Span.over(mine, _tokens)
        found.append(
            RoundPlan(
                round=number,
                items=Span.over(mine, lambda calls: len({call.request.example_id for call in calls})),
                calls=Span.over(mine, count_of),
                tokens=dataclasses.replace(tokens, high=math.ceil(max(_bound_tokens(one) for one in mine))),
                usd=_span_usd(mine),
            )
        )
    return tuple(found)


_WRITING = ("rationale", "solve")
"""Roles of calls for rationales; a teacher may be asked to verify another's before it writes its own."""


def batch_table(config: Experiment, name: str) -> TeacherConfig:
    """Find the teacher whose calls are written to a file."""
    tables = {table.name: table for table in config.writers}
    if not tables:
        raise ConfigError(
            "no [[teacher]] of this configuration writes rationales, so there is nothing to write."
        )
    if name and name not in tables:
        raise ConfigError(near_name(name, tables, kind="teacher"))
    if not name and len(tables) > 1:
        raise ConfigError(f"a file holds the calls of one teacher; choose with --teacher: {some_of(tables)}.")
    table = tables[name or next(iter(tables))]
    if table.kind != "chat" or not FORMS[table.wire.form].has_batches:
        raise ConfigError(
            f"teacher {table.name!r} is of kind {table.kind!r} and form {table.wire.form!r}, and a batch is "
            "for endpoints of OpenAI's form: kind = 'chat'."
        )
    return table


def first_requests(config: Experiment, table: TeacherConfig) -> list[Request]:
    """Give what a run asks a teacher first of all, whatever others answer: its first asking in a dry run."""
    if not RECIPES[config.recipe].asks or config.selects_in_rounds:
        raise ConfigError(
            f"recipe {config.recipe!r} asks for no rationales beforehand, so there is nothing to write; "
            "tinyllm and step_by_step do. With wire.in_batches = true its teachers are asked in batches as "
            "it goes."
        )
    if config.labels.train != "gold":
        raise ConfigError(
            f"labels.train = {config.labels.train!r} is made while the run goes, and the rationales stand on "
            "it; write the labels into the data first, or set the teacher's wire.in_batches = true."
        )
    alone = config.evaluation.model_copy(update={"baselines": ()})
    calls = dry_calls(
        config.model_copy(update={"evaluation": alone}), make_ready(config), guess=LOW, most=None
    )
    mine = [call for call in calls if call.teacher == table.name and call.request.role in _WRITING]
    return [call.request for call in mine if call.place[0] == mine[0].place[0]]
