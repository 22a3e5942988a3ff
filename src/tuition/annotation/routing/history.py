"""What is known of each teacher in each domain: verified replies, and adequate ones. Knows no judge.

What counts as verified and adequate is the caller's word: gold on a labelled part, a second teacher, a panel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tuition.core.errors import DataError
from tuition.core.records import Record

__all__ = ["History", "Look", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Record):
    """One verified reply."""

    teacher: str
    domain: str = ""
    is_adequate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Record):
    """The verified replies of one teacher in one domain."""

    teacher: str
    domain: str = ""
    looked: int = 0
    """Verified replies."""
    adequate: int = 0
    """Those found adequate, at most `looked`."""


class History:
    """Tallies by teacher and domain; never altered, `plus` gives a longer one."""

    def __init__(self, tallies: Iterable[Tally] = ()) -> None:
        """Take tallies as they are, one a teacher and domain at most."""
        self._tallies: dict[tuple[str, str], Tally] = {}
        for tally in tallies:
            key = (tally.teacher, tally.domain)
            if key in self._tallies:
                raise DataError(
                    f"history holds teacher {tally.teacher!r} in domain {tally.domain!r} twice; "
                    "one tally a pair is needed: add looks with History.plus"
                )
            if not 0 <= tally.adequate <= tally.looked:
                raise DataError(
                    f"history of teacher {tally.teacher!r} in domain {tally.domain!r} has {tally.adequate} "
                    f"adequate of {tally.looked}; expected 0 <= adequate <= looked. Build it from looks with "
                    "History.plus."
                )
            self._tallies[key] = tally

    def plus(self, looks: Iterable[Look]) -> History:
        """Give the history with more verified replies; one verified twice counts twice."""
        tallies = dict(self._tallies)
        for look in looks:
            key = (look.teacher, look.domain)
            old = tallies.get(key, Tally(teacher=look.teacher, domain=look.domain))
            tallies[key] = replace(
                old,
                looked=old.looked + 1,
                adequate=old.adequate + look.is_adequate,
            )
        return History(tallies.values())

    def tally(self, teacher: str, domain: str) -> Tally:
        """Look up a teacher in a domain; a tally of zeros where nothing was verified."""
        return self._tallies.get((teacher, domain), Tally(teacher=teacher, domain=domain))

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """All of them, by teacher, then by domain."""
        return tuple(self._tallies[key] for key in sorted(self._tallies))
