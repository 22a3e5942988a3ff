"""What this process may use of the machine: its share of the cores."""

from __future__ import annotations

import os

__all__ = ["share_with", "threads_here"]

_RUNS_AT_ONCE = "TUITION_RUNS_AT_ONCE"
"""Set for processes that run beside others, which inherit it."""


def share_with(runs: int) -> None:
    """Say how many runs share the cores, for this process and those it starts."""
    os.environ[_RUNS_AT_ONCE] = str(runs)


def threads_here() -> int:
    """Count the threads that one run may take: all cores it is allowed, shared among the runs at once."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get(_RUNS_AT_ONCE, "1")))
