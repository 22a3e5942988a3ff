"""Annotators that judge and mend what a student wrote, and those that look at the question alone.

Knows the doors of `core` and the asking of `annotation`: no particular teacher, no task, no student.
"""

from __future__ import annotations

from tuition.annotation.revise.annotators import (
    ANNOTATOR,
    ANNOTATORS,
    BLIND,
    Annotator,
    RevisionFigures,
    check_annotator,
    find_annotator,
    revise,
    revision_figures,
)
from tuition.annotation.revise.config import RevisionConfig
from tuition.annotation.revise.session import Case, Session

__all__ = [
    "ANNOTATOR",
    "ANNOTATORS",
    "BLIND",
    "Annotator",
    "Case",
    "RevisionConfig",
    "RevisionFigures",
    "Session",
    "check_annotator",
    "find_annotator",
    "revise",
    "revision_figures",
]
