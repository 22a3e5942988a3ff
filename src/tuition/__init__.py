"""Several teachers, one small student, one budget.

What a notebook needs is here and loaded when it is first used; docs/how-to/python.md shows it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tuition.version import __version__ as __version__

if TYPE_CHECKING:
    from tuition.api import Student, ask, compare, load_config, plan, run
    from tuition.core.budget import Budget
    from tuition.core.errors import TuitionError
    from tuition.core.records import (
        Annotation,
        Evidence,
        Example,
        Failure,
        Grade,
        Message,
        Prediction,
        Reply,
        Request,
        Target,
        Usage,
    )
    from tuition.experiment.config import Experiment
    from tuition.operate.dry_run.plan import Plan
    from tuition.operate.execute import Finished
    from tuition.teachers.config import TeacherConfig

__all__ = [
    "Annotation",
    "Budget",
    "Evidence",
    "Example",
    "Experiment",
    "Failure",
    "Finished",
    "Grade",
    "Message",
    "Plan",
    "Prediction",
    "Reply",
    "Request",
    "Student",
    "Target",
    "TeacherConfig",
    "TuitionError",
    "Usage",
    "ask",
    "compare",
    "load_config",
    "plan",
    "run",
]

_ELSEWHERE = {
    "Budget": "core.budget",
    "Experiment": "experiment.config",
    "Finished": "operate.execute",
    "Plan": "operate.dry_run.plan",
    "TeacherConfig": "teachers.config",
    "TuitionError": "core.errors",
    **dict.fromkeys(("Student", "ask", "compare", "load_config", "plan", "run"), "api"),
}
"""Where a public name is defined; the others are records."""


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'tuition' has no attribute {name!r}; it has {', '.join(__all__)}")
    found = getattr(importlib.import_module(f"tuition.{_ELSEWHERE.get(name, 'core.records')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names, also those that nobody has used yet."""
    return sorted({*globals(), *__all__})
