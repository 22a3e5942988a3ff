"""The contract of every kind of part, to be asked of your own: one function a kind.

Each raises an AssertionError with one sentence about the first thing that does not hold, and needs no test
runner. The tests of this package ask the same functions of its own parts.
"""

from __future__ import annotations

from tuition.testing.annotators import check_annotator
from tuition.testing.recipes import check_recipe, check_run
from tuition.testing.sources import check_source
from tuition.testing.strategies import check_choice, check_strategy
from tuition.testing.tasks import check_task
from tuition.testing.teachers import check_teacher

__all__ = [
    "check_annotator",
    "check_choice",
    "check_recipe",
    "check_run",
    "check_source",
    "check_strategy",
    "check_task",
    "check_teacher",
]
