"""The doors for a stranger's code: what a task, a teacher and a student must be able to do, and a pool is.

Tasks, sources and teachers can be named in a configuration as `package.module:Name` (docs/extend); what fits
another of these protocols is handed over in code.
"""

from __future__ import annotations

from tuition.core.protocols.progress import Listener, Progress
from tuition.core.protocols.students import Generation, Learner, Pool, StudentAbilities
from tuition.core.protocols.tasks import Source, StepChecker, Task
from tuition.core.protocols.teachers import BatchState, BatchTeacher, Sampler, Teacher, TeacherAbilities

__all__ = [
    "BatchState",
    "BatchTeacher",
    "Generation",
    "Learner",
    "Listener",
    "Pool",
    "Progress",
    "Sampler",
    "Source",
    "StepChecker",
    "StudentAbilities",
    "Task",
    "Teacher",
    "TeacherAbilities",
]
