"""The demo: one pool, three simulated teachers, every recipe at the same examples and steps, in one table."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tuition.recipes.config import Experiment, beside, resolve
from tuition.recipes.starters import STARTERS

__all__ = ["demo_configs"]


def demo_configs(out: Path) -> dict[str, Experiment]:
    """Make the configurations of the demo's rows.

    Args:
        out: Folder of their run folders.

    Returns:
        Configurations by row name: the students without rationales, one teacher at a time, all of them, each
        as a second task and as a chain, and the teachers themselves.
    """
    tables = {**tomllib.loads(STARTERS["playground"]), "out": str(out), "store": str(out / "tuition.db")}
    main = resolve(tables, where="the demo")
    rows = {
        "tinyllm-chain": beside(main, "tinyllm-chain", rationale_as="chain", route="all"),
        "tinyllm-chain-random": beside(main, "tinyllm-chain-random", rationale_as="chain", route="random"),
        "tinyllm": beside(main, "tinyllm", rationale_as="task", route="all"),
        "label_only": beside(main, "label_only", recipe="label_only", teacher=()),
        "zero_shot": beside(main, "zero_shot", recipe="zero_shot", teacher=()),
    }
    for table in main.teacher:
        for form, rationale_as in (("", "task"), ("-chain", "chain")):
            name = f"step_by_step{form}-{table.name}"
            rows[name] = beside(
                main, name, recipe="step_by_step", teacher=(table,), rationale_as=rationale_as
            )
        name = f"teacher-{table.name}"
        rows[name] = beside(main, name, recipe="ask_teacher", teacher=(table,))
    return rows
