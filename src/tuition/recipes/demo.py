"""The demo: one pool, three simulated teachers, every recipe at the same examples and steps, in one table."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tuition.recipes.config import Experiment, resolve
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
    base = tomllib.loads(STARTERS["playground"])
    teachers = base["teacher"]
    rows: dict[str, dict[str, object]] = {
        "tinyllm-chain": {"recipe": "tinyllm", "rationale_as": "chain", "route": "all"},
        "tinyllm-chain-random": {"recipe": "tinyllm", "rationale_as": "chain", "route": "random"},
        "tinyllm": {"recipe": "tinyllm", "rationale_as": "task", "route": "all"},
        "label_only": {"recipe": "label_only", "teacher": []},
        "zero_shot": {"recipe": "zero_shot", "teacher": []},
    }
    for teacher in teachers:
        name = teacher["name"]
        one = {"teacher": [teacher]}
        rows[f"step_by_step-{name}"] = {"recipe": "step_by_step", "rationale_as": "task", **one}
        rows[f"step_by_step-chain-{name}"] = {"recipe": "step_by_step", "rationale_as": "chain", **one}
        rows[f"teacher-{name}"] = {"recipe": "ask_teacher", **one}
    return {name: _config(base, name, changed=changed, out=out) for name, changed in rows.items()}


def _config(base: dict[str, object], name: str, *, changed: dict[str, object], out: Path) -> Experiment:
    tables = {**base, **changed, "out": str(out / name), "store": str(out / "tuition.db"), "evaluation": {}}
    own = {"tinyllm": ("rationale_as", "route"), "step_by_step": ("rationale_as",)}.get(
        str(changed["recipe"]), ()
    )
    for key in ("rationale_as", "route"):
        if key not in own:
            tables.pop(key, None)
    return resolve(tables, where=f"demo row {name}")
