"""How a student's own explanation is judged and mended. Knows no teacher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuition.core.config import Section

__all__ = ["RevisionConfig"]


class RevisionConfig(Section):
    """What a revising annotator does with an explanation."""

    max_steps: Annotated[int, Field(ge=1)] = 12
    """Steps looked at, at most; what follows the last of them is taken as one step with it."""
    when_right: Literal["keep", "chain", "drop"] = "keep"
    """Where every step and the answer are right: keep the student's text, have the teacher write a chain of
    its own, or leave the example out."""
    verdict_tokens: Annotated[int, Field(ge=1)] = 128
    """Most tokens of a reply that is one sentence: a verdict, a location, an answer alone. A teacher that
    reasons before it replies needs more."""
