"""What each route would ask and cost, before anything is paid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import get_args

from tuition.annotation import Route, RoutingConfig, annotation_requests
from tuition.annotation.asker import EXPECTED_SHARE, LETTERS_PER_TOKEN
from tuition.annotation.prompts import judge_messages, verify_messages
from tuition.annotation.routing import drawn_order, probe_of
from tuition.core.records import Example, Message, Record
from tuition.recipes.asking import asker_of
from tuition.recipes.config import Experiment, route_of
from tuition.recipes.plan.pricing import (
    LOW_SHARE,
    PricedCall,
    TeacherPlan,
    kept_in,
    plan_calls,
    price_call,
    sum_usd,
)

__all__ = ["RoutePlan", "RoutePricer", "asked_for_certain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePlan(Record):
    """What the rationales would cost by one route, second opinions and verdicts included."""

    route: str
    calls: int
    """At most, further samples and further tries left out."""
    low_usd: float | None
    """A guess; None: a price is unknown."""
    expected_usd: float | None
    """A guess, in the middle."""
    high_usd: float | None
    """The dearest way through, further samples and tries included."""
    is_chosen: bool
    """Whether it is the configured one."""


def asked_for_certain(
    examples: Sequence[Example], name: str, *, route: Route, routing: RoutingConfig, config: Experiment
) -> list[Example]:
    """List the examples that a teacher will be asked about, whatever the others answer.

    Args:
        examples: The chosen training examples.
        name: The teacher's.
        route: How teachers are asked.
        routing: Settings of the routes.
        config: Names the teachers and the seed.

    Returns:
        All for routes that ask everybody, the drawn for `random`, the probe for `similarity`.
    """
    writers = [table.name for table in config.writers]
    if name not in writers:
        return []
    if route == "random":
        return [item for item in examples if drawn_order(item, writers, seed=config.seed)[0] == name]
    if route == "similarity":
        return probe_of(examples, routing.probe, seed=config.seed)
    return list(examples)


class RoutePricer:
    """Prices the routes for one configuration and its examples."""

    def __init__(self, config: Experiment, examples: Sequence[Example], shown: Sequence[Example]) -> None:
        """Make the teachers; nobody is asked.

        Args:
            config: Names them.
            examples: The chosen training examples.
            shown: The training split, from which demonstrations are drawn.
        """
        self._config = config
        self._examples = list(examples)
        self._shown = shown
        self._routing = route_of(config)[1]
        self._everyone = {table.name: asker_of(config, table, train=shown) for table in config.teacher}
        self._writers = {table.name: self._everyone[table.name] for table in config.writers}
        self._priced: dict[tuple[str, bool, range], _Priced] = {}

    def plans(self, chosen: Route) -> list[RoutePlan]:
        """Price every route that this configuration could take.

        Args:
            chosen: The configured one.

        Returns:
            One row a route; `vote` is missing where answers of recorded replies were shown, and `judge`
            where nobody reads prompts.
        """
        can = {"vote": self._can_vote(), "judge": bool(self._readers)}
        fit = [route for route in get_args(Route) if can.get(route, True)]
        return [self._plan(route, is_chosen=route == chosen) for route in fit]

    def extra(self, route: Route) -> list[TeacherPlan]:
        """Price what is asked beside the calls that are certain.

        Args:
            route: Which one.

        Returns:
            A row for each kind of call that there is: the rest of a route, second opinions, verdicts, and
            what may be asked further where a filter drops.
        """
        return [*self._beside(route), *self._if_dropped(route)]

    @property
    def _readers(self) -> list[str]:
        return [name for name, who in self._everyone.items() if who.teacher.abilities.reads_prompt]

    def _can_vote(self) -> bool:
        return all(
            who.teacher.abilities.reads_prompt or not who.config.forced for who in self._writers.values()
        )

    def _plan(self, route: Route, *, is_chosen: bool) -> RoutePlan:
        rows = [self._row(name, self._asked(name, route), route) for name in self._writers]
        rows += self._beside(route)
        further = self._if_dropped(route)
        return RoutePlan(
            route=route,
            calls=sum(row.calls for row in rows),
            low_usd=sum_usd(row.low_usd for row in rows),
            expected_usd=sum_usd(row.expected_usd for row in rows),
            high_usd=sum_usd(row.high_usd for row in [*rows, *further]),
            is_chosen=is_chosen,
        )

    def _beside(self, route: Route) -> list[TeacherPlan]:
        """The rest of a route, second opinions at all that is written, verdicts."""
        rest = self._rest(route)
        rows = [] if not rest else [self._somebody(rest, route)]
        rows += [self._looking([name], self._written(name, route)) for name in self._writers]
        rows.append(self._looking(list(self._writers), len(rest) * self._most_samples))
        return [row for row in [*_by_name(rows), self._verdicts(route)] if row is not None and row.calls]

    def _if_dropped(self, route: Route) -> list[TeacherPlan]:
        """Further samples and further teachers, if every rationale but the last were dropped."""
        redraws = self._config.annotation.redraws
        rows = [
            self._row(name, self._asked(name, route), route, further=True)
            for name in self._writers
            if redraws
        ]
        one_by_one = route in ("random", "similarity")
        tries = min(self._routing.tries, len(self._writers)) if one_by_one else 1
        open_ = self._rest(route) if route == "similarity" else self._examples
        rows += [self._somebody(open_, route)] * (tries - 1)
        again = tries if route == "similarity" else tries - 1
        rows += [self._somebody(open_, route, further=True)] * (again if redraws else 0)
        n = sum(row.calls for row in rows)
        rows += [self._looking(list(self._writers), n)]
        if not n:
            return []
        return [
            TeacherPlan(
                teacher="further calls at most, where filters drop",
                calls=sum(row.calls for row in rows),
                kept=0,
                expected_tokens=0,
                low_usd=0.0,
                expected_usd=0.0,
                high_usd=sum_usd(row.high_usd for row in rows),
            )
        ]

    @property
    def _most_samples(self) -> int:
        return max(who.samples for who in self._writers.values())

    def _asked(self, name: str, route: Route) -> list[Example]:
        return asked_for_certain(
            self._examples, name, route=route, routing=self._routing, config=self._config
        )

    def _rest(self, route: Route) -> list[Example]:
        """The questions outside the probe: their number is known, and whom they go to is not."""
        if route != "similarity":
            return []
        probe = {example.id for example in self._asked(next(iter(self._writers)), route)}
        return [example for example in self._examples if example.id not in probe]

    def _written(self, name: str, route: Route) -> int:
        return len(self._asked(name, route)) * self._writers[name].samples

    def _somebody(self, examples: Sequence[Example], route: Route, *, further: bool = False) -> TeacherPlan:
        return _one_of([self._row(name, examples, route, further=further) for name in self._writers])

    def _row(
        self, name: str, examples: Sequence[Example], route: Route, *, further: bool = False
    ) -> TeacherPlan:
        """What a teacher's first samples of some examples cost, or its further ones."""
        samples = self._writers[name].samples
        numbers = range(samples, samples + self._config.annotation.redraws) if further else range(samples)
        priced = self._all_priced(name, numbers, is_free=route == "vote")
        wanted = {example.id for example in examples}
        calls = {call.key: call for id_, call in priced.calls if id_ in wanted}
        return plan_calls(name, calls, kept=priced.kept)

    def _all_priced(self, name: str, numbers: range, *, is_free: bool) -> _Priced:
        """All calls of a teacher, priced once however many routes there are."""
        place = (name, is_free, numbers)
        if place not in self._priced:
            who = self._writers[name]
            requests = annotation_requests(
                self._examples,
                who.how(forced=False) if is_free else who,
                samples=len(numbers),
                first_sample=numbers.start,
            )
            calls = [
                (request.example_id, price_call(request, who.teacher, longer=who.config.longer))
                for request in requests
            ]
            kept = kept_in(self._config.store, [call.key for _, call in calls])
            self._priced[place] = _Priced(calls, kept)
        return self._priced[place]

    def _looking(self, authors: Sequence[str], n: int) -> TeacherPlan:
        """Second opinions at rationales, each of one of these authors."""
        verify = self._config.annotation.verify
        names = list(authors) if verify == "self" else [verify]
        n = n if verify else 0
        longest = max(table.max_tokens for table in self._config.writers if table.name in authors)
        rows = [
            plan_calls(f"{name}, verifying", self._second(name, n, verify_messages, tokens=longest), kept=())
            for name in names
        ]
        return _one_of(rows)

    def _verdicts(self, route: Route) -> TeacherPlan | None:
        """A verdict on every example; where no judge is named yet, by the first who could be one."""
        texts = [table.max_tokens for table in self._config.writers for _ in range(table.samples)]
        name = self._routing.judge or next(iter(self._readers), "")
        if route != "judge" or name not in self._everyone or len(texts) < 2:
            return None

        def make(example: Example, text: str) -> tuple[Message, ...]:
            return judge_messages(example, [text] * len(texts))

        calls = self._second(name, len(self._examples), make, tokens=max(texts))
        return plan_calls(f"{name}, judging", calls, kept=())

    def _second(
        self, name: str, n: int, make: Callable[[Example, str], tuple[Message, ...]], *, tokens: int
    ) -> dict[str, PricedCall]:
        """Calls whose prompts hold what is not written yet; a text of the guessed length stands for it."""
        if not n or name not in self._everyone:
            return {}
        who = self._everyone[name]
        sizes = [round(share * tokens * LETTERS_PER_TOKEN) for share in (LOW_SHARE, EXPECTED_SHARE, 1.0)]
        found: dict[str, PricedCall] = {}
        for i in range(n):
            example = self._examples[i % len(self._examples)]
            texts = [make(example, "x" * size) for size in sizes]
            requests = [who.request(text) for text in texts]
            low, expected, high = (price_call(request, who.teacher) for request in requests)
            found[str(i)] = dataclasses.replace(
                expected,
                key=str(i),
                low=low.low,
                high=high.high,
                low_tokens=low.low_tokens,
                high_tokens=high.high_tokens,
            )
        return found


