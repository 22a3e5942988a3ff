"""What asking about one example of an active run would cost: by annotator, teachers and second opinions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, Self

from tuition.annotation import Asker
from tuition.annotation.asker import EXPECTED_SHARE, LETTERS_PER_TOKEN
from tuition.annotation.prompts import verify_messages
from tuition.annotation.revise import BLIND, Planned, revision_requests
from tuition.annotation.revise.prompts import is_short
from tuition.annotation.routing import by_expected_price
from tuition.core.budget import NANO, to_usd
from tuition.core.protocols import Teacher
from tuition.core.records import Example, Prediction
from tuition.recipes.plan.pricing import LOW_SHARE, PricedCall, price_call
from tuition.recipes.rounds.config import Elad
from tuition.recipes.rounds.second_opinion import cheapest_other

__all__ = ["GOES_ON", "SAMPLE", "STEPS", "ExamplePrice", "ExamplePricer", "Use", "sample_of"]

SAMPLE: Final = 50
"""Questions of the pool that are priced; the longest one is among them."""
STEPS: Final = 4
"""Steps that a student's explanation is guessed to have; at most `revision.max_steps`."""
GOES_ON: Final = 0.5
"""Share of replies that are guessed to fail the check, so that the next teacher is asked."""

_Calls = list[list[Planned]]
"""Question by question, the calls that are made about it."""
_End = Literal["low", "expected", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What is used, as `[rounds]` counts it: as if every answer were bought alone."""

    calls: float = 0.0
    tokens: float = 0.0
    usd: float | None = 0.0
    """None: a price is unknown."""

    def plus(self, other: Use, *, share: float = 1.0) -> Use:
        """Add a share of another use.

        Args:
            other: The other.
            share: 0 or more.

        Returns:
            The sum.
        """
        usd = None if self.usd is None or other.usd is None else self.usd + share * other.usd
        return Use(calls=self.calls + share * other.calls, tokens=self.tokens + share * other.tokens, usd=usd)

    @classmethod
    def of(cls, uses: Sequence[Use], how: Callable[[list[float]], float]) -> Self:
        """Make one use of several, number by number.

        Args:
            uses: One or more.
            how: Such as `min`.

        Returns:
            The use.
        """
        return cls(
            calls=how([use.calls for use in uses]),
            tokens=how([use.tokens for use in uses]),
            usd=_of([use.usd for use in uses], how),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplePrice:
    """What asking about one example uses."""

    low: Use = Use()
    """A guess."""
    expected: Use = Use()
    """A guess, in the middle."""
    high: Use = Use()
    """No example that was priced uses more."""
    call_usd: float | None = 0.0
    """A bound of its dearest call, dollars; None: a price is unknown."""
    token_usd: float | None = 0.0
    """The price of its dearest token, dollars; None: unknown."""

    def plus(self, other: ExamplePrice, *, least: float = 1.0, expected: float = 1.0) -> ExamplePrice:
        """Add what is asked after it.

        Args:
            other: What that uses.
            least: Share of the examples for which it is asked in the best case; in the worst it always is.
            expected: The same in the middle.

        Returns:
            The sum.
        """
        return ExamplePrice(
            low=self.low.plus(other.low, share=least),
            expected=self.expected.plus(other.expected, share=expected),
            high=self.high.plus(other.high),
            call_usd=_of([self.call_usd, other.call_usd], max),
            token_usd=_of([self.token_usd, other.token_usd], max),
        )

    @classmethod
    def one_of(cls, prices: Sequence[ExamplePrice]) -> Self:
        """Price what goes one of several ways: the least, the mean, the most.

        Args:
            prices: Of each way; one or more.

        Returns:
            The price.
        """
        return cls(
            low=Use.of([price.low for price in prices], min),
            expected=Use.of([price.expected for price in prices], _mean),
            high=Use.of([price.high for price in prices], max),
            call_usd=_of([price.call_usd for price in prices], max),
            token_usd=_of([price.token_usd for price in prices], max),
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _of(amounts: Sequence[float | None], how: Callable[[list[float]], float]) -> float | None:
    """Make one amount of several; None: one of them is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return how(known) if len(known) == len(amounts) else None


def sample_of(pool: Sequence[Example], *, seed: int) -> list[Example]:
    """Draw the questions that stand for a pool.

    Args:
        pool: One example or more.
        seed: Equal seeds draw equal questions.

    Returns:
        `SAMPLE` of them at most: the longest question, then the drawn ones in the order of the pool.
    """
    longest = max(pool, key=lambda item: len(item.question) + sum(len(choice) for choice in item.choices))
    others = [item for item in pool if item.id != longest.id]
    drawn = set(Random(f"{seed}/plan").sample(range(len(others)), min(SAMPLE - 1, len(others))))
    return [longest, *(item for i, item in enumerate(others) if i in drawn)]


class ExamplePricer:
    """Prices one example of an active run, as its rounds would ask about it."""

    def __init__(self, config: Elad, everyone: Sequence[Asker], pool: Sequence[Example]) -> None:
        """Ask nobody.

        Args:
            config: Of the run.
            everyone: Whom it may ask, as `Panel.everyone` has them.
            pool: Its examples, without labels unless those are used.
        """
        self._config = config
        self._everyone = {who.name: who for who in everyone}
        self._by_name = {who.name: who.teacher for who in everyone}
        self._writers = [table.name for table in config.writers]
        self._pool = pool
        self._sample = sample_of(pool, seed=config.seed)

    @property
    def sampled(self) -> int:
        """How many questions were priced."""
        return len(self._sample)

    def teachers(self) -> str:
        """Name who is asked.

        Returns:
            Such as `ada`, `one of ada, chen`, `ada, then chen` or `ada, chen as a panel`.
        """
        if self._config.annotator == "clear_panel":
            return f"{', '.join(self._everyone)} as a panel"
        names, allocation = self._names(), self._config.allocation
        if allocation.escalate:
            return ", then ".join(names)
        return names[0] if len(names) == 1 else f"one of {', '.join(names)}"

    def price(self, by: str, *, is_cold: bool) -> ExamplePrice:
        """Price an example.

        Args:
            by: The annotator's name.
            is_cold: Whether nobody has explained anything yet.

        Returns:
            What asking about it uses, second opinions included.
        """
        names, allocation = self._names(), self._config.allocation
        asked = {name: self._written(name, by) for name in names}
        looked = {
            name: asked[name].plus(self._look(name))
            if allocation.has_history or i < len(names) - 1
            else asked[name]
            for i, name in enumerate(names)
        }
        if not allocation.escalate:
            ways = looked if allocation.has_history else asked
            return ExamplePrice.one_of(list(ways.values()))
        total = ExamplePrice()
        for i, name in enumerate(allocation.in_turn(names, has_drafts=not is_cold)):
            total = total.plus(looked[name], least=float(i == 0), expected=GOES_ON**i)
        return total

    def _names(self) -> list[str]:
        """The teachers that may write, the first asked first."""
        allocation = self._config.allocation
        if allocation.escalate:
            if allocation.order == "tables":
                return self._writers
            costs = {name: self._written(name, "chain").expected.usd or 0.0 for name in self._writers}
            return by_expected_price(costs)
        return [allocation.teacher or self._writers[0]] if allocation.allocation == "fixed" else self._writers

    def _written(self, name: str, by: str) -> ExamplePrice:
        """What one teacher's annotation uses, the panel's votes included."""
        bare = self._planned(name, by, steps=0, share=0.0)
        if by in BLIND:
            return self._priced(low=[bare], expected=bare, high=[bare])
        most = self._config.revision.max_steps
        short = self._planned(name, by, steps=1, share=LOW_SHARE)
        usual = self._planned(name, by, steps=min(STEPS, most), share=EXPECTED_SHARE)
        long = self._planned(name, by, steps=most, share=1.0)
        # An explanation without a step leads to a chain, which may cost less than mending one step, or more.
        return self._priced(low=[bare, short], expected=usual, high=[bare, long])

    def _planned(self, name: str, by: str, *, steps: int, share: float) -> _Calls:
        """The calls about each question of the sample, given an explanation of so many steps."""
        config, who = self._config, self._everyone[name]
        letters = round(share * config.explanation.max_tokens * LETTERS_PER_TOKEN)
        text = "\n".join(["x" * max(1, letters // steps)] * steps) if steps else ""
        drafts = [
            Prediction(example_id=item.id, text=text, answer=next(iter(item.choices), "x"))
            for item in self._sample
        ]
        planned = revision_requests(
            drafts,
            {item.id: item for item in self._sample},
            by=by,
            asker=dataclasses.replace(who, train=self._pool),
            panel=list(self._everyone.values()),
            revision=config.revision,
        )
        found: dict[str, list[Planned]] = {item.id: [] for item in self._sample}
        for one in planned:
            found[one.request.example_id].append(one)
        return list(found.values())

    def _priced(self, *, low: list[_Calls], expected: _Calls, high: list[_Calls]) -> ExamplePrice:
        """Price an example from its calls, given explanations of several lengths."""
        least = [self._used(calls, "low") for calls in low]
        most = [self._used(calls, "high") for calls in high]
        return _across(
            low=[Use.of(uses, min) for uses in zip(*least, strict=True)],
            expected=self._used(expected, "expected"),
            high=[Use.of(uses, max) for uses in zip(*most, strict=True)],
            call_usd=_of(
                [to_usd(self._price(one).dearest) for calls in high for row in calls for one in row], max
            ),
            token_usd=_of([_token_usd(who.teacher) for who in self._everyone.values()], max),
        )

    def _used(self, calls: _Calls, end: _End) -> list[Use]:
        """What the calls about each question use, each as often as it is made."""
        found: list[Use] = []
        for row in calls:
            total = Use()
            for one in row:
                share = {"low": one.calls.least, "expected": one.calls.expected, "high": one.calls.most}[end]
                total = total.plus(_one(self._price(one), end), share=share)
            found.append(total)
        return found

    def _price(self, one: Planned) -> PricedCall:
        longer = 1.0 if is_short(one.request.prompt) else self._config.annotation.longer
        return price_call(one.request, self._by_name[one.request.teacher], longer=longer)

    def _look(self, name: str) -> ExamplePrice:
        """What a second opinion at a reply of this teacher uses."""
        check = self._config.allocation.check
        if check == "student":
            return ExamplePrice()
        if check == "sample":
            return self._written(name, "chain")
        other = cheapest_other(list(self._everyone.values()), name)
        return self._written(other.name, "chain") if check == "panel" else self._verified(name, other)

    def _verified(self, name: str, who: Asker) -> ExamplePrice:
        """Calls that show a reply which is not written yet; a text of a guessed length stands for it."""
        longest = next(table.max_tokens for table in self._config.teacher if table.name == name)
        sizes = [round(share * longest * LETTERS_PER_TOKEN) for share in (LOW_SHARE, EXPECTED_SHARE, 1.0)]
        found: list[list[Use]] = []
        ends: tuple[_End, ...] = ("low", "expected", "high")
        for size, end in zip(sizes, ends, strict=True):
            shown = [verify_messages(item, "x" * size) for item in self._sample]
            requests = [who.request(one) for one in shown]
            found.append([_one(price_call(request, who.teacher), end) for request in requests])
        low, expected, high = found
        return _across(
            low=low,
            expected=expected,
            high=high,
            call_usd=_of([use.usd for use in high], max),
            token_usd=_token_usd(who.teacher),
        )


def _across(
    *,
    low: Sequence[Use],
    expected: Sequence[Use],
    high: Sequence[Use],
    call_usd: float | None,
    token_usd: float | None,
) -> ExamplePrice:
    """Make one price of those of all questions: the mean of the drawn ones, and the dearest of all."""
    # The longest question stands first: it counts for the bound alone, unless there is no other.
    return ExamplePrice(
        low=Use.of(low[1:] or low, _mean),
        expected=Use.of(expected[1:] or expected, _mean),
        high=Use.of(high, max),
        call_usd=call_usd,
        token_usd=token_usd,
    )


def _one(price: PricedCall, end: _End) -> Use:
    """One call."""
    match end:
        case "low":
            return Use(calls=1, tokens=price.low_tokens, usd=to_usd(price.low))
        case "expected":
            return Use(calls=1, tokens=price.tokens, usd=to_usd(price.expected))
        case "high":
            return Use(calls=price.high_calls, tokens=price.high_tokens, usd=to_usd(price.high))


def _token_usd(teacher: Teacher) -> float | None:
    """Dollars of a teacher's dearest token."""
    if not teacher.abilities.is_paid:
        return 0.0
    price = teacher.price
    return None if price is None else max(price.prompt, price.completion, price.cached or 0) / 1e6 / NANO
