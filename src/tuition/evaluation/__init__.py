"""How good, how sure, and better than what: accuracy with its interval, and paired comparison."""

from __future__ import annotations

from tuition.evaluation.accuracy import Accuracy, accuracy, by_domain
from tuition.evaluation.compare import Comparison, compare

__all__ = ["Accuracy", "Comparison", "accuracy", "by_domain", "compare"]
