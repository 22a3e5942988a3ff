"""The configuration of the playground's questions. Makes none."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuition.core.config import TaskSection

__all__ = ["PlaygroundConfig"]


class PlaygroundConfig(TaskSection):
    """Which questions the playground makes, and how many."""

    source: Literal["playground"] = "playground"
    """Says that the questions are made, not read."""
    kind: str = "mixed"
    """How answers are read; each domain has its own form."""
    train: Annotated[int, Field(ge=1)] = 600
    """Training questions, shared evenly among the domains."""
    valid: Annotated[int, Field(ge=0)] = 120
    """Validation questions."""
    test: Annotated[int, Field(ge=0)] = 300
    """Test questions; 0: no test split."""
    domains: tuple[str, ...] = ()
    """Names of domains; empty: all, of which `tickets` is for the kinds `label` and `fields` alone."""
    seed: int = 0
    """Equal seeds make equal questions."""
    hide_answers: bool = False
    """Leave out every label, as in a pool of one's own that nobody has labelled."""
