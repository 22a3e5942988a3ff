"""Which teacher for which item: by verified history, by a seeded bandit, or the cheap first, the dear after.

Numbers and names go in, names come out. Knows no prompt, no task, no model and no particular teacher.
"""

from __future__ import annotations

from tuition.annotation.routing.cascade import (
    Ending,
    Escalated,
    agree,
    by_expected_price,
    escalate,
)
from tuition.annotation.routing.choose import (
    ALLOCATIONS,
    Choice,
    Chooser,
    allocate,
    bandit,
    cheapest_adequate,
    fixed,
    lower_bound,
    random,
)
from tuition.annotation.routing.config import Allocation, AllocationConfig, SecondLook
from tuition.annotation.routing.history import History, Look, Tally

__all__ = [
    "ALLOCATIONS",
    "Allocation",
    "AllocationConfig",
    "Choice",
    "Chooser",
    "Ending",
    "Escalated",
    "History",
    "Look",
    "SecondLook",
    "Tally",
    "agree",
    "allocate",
    "bandit",
    "by_expected_price",
    "cheapest_adequate",
    "escalate",
    "fixed",
    "lower_bound",
    "random",
]
