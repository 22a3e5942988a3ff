"""What a reservation asks for, and its possible outcomes. Knows no SQL."""

from __future__ import annotations

from dataclasses import dataclass

from tuition.core.errors import StoreError
from tuition.core.records import Reply

__all__ = ["AlreadySettled", "Busy", "Cap", "Kept", "Left", "Outcome", "Place", "Refused", "Reserved"]


class AlreadySettled(StoreError):
    """A call was settled before, perhaps by another process that fetched the same answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose call it is: the run, the round within it, and the group of runs that shares its limits."""

    run: str
    round: int = 0
    group: str = ""
    """Name under which several runs share their limits; empty: the run does not share."""

    def scopes(self, teacher: str) -> tuple[str, ...]:
        """Name every sum that a call adds to: the run, its teacher, its round, and the group."""
        own = (self.run, f"{self.run}/teacher/{teacher}", f"{self.run}/round/{self.round}")
        return (*own, self.group) if self.group and self.group not in own else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A limit on what one scope may newly pay; None: no limit of that kind."""

    scope: str
    nano: int | None = None
    tokens: int | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """The call may be made; its worst cost is set aside."""

    attempt_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The call was made before: a reply, or a failure that asking again would not mend."""

    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Another owner is making the same call; ask again in a moment."""

    owner: str
    batch: str = ""
    """The batch it is part of, which may take hours; empty: it is made by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """An earlier attempt has an unknown outcome, and the policy is to leave it."""

    attempt_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A cap does not allow the call."""

    scope: str
    what: str
    """usd, tokens or calls."""
    limit: int
    spent: int
    """Settled and reserved together."""
    may_free: bool
    """Whether calls in flight could still give back a part of what they reserved; a batch's do not count."""


Outcome = Reserved | Kept | Busy | Left | Refused
"""The outcomes of a reservation."""
