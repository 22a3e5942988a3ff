"""What an active run would ask round by round, and what that would cost, before anything is paid."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuition.annotation.revise import BLIND
from tuition.core.records import Example, Record
from tuition.core.store import Store
from tuition.recipes.dry_run.example import GOES_ON, STEPS, ExamplePrice, ExamplePricer, Use
from tuition.recipes.rounds.check import open_panel
from tuition.recipes.rounds.config import Allowance, Elad
from tuition.recipes.rounds.purse import PROBE
from tuition.selection import needs_of

__all__ = ["RoundPlan", "RoundsPlan", "Span", "plan_rounds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Record):
    """A number that is not known yet."""

    low: float | None
    """A guess; None: unknown."""
    expected: float | None
    """A guess, in the middle."""
    high: float | None
    """A bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan(Record):
    """What one round, or all of them, would ask."""

    items: Span
    """Examples asked about."""
    calls: Span
    tokens: Span
    usd: Span
    """Dollars; of unknown ones: a price is unknown."""
    annotator: str = ""
    """Empty: that of the rounds."""
    is_cold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsPlan(Record):
    """What an active run would ask, counted as if every answer were bought alone."""

    teachers: str
    """Who is asked about an example, such as `ada`, `one of ada, chen`, `ada, then chen` or
    `ada, chen as a panel`."""
    rounds: tuple[RoundPlan, ...]
    """In order; no rule ends them before."""
    total: RoundPlan
    """Of all rounds; low is where a stop rule ends them as early as it may."""
    begun_usd: float
    """Dollars of what a run that was broken off has asked of it already; 0 where a price is unknown."""
    notes: tuple[str, ...]
    """What the user should know before starting."""

    @property
    def expected_usd(self) -> float | None:
        """The guess for what is still to be asked; None: a price is unknown."""
        whole = self.total.usd.expected
        return None if whole is None else max(0.0, whole - self.begun_usd)


def plan_rounds(config: Elad, pool: Sequence[Example], *, has_valid: bool) -> RoundsPlan:
    """Price the rounds of an active run, on a sample of its pool.

    Low and expected are guesses. High is a bound as far as one can be had: each example as dear as the
    dearest of the sample, and as many as the limits in items and calls let through; a limit in calls, tokens
    or dollars is passed by about one such example. Replies asked for longer are counted, retries are not.

    Args:
        config: Of the run.
        pool: The training part it works with, labelled as configured; one example or more.
        has_valid: Whether there is a validation part.

    Returns:
        The plan; nobody was asked.

    Raises:
        ConfigError: What is configured could not be done; see `check_rounds`.
        TeacherError: The terms of a teacher forbid learning from it.
    """
    panel = open_panel(config, has_valid=has_valid)
    shown = config.shown(pool)
    pricer = ExamplePricer(config, panel.everyone, shown)
    begun = _begun(config)
    reach = _Reach(config, pricer, n=len(shown), last_sure=_last_sure(config, has_valid=has_valid))
    return RoundsPlan(
        teachers=pricer.teachers(),
        rounds=tuple(reach.round(number) for number in range(config.rounds.most)),
        total=reach.total(),
        begun_usd=begun,
        notes=tuple(_notes(config, pricer, n=len(shown), has_valid=has_valid, begun=begun)),
    )


def _begun(config: Elad) -> float:
    """Dollars of what the rounds of this very run have asked so far; labels are planned by themselves."""
    name, store = Path(config.out) / "run_id", Path(config.store)
    if not name.exists() or not store.exists():
        return 0.0
    with Store(store) as opened:
        roles: Any = opened.spend(name.read_text(encoding="utf-8").strip()).by_role
    return sum(row["usd"] or 0.0 for role, row in roles.items() if role != "label")


def _last_sure(config: Elad, *, has_valid: bool) -> int:
    """How many rounds there are before a stop rule may hold."""
    stop = config.rounds.stop
    earliest = [config.rounds.most]
    if has_valid and stop.plateau_points:
        earliest.append(stop.plateau_rounds + 1)
    if has_valid and stop.extrapolation_points is not None:
        earliest.append(4)
    if stop.certain_below is not None and needs_of(config.selection):
        earliest.append(1)
    return min(config.rounds.most, max(stop.least_rounds, min(earliest)))


