"""Rationales from teachers: prompts, demonstrations, asking within a budget, health of what comes back.

Knows the doors of `core` alone: no particular teacher, no task, no student.
"""

from __future__ import annotations

from tuition.annotation.annotate import (
    Annotated,
    Solved,
    Unanswered,
    annotate,
    annotation_requests,
    solve,
    without_closing,
)
from tuition.annotation.ask import Asked, ask, ask_all, caps_of
from tuition.annotation.config import AnnotationConfig
from tuition.annotation.demonstrations import Demonstrations
from tuition.annotation.health import CHECKS, FILTERS, HealthRow, check_health, health_table
from tuition.annotation.prompts import PROMPTS, Prompt

__all__ = [
    "CHECKS",
    "FILTERS",
    "PROMPTS",
    "Annotated",
    "AnnotationConfig",
    "Asked",
    "Demonstrations",
    "HealthRow",
    "Prompt",
    "Solved",
    "Unanswered",
    "annotate",
    "annotation_requests",
    "ask",
    "ask_all",
    "caps_of",
    "check_health",
    "health_table",
    "solve",
    "without_closing",
]
