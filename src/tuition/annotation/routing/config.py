"""The policies: who is asked about a question, and which kept rationale is learnt from; their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from tuition.core.config import Section

__all__ = [
    "ALLOCATIONS",
    "POLICIES",
    "ROUTES",
    "Allocation",
    "AllocationConfig",
    "Route",
    "RoutingConfig",
    "SecondOpinion",
]

Route = Literal["all", "random", "similarity", "familiar", "judge", "vote"]
"""How teachers and the examples of a whole training set come together."""
Allocation = Literal["fixed", "random", "cheapest", "bandit", "cascade"]
"""How one teacher is chosen for one item of a round."""
SecondOpinion = Literal["student", "sample", "verify", "panel"]
"""What a cheap teacher's reply is compared with before a dearer one is spared."""

POLICIES: Final[Mapping[str, str]] = {
    "all": "every teacher is asked; an example learns from every kept rationale",
    "random": "one teacher, drawn by the seed, is asked",
    "similarity": "a probe is asked of every teacher, the rest of who was right on similar questions",
    "familiar": "every teacher is asked; the rationale least surprising to the untrained student is learnt",
    "judge": "every teacher is asked; one of them names the best rationale",
    "vote": "every teacher solves; a rationale that ends in the answer most of them give is learnt",
    "fixed": "always the same teacher is asked",
    "cheapest": "the cheapest teacher whose verified replies in the domain are good enough is asked",
    "bandit": "a teacher is drawn by its verified replies in the domain, for the price",
    "cascade": "the cheapest teacher is asked first, the next one where the check of its reply fails",
}
"""Every policy, in words: the routes, and the allocations of a round."""
ROUTES: Final[tuple[str, ...]] = get_args(Route)
ALLOCATIONS: Final[tuple[str, ...]] = get_args(Allocation)

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RoutingConfig(Section):
    """What the routes want to know; each reads its own fields alone."""

    probe: Annotated[float, Field(gt=0, le=1)] = 0.2
    """similarity: share of the chosen training examples asked of every teacher."""
    neighbours: Annotated[int, Field(ge=1)] = 10
    """similarity: how many similar questions of the probe tell how a teacher will do."""
    prior: _Positive = 2.0
    """similarity: how many questions at the teacher's overall rate are imagined beside them."""
    tries: Annotated[int, Field(ge=1)] = 1
    """random, similarity: teachers asked one after the other, until a rationale of one is kept."""
    judge: str = ""
    """judge: name of the teacher who judges."""


class AllocationConfig(Section):
    """Which teacher is asked about an item, and whether a dearer one comes after it."""

    allocation: Allocation = "fixed"
    """How the teacher is chosen: `fixed` (always `teacher`), `random`, `cheapest` (the cheapest whose history
    of verified replies in the domain is good enough), `bandit` (seeded draws from that history) or `cascade`
    (the same as `escalate = true`)."""
    teacher: str = ""
    """fixed: who is asked; empty: the first of the tables."""
    floor: Annotated[float, Field(gt=0, le=1)] = 0.9
    """cheapest: share of the best teacher's adequacy that a cheaper one must surely reach."""
    looks: Annotated[int, Field(ge=0)] = 20
    """cheapest: verified replies of a teacher in a domain below which it is unknown there, and tried."""
    prior: tuple[_Positive, _Positive] = (1.0, 1.0)
    """cheapest, bandit: replies imagined for each teacher and domain beforehand, adequate and not."""
    value: _Positive | None = None
    """bandit: dollars that an adequate reply is worth, less its price; None: adequate replies a dollar."""
    escalate: bool = False
    """Whether every item begins with the cheapest teacher, and goes on to the next where the check fails."""
    check: SecondOpinion = "student"
    """cascade: what lets a reply stand: `student` (the student's own answer is the same), `sample` (a second
    sample of the same teacher is), `verify` (another teacher comes to it from the reply), `panel` (two cheap
    teachers agree)."""
    order: Literal["price", "tables"] = "price"
    """cascade: who comes after whom: by expected price, or as the tables stand."""

    @property
    def has_history(self) -> bool:
        """Whether the choice reads the history of verified replies."""
        return self.allocation in ("cheapest", "bandit")

    @property
    def is_checked(self) -> bool:
        """Whether replies are compared with a second opinion, and prices say who is asked."""
        return self.escalate or self.has_history

    def in_turn(self, names: Sequence[str], *, has_drafts: bool) -> Sequence[str]:
        """Say who is asked one after the other in a cascade, given all names, the first asked first.

        Only the last where the student is to check and has not explained the questions yet: every cheaper
        reply would be paid for nothing.
        """
        return names if has_drafts or self.check != "student" else names[-1:]

    @model_validator(mode="before")
    @classmethod
    def _cascade_is_kept_as_before(cls, value: object) -> object:
        # Folders of 0.1.0 say `escalate`; one form on disk, so that they compare equal.
        if isinstance(value, Mapping) and value.get("allocation") == "cascade":
            if value.get("escalate") is False or value.get("teacher"):
                raise ValueError(
                    "allocation = 'cascade' asks the teachers one after the other: leave `escalate` and "
                    "`teacher` out, or set another allocation"
                )
            return {**value, "allocation": "fixed", "escalate": True}
        return value

    @model_validator(mode="after")
    def _teacher_is_read(self) -> Self:
        if self.teacher and self.allocation != "fixed":
            raise ValueError(
                f"teacher is {self.teacher!r}, which allocation = {self.allocation!r} does not read; "
                "leave it out, or set allocation = 'fixed'"
            )
        return self
