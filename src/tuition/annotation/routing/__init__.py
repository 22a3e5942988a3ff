"""Which teacher is asked about which question, and which of the kept rationales is learnt from.

Numbers, names and records go in, names and records come out. Knows no prompt, no model and no particular
teacher.
"""

from __future__ import annotations

from tuition.annotation.routing.cascade import Ending, by_expected_price, cascade
from tuition.annotation.routing.choose import History, Look, allocate
from tuition.annotation.routing.config import (
    ALLOCATIONS,
    POLICIES,
    ROUTES,
    Allocation,
    AllocationConfig,
    Route,
    RoutingConfig,
    SecondOpinion,
)
from tuition.annotation.routing.routes import (
    drawn_order,
    first_kept,
    is_same_answer,
    least_surprising,
    probe_of,
    similar_order,
    similar_success,
    vote,
)

__all__ = [
    "ALLOCATIONS",
    "POLICIES",
    "ROUTES",
    "Allocation",
    "AllocationConfig",
    "Ending",
    "History",
    "Look",
    "Route",
    "RoutingConfig",
    "SecondOpinion",
    "allocate",
    "by_expected_price",
    "cascade",
    "drawn_order",
    "first_kept",
    "is_same_answer",
    "least_surprising",
    "probe_of",
    "similar_order",
    "similar_success",
    "vote",
]
