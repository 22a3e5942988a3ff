"""Where a run pays and keeps what it asks for. Knows no teacher."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuition.core.budget import Budget, Cost, to_nano, to_usd, worst_cost
from tuition.core.errors import TeacherError
from tuition.core.protocols import Progress, Teacher
from tuition.core.records import Failure, Reply, Request
from tuition.core.store import Cap, Left, Outcome, Place, Refused, Store, Written

__all__ = ["Account", "StandInFor", "check_price", "unknown_outcome", "unpaid", "worst_of"]

StandInFor = Callable[[Teacher, Place, Sequence[Request]], Teacher]
"""Gives who answers in the place of a teacher, when a plan is made."""

_BUDGET = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where the calls of a run are paid and their replies kept, within its limits, and who is told."""

    store: Store
    place: Place
    """The run and round that ask; its group shares the limits."""
    budget: Budget = _BUDGET
    """Limits, and policies on unknown outcomes and unknown prices."""
    round_usd: float | None = None
    """Dollars for the round of the place alone, besides; None: no limit."""
    progress: Progress | None = None
    """Told after every answer."""
    stand_in: StandInFor | None = None
    """Who answers in a dry run; None: the teachers themselves."""

    @property
    def caps(self) -> tuple[Cap, ...]:
        """The limits on the run, or on the group that shares them; none where nothing is limited."""
        budget = self.budget
        nano = None if budget.usd is None else to_nano(budget.usd)
        limits = (nano, budget.tokens, budget.calls)
        cap = Cap(scope=self.place.group or self.place.run, nano=nano, tokens=limits[1], calls=limits[2])
        own = () if limits == (None, None, None) else (cap,)
        if self.round_usd is None:
            return own
        of_round = f"{self.place.run}/round/{self.place.round}"
        return (*own, Cap(scope=of_round, nano=to_nano(self.round_usd)))

    def reserve(
        self,
        request: Request,
        teacher: Teacher,
        *,
        worst: Cost | None = None,
        buys: bool = True,
        batch: str = "",
    ) -> Written[Outcome]:
        """Reserve a call within the limits; `buys` false: what is kept comes, and nothing is reserved."""
        return self.store.reserve(
            request,
            worst or worst_of(request, teacher),
            place=self.place,
            caps=self.caps if buys else (Cap(scope=self.place.run, calls=0),),
            price=teacher.price,
            asks_again=self.budget.on_unknown == "ask_again",
            batch=batch,
        )

    def telling(self, whom: str) -> Account:
        """Give the same account for one part of the asking."""
        told = self.progress
        if told is None:
            return self
        return dataclasses.replace(
            self, progress=lambda stage, done, total: told(f"{stage} {whom}", done, total)
        )


def check_price(teacher: Teacher, account: Account) -> None:
    """Refuse to ask at an unknown price under a limit in dollars, which could not be held."""
    if teacher.price is not None or not teacher.abilities.is_paid or account.budget.allow_unknown_price:
        return
    capped = next((cap for cap in account.caps if cap.nano is not None), None)
    if capped is not None:
        raise TeacherError(
            f"the price of teacher {teacher.name!r} (model {teacher.model!r}) is unknown, and "
            f"{capped.scope!r} has a limit of {to_usd(capped.nano)} dollars that could not be held. Set "
            "price_prompt and price_completion in its table, or budget.allow_unknown_price = true."
        )


def worst_of(request: Request, teacher: Teacher) -> Cost:
    """Bound what a call to a teacher can cost; one that is not paid takes tokens alone."""
    worst = worst_cost(request, teacher.price)
    able = teacher.abilities
    return worst if able.is_paid else Cost(nano=0, tokens=max(worst.tokens, able.most_tokens))


def unknown_outcome(left: Left) -> Reply:
    """Give the reply to a call whose earlier attempt nobody saw the end of."""
    message = f"nobody saw how attempt {left.attempt_id} ended, and budget.on_unknown is 'leave'"
    return Reply(failure=Failure(kind="unknown_outcome", message=message, is_paid=None))


def unpaid(refused: Refused | None) -> Reply:
    """Give the reply to a call that was not made."""
    if refused is None:
        return Reply(failure=Failure(kind="unpaid", message="the call was not made"))
    limit, spent = ((to_usd(n) if refused.what == "usd" else n) for n in (refused.limit, refused.spent))
    message = (
        f"the limit of {limit} {refused.what} on {refused.scope!r} is reached: {spent} spent or set aside"
    )
    return Reply(failure=Failure(kind="unpaid", message=message, is_retryable=True))
