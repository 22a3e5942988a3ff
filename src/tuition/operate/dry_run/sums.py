"""Sums over dry runs: what each teacher would be asked in each role, and what each round would ask."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tuition.core.budget import Cost
from tuition.core.records import Record
from tuition.operate.dry_run.calls import count_of, usd_of
from tuition.operate.dry_run.stand_ins import DryCall

__all__ = ["PlannedCalls", "RoundPlan", "Span", "new_of", "rounds_of", "rows_of"]


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


def new_of(calls: Iterable[DryCall]) -> list[DryCall]:
    """Give those that the store has no reply to."""
    return [call for call in calls if not call.is_kept]


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
    new = [new_of(one) for one in runs]
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
