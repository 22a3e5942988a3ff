"""What calls would cost before they are made: two guesses and a bound."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuition.annotation.asker import EXPECTED_SHARE, guess, longer_of
from tuition.core.budget import to_usd, worst_cost
from tuition.core.protocols import Teacher
from tuition.core.records import Record, Request
from tuition.core.store import Store

__all__ = [
    "LOW_SHARE",
    "PricedCall",
    "TeacherPlan",
    "kept_in",
    "plan_calls",
    "price_call",
    "sum_usd",
]

LOW_SHARE = 0.1
"""Share of `max_tokens` that a short answer is guessed to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherPlan(Record):
    """What one teacher would be asked, and what is not paid for yet."""

    teacher: str
    """Its name; behind a comma what for, where it is no rationale and no examination."""
    calls: int
    """All calls of the run."""
    kept: int
    """Those whose answer is in the store already."""
    expected_tokens: int
    """A guess, for the calls to be made."""
    low_usd: float | None
    """A guess; None: the price is unknown."""
    expected_usd: float | None
    """A guess, in the middle."""
    high_usd: float | None
    """A bound: no answer costs more, not even one that is cut off and asked for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedCall(Record):
    """What is to be known of a request to price it; its text stays where it is."""

    key: str
    """Of the request."""
    tokens: int
    """A guess."""
    low: int | None
    """Nano-dollars, a guess; None: the price is unknown."""
    expected: int | None
    """A guess, in the middle."""
    high: int | None
    """A bound; where the reply may be cut off and asked for longer, of both."""
    low_tokens: int
    """A guess."""
    high_tokens: int
    """A bound, of both."""
    high_calls: int = 1
    """2 where it may be asked for longer."""
    dearest: int | None
    """Nano-dollars, a bound of the dearer of the two."""


def price_call(request: Request, teacher: Teacher, *, longer: float = 1.0) -> PricedCall:
    """Price one call.

    Args:
        request: With its `max_tokens`.
        teacher: Whom it would go to; one that is not paid costs nothing.
        longer: As in `AnnotationConfig`; 1: a reply that is cut off is not asked for longer.

    Returns:
        The price, and how many tokens to expect.
    """
    low, expected = (guess(request, teacher.price, share) for share in (LOW_SHARE, EXPECTED_SHARE))
    again = longer_of(request, teacher, times=longer)
    worst = [worst_cost(one, teacher.price) for one in (request, again) if one is not None]
    highs = [cost.nano for cost in worst if cost.nano is not None]
    is_known = len(highs) == len(worst)
    is_paid = teacher.abilities.is_paid
    return PricedCall(
        key=request.key,
        tokens=expected.tokens,
        low=low.nano if is_paid else 0,
        expected=expected.nano if is_paid else 0,
        high=(sum(highs) if is_known else None) if is_paid else 0,
        low_tokens=low.tokens,
        high_tokens=sum(cost.tokens for cost in worst),
        high_calls=len(worst),
        dearest=(max(highs) if is_known else None) if is_paid else 0,
    )


def kept_in(path: str, keys: Sequence[str]) -> Collection[str]:
    """Find the calls that are paid for already.

    Args:
        path: Of the store; it is not made where there is none.
        keys: Of requests.

    Returns:
        Those whose reply is kept.
    """
    if not Path(path).exists():
        return ()
    with Store(Path(path)) as store:
        return store.kept(list(keys))


def plan_calls(name: str, calls: Mapping[str, PricedCall], *, kept: Collection[str]) -> TeacherPlan:
    """Sum up calls.

    Args:
        name: What the row is called.
        calls: By key.
        kept: Keys of those that are paid for.

    Returns:
        The row.
    """
    new = [call for key, call in calls.items() if key not in kept]
    return TeacherPlan(
        teacher=name,
        calls=len(calls),
        kept=len(calls) - len(new),
        expected_tokens=sum(call.tokens for call in new),
        low_usd=_usd(call.low for call in new),
        expected_usd=_usd(call.expected for call in new),
        high_usd=_usd(call.high for call in new),
    )


def _usd(nanos: Iterable[int | None]) -> float | None:
    known = list(nanos)
    whole = [nano for nano in known if nano is not None]
    return to_usd(sum(whole)) if len(whole) == len(known) else None


def sum_usd(amounts: Iterable[float | None]) -> float | None:
    """Add up dollars.

    Args:
        amounts: None: unknown.

    Returns:
        The sum; None where one of them is unknown.
    """
    known = list(amounts)
    whole = [amount for amount in known if amount is not None]
    return sum(whole) if len(whole) == len(known) else None
