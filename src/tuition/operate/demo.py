"""The demo: one pool, three simulated teachers, one student, every recipe, in one table."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tuition.experiment.config import Experiment, beside, resolve
from tuition.operate.starters import STARTERS
from tuition.student.config import TrainingConfig

__all__ = ["demo_configs"]

_ELAD = {
    "annotator": "chain",
    "selection": {"strategy": "mean_token_entropy", "candidates": 200},
    "explanation": {"max_tokens": 96, "calibrate": 0},
    "allocation": {"escalate": True, "check": "sample"},
    "rounds": {"most": 3, "begin": "last", "cold": {"items": 100}, "each": {"items": 100}},
}
"""The row in rounds: half of the pool is asked about, without its labels, the cheaper teacher first."""
_ELAD_TEACHERS = ("ada", "chen")
_ELAD_STEPS = 50
"""Of each of its rounds, which goes on from the last one's student; together fewer than other rows have."""
_STEPS = 160
"""Of the other students: fewer than the starter's, so that all of them fit into minutes."""


def demo_configs(out: Path) -> dict[str, Experiment]:
    """Make the configurations of the demo's rows."""
    tables = {**tomllib.loads(STARTERS["playground"]), "out": str(out), "store": str(out / "tuition.db")}
    main = resolve(tables, where="the demo")
    student = main.student.model_copy(update={"threads": 1, "saved_dtype": "float32"})
    main = main.model_copy(update={"training": _with_steps(main, _STEPS), "student": student})
    # What takes longest goes first, so that no process is left with it alone at the end.
    rows = {
        "tinyllm": beside(main, "tinyllm", rationale_as="task", route="all"),
        "elad": beside(
            main,
            "elad",
            recipe="elad",
            teacher=tuple(table for table in main.teacher if table.name in _ELAD_TEACHERS),
            training=_with_steps(main, _ELAD_STEPS),
            **_ELAD,
        ),
    }
    for form, rationale_as in (("", "task"), ("-chain", "chain")):
        for table in main.teacher:
            name = f"step_by_step{form}-{table.name}"
            rows[name] = beside(
                main, name, recipe="step_by_step", teacher=(table,), rationale_as=rationale_as
            )
    rows |= {
        "tinyllm-chain-random": beside(main, "tinyllm-chain-random", rationale_as="chain", route="random"),
        "label_only": beside(main, "label_only", recipe="label_only", teacher=()),
        "zero_shot": beside(main, "zero_shot", recipe="zero_shot", teacher=()),
    }
    for table in main.teacher:
        name = f"teacher-{table.name}"
        rows[name] = beside(main, name, recipe="ask_teacher", teacher=(table,))
    return rows


def _with_steps(config: Experiment, steps: int) -> TrainingConfig:
    return config.training.model_copy(update={"steps": steps})
