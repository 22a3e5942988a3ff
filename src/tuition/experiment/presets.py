"""Published settings by name: what a file and the command line leave open, a preset fills in.

Source: TinyLLM (arXiv 2402.04616), its text (`paper`) and its authors' code (`repo`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuition.core.errors import ConfigError, near_name

__all__ = ["PRESETS", "with_preset"]

_ASKING: dict[str, Any] = {"examples": 2, "forced": True, "filters": ["empty"]}
_LEARNING: dict[str, Any] = {"optimizer": "adamw", "lr": 5e-5, "weight_decay": 0.0, "warmup_steps": 0}
_STUDENT: dict[str, Any] = {
    "update": "full",
    "instruction": "before",
    "answer_form": "text",
    "max_output_tokens": 256,
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {
        "annotation": _ASKING,
        "student": {**_STUDENT, "max_input_tokens": 1024},
        "training": {**_LEARNING, "epochs": 1, "batch_examples": 16, "normaliser": "item"},
    },
    "repo": {
        "annotation": _ASKING,
        "student": {**_STUDENT, "max_input_tokens": 100},
        "training": {
            **_LEARNING,
            "steps": 10_000,
            "batch_examples": 64,
            "normaliser": "batch",
            "schedule": "linear",
        },
        "evaluation": {"scoring": "exact", "max_tokens": 64},
    },
}
"""Tables by preset; `annotation.filters = ["empty"]` keeps every rationale that is there.

γ = 1, the summed loss, every teacher's rationale and the second task are the recipe's own defaults. The α of
a set of data was searched for; a preset leaves it to `alpha_grid`.
"""

_PREFIXES = ("explain: ", "rationale: ")
"""Instructions of the first and the second teacher in the published code: one a source."""

_LENGTHS = ("steps", "epochs")


def with_preset(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the tables of a file and the command line over those of the preset they name, if they name one."""
    name = tables.get("preset")
    if name is None:
        return dict(tables)
    if name not in PRESETS:
        raise ConfigError(near_name(str(name), PRESETS, kind="preset"))
    result = dict(tables)
    for table, settings in PRESETS[name].items():
        own = tables.get(table, {})
        if isinstance(own, Mapping):
            # Steps and epochs say one length in two ways: a file that says either takes neither from here.
            is_set = any(length in own for length in _LENGTHS)
            left = {key: value for key, value in settings.items() if not (is_set and key in _LENGTHS)}
            result[table] = {**left, **own}
    return {**result, "teacher": _with_prefixes(tables["teacher"])} if "teacher" in tables else result


def _with_prefixes(teachers: Any) -> Any:
    """Give each teacher an instruction of its own where its table names none, as published."""
    if not isinstance(teachers, list) or not all(isinstance(table, Mapping) for table in teachers):
        return teachers
    more = (f"rationale {i + 1}: " for i in range(len(_PREFIXES), len(teachers)))
    return [{"prefix": prefix, **table} for prefix, table in zip((*_PREFIXES, *more), teachers, strict=False)]