class _Reach:
    """How far the allowances reach, at the least, the expected and the greatest price of an example."""

    def __init__(self, config: Elad, pricer: ExamplePricer, *, n: int, last_sure: int) -> None:
        self._config = config
        self._n = n
        self._last_sure = last_sure
        rounds = config.rounds
        self._has_cold = rounds.cold.items != 0
        self._later = pricer.price(config.annotator, is_cold=False)
        if config.annotator not in BLIND and rounds.blind_above < 1:
            self._later = _switching(self._later, pricer.price("chain", is_cold=False))
        first = config.annotator if config.annotator in BLIND else "chain"
        self._first = pricer.price(first, is_cold=True) if self._has_cold else self._later
        self._first_by = first if self._has_cold else config.annotator
        # Dear examples are fewer, so that neither end of the price is an end of the number.
        ends: tuple[Callable[[ExamplePrice], Use], ...] = (
            lambda price: price.low,
            lambda price: price.expected,
            lambda price: price.high,
        )
        self._ways = [_Way(of, self._items(of)) for of in ends]

    def round(self, number: int) -> RoundPlan:
        """Say what one round would ask."""
        price, is_cold = self._price(number), number == 0 and self._has_cold
        limits = (self._allowance(number), self._config.rounds.total)
        most = min(self._n, *(_most(limit, price) for limit in limits))
        low = [way.used(number, price) for way in self._ways]
        is_sure = number < self._last_sure
        return _row(
            low=low if is_sure else [_NOTHING],
            expected=self._ways[1].used(number, price),
            high=_bound(price, limits, n=math.floor(most)),
            annotator=self._first_by if number == 0 else self._config.annotator,
            is_cold=is_cold,
        )

    def total(self) -> RoundPlan:
        """Say what all rounds together would ask."""
        numbers = range(self._config.rounds.most)
        dearest = ExamplePrice.one_of([self._first, self._later])
        rounds = [self.round(number) for number in numbers]
        limit = self._config.rounds.total
        most = min(self._n, sum(row.items.high or 0 for row in rounds), _most(limit, dearest))
        bound = _bound(dearest, [limit], n=math.floor(most))
        added = _added([_high(row) for row in rounds])
        early = [
            _added([way.used(number, self._price(number)) for number in numbers[: self._last_sure]])
            for way in self._ways
        ]
        return _row(
            low=early,
            expected=_added([self._ways[1].used(number, self._price(number)) for number in numbers]),
            high=_Asked(min(bound.items, added.items), Use.of([bound.use, added.use], min)),
        )

    def _price(self, number: int) -> ExamplePrice:
        return self._first if number == 0 else self._later

    def _allowance(self, number: int) -> Allowance:
        rounds = self._config.rounds
        return rounds.cold if number == 0 and self._has_cold else rounds.each

    def _items(self, of: Callable[[ExamplePrice], Use]) -> list[int]:
        """How many examples each round asks about, if all have this price."""
        left, total, found = self._n, self._config.rounds.total, []
        for number in range(self._config.rounds.most):
            use = of(self._price(number))
            rooms = (_room(self._allowance(number), use), _room(total, use, is_first=not found))
            n = math.floor(min(left, *rooms))
            left, total = left - n, _less(total, use, n=n)
            found.append(n)
        return found


@dataclass(frozen=True, slots=True)
class _Asked:
    """Examples, and what asking about them uses."""

    items: int
    use: Use


_NOTHING = _Asked(0, Use())


@dataclass(frozen=True, slots=True)
class _Way:
    """One way the run may go: what an example uses, and how many each round then asks about."""

    of: Callable[[ExamplePrice], Use]
    items: list[int]

    def used(self, number: int, price: ExamplePrice) -> _Asked:
        n = self.items[number]
        return _Asked(n, Use().plus(self.of(price), share=n))


def _switching(price: ExamplePrice, chain: ExamplePrice) -> ExamplePrice:
    """Mending may be given up for chains; nothing is expected of it."""
    return dataclasses.replace(ExamplePrice.one_of([price, chain]), expected=price.expected)


def _room(allowance: Allowance, use: Use, *, is_first: bool = True) -> float:
    """How many examples of one price an allowance lets through."""
    shares = _shares(allowance, use)
    # What one costs is learnt by asking about a few, whatever is allowed.
    rooms = [max(PROBE, share) if share > 0 and is_first else share for share in shares]
    rooms += [] if allowance.items is None else [float(allowance.items)]
    return min(rooms, default=math.inf)


def _most(allowance: Allowance, price: ExamplePrice) -> float:
    """How many examples an allowance may let through at the most: nobody knows how short answers may be."""
    return _room(allowance, Use(calls=price.low.calls))


def _shares(allowance: Allowance, use: Use) -> list[float]:
    pairs = ((allowance.calls, use.calls), (allowance.tokens, use.tokens), (allowance.usd, use.usd))
    return [
        limit / one if one else (math.inf if limit else 0.0)
        for limit, one in pairs
        if limit is not None and one is not None
    ]


