"""Where a run pays and keeps what it asks for. Knows no teacher."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tuition.core.budget import Budget, to_nano
from tuition.core.protocols import Progress
from tuition.core.store import Cap, Place, Store

__all__ = ["Account"]

_BUDGET = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where the calls of a run are paid and their replies kept, within its limits; and who hears of it."""

    store: Store
    place: Place
    """The run and round that ask; its group shares the limits."""
    budget: Budget = _BUDGET
    """Limits, and policies on unknown outcomes and unknown prices."""
    progress: Progress | None = None
    """Told after every answer."""

    @property
    def caps(self) -> tuple[Cap, ...]:
        """The limits on the run, or on the group that shares them; none where nothing is limited."""
        budget = self.budget
        nano = None if budget.usd is None else to_nano(budget.usd)
        limits = (nano, budget.tokens, budget.calls)
        cap = Cap(scope=self.place.group or self.place.run, nano=nano, tokens=limits[1], calls=limits[2])
        return () if limits == (None, None, None) else (cap,)

    def telling(self, whom: str) -> Account:
        """Give the same account for one part of the asking.

        Args:
            whom: Who is asked; stands behind the stage in what is told.

        Returns:
            The account.
        """
        told = self.progress
        if told is None:
            return self
        return dataclasses.replace(
            self, progress=lambda stage, done, total: told(f"{stage} {whom}", done, total)
        )
