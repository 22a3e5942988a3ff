"""The vocabulary of failure: what a user or a caller can meet, and nothing else.

Each error inherits `TuitionError` and the built-in it specialises, so that old `except ValueError` code
still catches it. A text says what was found, where, what was expected, and what to do. A ninth class needs
a caller who catches it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BudgetSpent",
    "ConfigError",
    "DataError",
    "MissingExtra",
    "StoreError",
    "TeacherError",
    "TrainingError",
    "TuitionError",
    "near_name",
    "nearest",
    "some_of",
]


class TuitionError(Exception):
    """Catch this to catch everything that Tuition raises on purpose."""


class ConfigError(TuitionError, ValueError):
    """A configuration cannot be used; the text lists every fault found, not the first alone."""


class DataError(TuitionError, ValueError):
    """A file, a row or a split is not what its task needs."""


class TeacherError(TuitionError, RuntimeError):
    """A teacher cannot be asked at all, which is not the failure of one call: that one is data."""


class BudgetSpent(TuitionError, RuntimeError):
    """The budget ended before the work did; what was paid is in the store."""


class StoreError(TuitionError, RuntimeError):
    """The store cannot be opened, read or written."""


class TrainingError(TuitionError, RuntimeError):
    """A student cannot be loaded, trained or saved."""


class MissingExtra(TuitionError, ImportError):
    """A package of an optional extra is absent; the text is the pip line that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package!r} is not installed; it comes with: pip install 'tuition[{extra}]'")


def nearest(word: str, known: Iterable[str]) -> str:
    """Offer the known name that a wrong one may have meant."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def near_name(word: str, known: Iterable[str], *, kind: str) -> str:
    """Write the sentence for an unknown name, with the nearest known one."""
    names = sorted(known)
    return f"unknown {kind} {word!r}{nearest(word, names) or '.'} Known: {', '.join(names) or 'none'}."


def some_of(items: Iterable[object]) -> str:
    """Show at most three items and the count of the rest."""
    shown = [repr(item) for item in items]
    rest = len(shown) - 3
    return (", ".join(shown[:3]) or "none") + (f" and {rest} more" if rest > 0 else "")
