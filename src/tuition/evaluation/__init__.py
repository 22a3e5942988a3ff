"""How good, how sure, better than what, for how much money, and whether more of it would pay."""

from __future__ import annotations

from tuition.evaluation.accuracy import Accuracy, accuracy, by_domain
from tuition.evaluation.calibration import Calibration, calibration_rows
from tuition.evaluation.compare import Comparison, compare
from tuition.evaluation.curve import Curve, Point, learning_curve, money_to_reach
from tuition.evaluation.gate import (
    CascadePoint,
    Isotonic,
    Threshold,
    cascade_points,
    cheapest_point,
    isotonic,
    judge,
    known_score,
    override_rows,
    recall,
    search_queries,
    threshold_for,
)
from tuition.evaluation.stop import Stop, StopConfig, should_stop

__all__ = [
    "Accuracy",
    "Calibration",
    "CascadePoint",
    "Comparison",
    "Curve",
    "Isotonic",
    "Point",
    "Stop",
    "StopConfig",
    "Threshold",
    "accuracy",
    "by_domain",
    "calibration_rows",
    "cascade_points",
    "cheapest_point",
    "compare",
    "isotonic",
    "judge",
    "known_score",
    "learning_curve",
    "money_to_reach",
    "override_rows",
    "recall",
    "search_queries",
    "should_stop",
    "threshold_for",
]
