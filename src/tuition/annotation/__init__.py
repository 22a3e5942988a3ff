"""Rationales from teachers: prompts, demonstrations, asking within a budget, health of what comes back.

Knows the doors of `core` alone: no particular teacher, no task, no student.
"""

from __future__ import annotations

from tuition.annotation.annotate import Solved, annotate, annotation_requests, solve
from tuition.annotation.ask.account import Account
from tuition.annotation.asker import Asked, Asker, ask, ask_all
from tuition.annotation.config import AnnotationConfig
from tuition.annotation.demonstrations import Demonstrations
from tuition.annotation.health import (
    CHECKS,
    FILTERS,
    Annotated,
    HealthRow,
    Unanswered,
    check_health,
    filtered,
    health_table,
    without_closing,
)
from tuition.annotation.prompts import JUDGE, PROMPTS, VERIFY, Prompt
from tuition.annotation.routing import Route, RoutingConfig, similar_success
from tuition.annotation.verify import Verdict, Verification
from tuition.annotation.votes import Consensus, majority, weighted_majority

__all__ = [
    "CHECKS",
    "FILTERS",
    "JUDGE",
    "PROMPTS",
    "VERIFY",
    "Account",
    "Annotated",
    "AnnotationConfig",
    "Asked",
    "Asker",
    "Consensus",
    "Demonstrations",
    "HealthRow",
    "Prompt",
    "Route",
    "RoutingConfig",
    "Solved",
    "Unanswered",
    "Verdict",
    "Verification",
    "annotate",
    "annotation_requests",
    "ask",
    "ask_all",
    "check_health",
    "filtered",
    "health_table",
    "majority",
    "similar_success",
    "solve",
    "weighted_majority",
    "without_closing",
]
