"""Annotators that judge and mend what a student wrote, and those that look at the question alone.

Knows the doors of `core` and the asking of `annotation`: no particular teacher, no task, no student.
"""

from __future__ import annotations

from tuition.annotation.revise.annotators import ANNOTATORS, BLIND, Annotator, check_annotator, revise
from tuition.annotation.revise.config import RevisionConfig
from tuition.annotation.revise.figures import RevisionFigures, revision_figures
from tuition.annotation.revise.plan import Calls, Planned, expected_calls, revision_requests

__all__ = [
    "ANNOTATORS",
    "BLIND",
    "Annotator",
    "Calls",
    "Planned",
    "RevisionConfig",
    "RevisionFigures",
    "check_annotator",
    "expected_calls",
    "revise",
    "revision_figures",
    "revision_requests",
]
