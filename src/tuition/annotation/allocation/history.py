"""What is known of each teacher in each domain: verified replies, adequate ones, money. Knows no judge.

What counts as verified and adequate is the caller's word: gold on a labelled part, a second teacher, a panel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tuition.core.errors import DataError
from tuition.core.records import Json, Record

__all__ = ["History", "Look", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Record):
    """One verified reply."""

    teacher: str
    domain: str = ""
    is_adequate: bool
    usd: float = 0.0
    """What the reply cost, in dollars, 0 or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Record):
    """The verified replies of one teacher in one domain."""

    teacher: str
    domain: str = ""
    looked: int = 0
    """Verified replies."""
    adequate: int = 0
    """Those found adequate, at most `looked`."""
    usd: float = 0.0
    """What the verified replies cost together, in dollars."""


class History:
    """Tallies by teacher and domain; never altered, `plus` gives a longer one."""

    def __init__(self, tallies: Iterable[Tally] = ()) -> None:
        """Take tallies as they are.

        Args:
            tallies: One a teacher and domain at most.

        Raises:
            DataError: A pair occurs twice, or its numbers cannot be.
        """
        self._tallies: dict[tuple[str, str], Tally] = {}
        for tally in tallies:
            key = (tally.teacher, tally.domain)
            if key in self._tallies:
                raise DataError(
                    f"history holds teacher {tally.teacher!r} in domain {tally.domain!r} twice; "
                    "one tally a pair is needed: add looks with History.plus"
                )
            if not (0 <= tally.adequate <= tally.looked and 0 <= tally.usd < math.inf):
                raise DataError(
                    f"history of teacher {tally.teacher!r} in domain {tally.domain!r} has {tally.adequate} "
                    f"adequate of {tally.looked} for {tally.usd} dollars; expected 0 <= adequate <= looked "
                    "and finite dollars of 0 or more. Build it from looks with History.plus."
                )
            self._tallies[key] = tally

    def plus(self, looks: Iterable[Look]) -> History:
        """Give the history with more verified replies in it.

        Args:
            looks: One a verified reply; a reply verified twice counts twice.

        Returns:
            A new history; the order of the looks changes nothing but the last digit of sums.

        Raises:
            DataError: A look's dollars are negative or not finite.
        """
        tallies = dict(self._tallies)
        for look in looks:
            if not 0 <= look.usd < math.inf:
                raise DataError(
                    f"a verified reply of teacher {look.teacher!r} costs {look.usd} dollars; expected a "
                    "finite number of 0 or more. Leave replies of unknown cost out, or give their estimate."
                )
            key = (look.teacher, look.domain)
            old = tallies.get(key, Tally(teacher=look.teacher, domain=look.domain))
            tallies[key] = replace(
                old,
                looked=old.looked + 1,
                adequate=old.adequate + look.is_adequate,
                usd=old.usd + look.usd,
            )
        return History(tallies.values())

    def tally(self, teacher: str, domain: str) -> Tally:
        """Look up a teacher in a domain.

        Args:
            teacher: Its name.
            domain: The domain's name.

        Returns:
            Its tally; of zeros where nothing was verified.
        """
        return self._tallies.get((teacher, domain), Tally(teacher=teacher, domain=domain))

    def expected_usd(self, teacher: str, domain: str) -> float | None:
        """Expect what a reply costs from what the verified ones did.

        Args:
            teacher: Its name.
            domain: The domain's name.

        Returns:
            Mean dollars a verified reply in the domain, else over all domains; None: nothing was verified.
        """
        own = self.tally(teacher, domain)
        known = [own] if own.looked else [tally for tally in self.tallies if tally.teacher == teacher]
        looked = sum(tally.looked for tally in known)
        return math.fsum(tally.usd for tally in known) / looked if looked else None

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """All of them, by teacher, then by domain."""
        return tuple(self._tallies[key] for key in sorted(self._tallies))

    def to_json(self) -> list[dict[str, Json]]:
        """Give the tallies as plain JSON values.

        Returns:
            One object a tally, in a fixed order.
        """
        return [tally.to_json() for tally in self.tallies]

    @classmethod
    def from_json(cls, rows: Sequence[Mapping[str, Json]]) -> History:
        """Make the history from what `to_json` gave.

        Args:
            rows: One object a tally.

        Returns:
            An equal history.
        """
        return cls(Tally.from_json(row) for row in rows)

    def __eq__(self, other: object) -> bool:
        """Say whether the tallies are the same."""
        return isinstance(other, History) and self.tallies == other.tallies

    def __hash__(self) -> int:
        """Equal histories have equal hashes."""
        return hash(self.tallies)
