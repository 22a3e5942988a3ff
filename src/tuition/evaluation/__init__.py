"""How good, how sure, better than what, for how much money, and whether more of it would pay."""

from __future__ import annotations

from tuition.evaluation.accuracy import Accuracy, accuracy, by_domain
from tuition.evaluation.calibration import Calibration, calibration_rows
from tuition.evaluation.compare import Comparison, compare
from tuition.evaluation.curve import Curve, Point, learning_curve, money_to_reach
from tuition.evaluation.stop import Stop, StopConfig, should_stop

__all__ = [
    "Accuracy",
    "Calibration",
    "Comparison",
    "Curve",
    "Point",
    "Stop",
    "StopConfig",
    "accuracy",
    "by_domain",
    "calibration_rows",
    "compare",
    "learning_curve",
    "money_to_reach",
    "should_stop",
]
