"""How a teacher is chosen for each item, and when the next one is asked. Knows no teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tuition.core.config import Section

__all__ = ["Allocation", "AllocationConfig", "SecondOpinion"]

Allocation = Literal["fixed", "random", "cheapest", "bandit"]
"""How one teacher is chosen for one item."""

SecondOpinion = Literal["student", "sample", "verify", "panel"]
"""What a cheap teacher's reply is held against before a dearer one is spared."""

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AllocationConfig(Section):
    """Which teacher is asked about an item, and whether a dearer one comes after it."""

    allocation: Allocation = "fixed"
    """How the teacher is chosen: `fixed` (always `teacher`), `random`, `cheapest` (the cheapest whose history
    of verified replies in the domain is good enough) or `bandit` (seeded draws from that history)."""
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
    """escalate: what lets a reply stand: `student` (the student's own answer is the same), `sample` (a second
    sample of the same teacher is), `verify` (another teacher comes to it from the reply), `panel` (two cheap
    teachers agree)."""
    order: Literal["price", "tables"] = "price"
    """escalate: who comes after whom: by expected price, or as the tables stand."""

    @property
    def has_history(self) -> bool:
        """Whether the choice reads the history of verified replies."""
        return self.allocation in ("cheapest", "bandit")

    @property
    def is_checked(self) -> bool:
        """Whether replies are held against a second answer, and prices say who is asked."""
        return self.escalate or self.has_history

    def in_turn(self, names: Sequence[str], *, has_drafts: bool) -> Sequence[str]:
        """Say who is asked one after the other where replies are checked.

        Args:
            names: Of the teachers, the first asked first.
            has_drafts: Whether the student has explained the questions.

        Returns:
            All of them; only the last where the student is to check and has nothing to say yet, for every
            cheaper reply would be paid for nothing.
        """
        return names if has_drafts or self.check != "student" else names[-1:]

    @model_validator(mode="after")
    def _teacher_is_read(self) -> Self:
        if self.teacher and self.allocation != "fixed":
            raise ValueError(
                f"teacher is {self.teacher!r}, which allocation = {self.allocation!r} does not read; "
                "leave it out, or set allocation = 'fixed'"
            )
        return self