@dataclass(frozen=True, slots=True)
class _Priced:
    calls: list[tuple[str, PricedCall]]
    """Each with its example's id."""
    kept: Collection[str]
    """Keys of those that are paid for."""


def _one_of(rows: Sequence[TeacherPlan]) -> TeacherPlan:
    """Calls that go to one of several: the cheapest, the mean, the dearest."""
    if len(rows) == 1:
        return rows[0]
    return TeacherPlan(
        teacher=f"one of {', '.join(row.teacher for row in rows)}",
        calls=max(row.calls for row in rows),
        kept=min(row.kept for row in rows),
        expected_tokens=round(sum(row.expected_tokens for row in rows) / len(rows)),
        low_usd=_of([row.low_usd for row in rows], min),
        expected_usd=_of([row.expected_usd for row in rows], lambda values: sum(values) / len(values)),
        high_usd=_of([row.high_usd for row in rows], max),
    )


def _of(amounts: Sequence[float | None], what: Callable[[list[float]], float]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return what(known) if len(known) == len(amounts) else None


def _by_name(rows: Sequence[TeacherPlan]) -> list[TeacherPlan]:
    """One row a name, where the same teacher looks at the rationales of several."""
    found: dict[str, TeacherPlan] = {}
    for row in rows:
        before = found.get(row.teacher)
        found[row.teacher] = row if before is None else _joined(before, row)
    return list(found.values())


def _joined(left: TeacherPlan, right: TeacherPlan) -> TeacherPlan:
    return TeacherPlan(
        teacher=left.teacher,
        calls=left.calls + right.calls,
        kept=left.kept + right.kept,
        expected_tokens=left.expected_tokens + right.expected_tokens,
        low_usd=sum_usd((left.low_usd, right.low_usd)),
        expected_usd=sum_usd((left.expected_usd, right.expected_usd)),
        high_usd=sum_usd((left.high_usd, right.high_usd)),
    )
