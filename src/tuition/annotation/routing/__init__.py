"""Which teacher for which item: by verified history, by a seeded bandit, or the cheap first, the dear after.

Numbers and names go in, names come out. Knows no prompt, no task, no model and no particular teacher.
"""

from __future__ import annotations

from tuition.annotation.routing.cascade import (
    Cascaded,
    Ending,
    agree,
    by_expected_price,
    cascade,
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
from tuition.annotation.routing.config import Allocation, AllocationConfig, SecondOpinion
from tuition.annotation.routing.history import History, Look, Tally

__all__ = [
    "ALLOCATIONS",
    "Allocation",
    "AllocationConfig",
    "Cascaded",
    "Choice",
    "Chooser",
    "Ending",
    "History",
    "Look",
    "SecondOpinion",
    "Tally",
    "agree",
    "allocate",
    "bandit",
    "by_expected_price",
    "cascade",
    "cheapest_adequate",
    "fixed",
    "lower_bound",
    "random",
]