def _less(allowance: Allowance, use: Use, *, n: int) -> Allowance:
    left = {
        "items": None if allowance.items is None else allowance.items - n,
        "calls": None if allowance.calls is None else max(0.0, allowance.calls - n * use.calls),
        "tokens": None if allowance.tokens is None else max(0.0, allowance.tokens - n * use.tokens),
        "usd": None if allowance.usd is None else max(0.0, allowance.usd - n * (use.usd or 0.0)),
    }
    return allowance.model_copy(update=left)


def _bound(price: ExamplePrice, limits: Sequence[Allowance], *, n: int) -> _Asked:
    """Bound what so many examples use within limits, each of which is passed by an example at most.

    Where a limit is below the first few examples, from which the price is learnt, those are the bound.
    """
    high = price.high
    uses = [Use().plus(high, share=n)]
    for limit in limits:
        calls = None if limit.calls is None else _passed(limit.calls, high.calls)
        tokens = None if limit.tokens is None else _passed(limit.tokens, high.tokens)
        usd = None if limit.usd is None or high.usd is None else _passed(limit.usd, high.usd)
        by_calls = None if calls is None or price.call_usd is None else calls * price.call_usd
        by_tokens = None if tokens is None or price.token_usd is None else tokens * price.token_usd
        known = [amount for amount in (usd, by_calls, by_tokens) if amount is not None]
        uses.append(
            Use(
                calls=math.inf if calls is None else calls,
                tokens=math.inf if tokens is None else tokens,
                usd=None if high.usd is None else min(known, default=math.inf),
            )
        )
    return _Asked(n, Use.of(uses, min))


def _passed(limit: float, one: float) -> float:
    return max(limit + one, PROBE * one) if limit else 0.0


def _added(parts: Sequence[_Asked]) -> _Asked:
    use = Use()
    for part in parts:
        use = use.plus(part.use)
    return _Asked(sum(part.items for part in parts), use)


def _high(row: RoundPlan) -> _Asked:
    return _Asked(
        int(row.items.high or 0),
        Use(calls=row.calls.high or 0.0, tokens=row.tokens.high or 0.0, usd=row.usd.high),
    )


def _row(
    *, low: Sequence[_Asked], expected: _Asked, high: _Asked, annotator: str = "", is_cold: bool = False
) -> RoundPlan:
    """Write a row: the least of several lows, and a bound that is never below the guesses."""
    least = Use.of([*(way.use for way in low), expected.use], min)
    most = Use.of([expected.use, high.use], max)
    mean = expected.use
    return RoundPlan(
        items=Span(
            low=min(*(way.items for way in low), expected.items),
            expected=expected.items,
            high=max(expected.items, high.items),
        ),
        calls=Span(low=round(least.calls), expected=round(mean.calls), high=math.ceil(most.calls)),
        tokens=Span(low=round(least.tokens), expected=round(mean.tokens), high=math.ceil(most.tokens)),
        usd=Span(low=least.usd, expected=mean.usd, high=most.usd),
        annotator=annotator,
        is_cold=is_cold,
    )


def _notes(config: Elad, pricer: ExamplePricer, *, n: int, has_valid: bool, begun: float) -> list[str]:
    rounds, allocation, stop = config.rounds, config.allocation, config.rounds.stop
    notes = [
        f"the rounds are priced on {pricer.sampled} of {n} questions of the pool, every answer counted as if "
        "bought alone; what is in the store already costs nothing new"
    ]
    if begun:
        notes.append(f"the run was begun, and has asked for ${begun:.4f} of what the rounds show")
    limits = (rounds.cold, rounds.each, rounds.total)
    if any((limit.calls, limit.tokens, limit.usd) != (None, None, None) for limit in limits):
        notes.append(
            "a limit of [rounds] in calls, tokens or dollars is met to within about one example, the "
            f"dearest of the sample in the bound, and never below the first {PROBE}, from which the price is "
            "learnt"
        )
    if config.annotator not in BLIND:
        notes.append(
            f"what {config.annotator} asks depends on what the student writes: {STEPS} steps are guessed, 0 "
            f"or 1 at the least, {config.revision.max_steps} at the most, within explanation.max_tokens"
        )
    if allocation.escalate and len(config.writers) > 1:
        notes.append(f"{100 * GOES_ON:.0f} % of the replies are guessed to go on to the next teacher")
        if allocation.check == "student" and rounds.cold.items != 0:
            notes.append(
                "in the cold start no student has explained yet, so with allocation.check = 'student' the "
                "last teacher alone is asked there; check = 'sample' looks at the teacher's own answers"
            )
    if not has_valid:
        notes.append(
            "there is no validation: no learning curve is drawn, and neither the plateau nor the "
            "extrapolation can end the rounds"
        )
    if stop.certain_below is not None and not needs_of(config.selection):
        notes.append(
            f"rounds.stop.certain_below never holds: strategy {config.selection.strategy!r} scores nothing"
        )
    return notes
