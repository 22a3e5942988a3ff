"""Who is told while long work goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tuition.core.records import Json

__all__ = ["Listener", "Progress"]


Progress = Callable[[str, int, int], None]
"""Told `(stage, done, total)` while long work goes on."""


class Listener(Protocol):
    """Who hears how a run goes while it goes."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """Hear how much of a stage of long work is done."""
        ...

    def table(self, title: str, rows: Sequence[Mapping[str, Json]]) -> None:
        """Hear something that a person should see before the run goes on; rows have the same entries."""
        ...
