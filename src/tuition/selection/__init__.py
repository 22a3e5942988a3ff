"""What to ask next: numbers in, indices out. Knows no model and no teacher."""

from __future__ import annotations

from tuition.selection.choose import candidates_of, choose, rank
from tuition.selection.config import SelectionConfig
from tuition.selection.scores import STRATEGIES, STRATEGY, Score, needs_of, scores_of

__all__ = [
    "STRATEGIES",
    "STRATEGY",
    "Score",
    "SelectionConfig",
    "candidates_of",
    "choose",
    "needs_of",
    "rank",
    "scores_of",
]
