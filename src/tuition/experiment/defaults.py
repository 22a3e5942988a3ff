"""What a configuration leaves open: presets of published settings, and the defaults of older versions.

A key keeps its name and the meaning of its values. A new key has a default that does what was done without
it; where a default changes, or cannot be so, `CHANGED` has what held before. Reads no file.

Source of the presets: TinyLLM (arXiv 2402.04616), its text (`paper`) and its authors' code (`repo`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from tuition.core.config import complete
from tuition.core.errors import ConfigError, near_name
from tuition.core.plugins import find
from tuition.experiment.recipe import RECIPE, RECIPES
from tuition.tasks.load import source_type

__all__ = ["CHANGED", "CONFIG_VERSION", "PRESETS", "completed", "kind_of", "with_preset"]

CONFIG_VERSION = 2
"""What `config_version` is in a configuration of today: 1 is that of 0.1.0, whose files do not say it."""

CHANGED: dict[int, dict[str, Any]] = {
    1: {
        "student.threads": 1,
        "student.template": "plain",
        "student.saved": "merged",
        "student.saved_dtype": "float32",
        "task.draw": "shuffled",
    }
}
"""By version, then by dotted place such as `training.lr`: the default up to this version, where it is another
one since."""


def completed(tables: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Fill a configuration up with the defaults of its version, as a run folder holds it; check nothing."""
    version = tables.get("config_version", 1)
    if not isinstance(version, int):
        raise ConfigError(f"{where}: config_version is {version!r}; it is a whole number, or left out.")
    if not 1 <= version <= CONFIG_VERSION:
        raise ConfigError(
            f"{where} has config_version = {version}, and this program knows 1 to {CONFIG_VERSION}; use the "
            "version of tuition that wrote it, or choose another `out`."
        )
    defaults: dict[str, Any] = {}
    for until in range(CONFIG_VERSION - 1, version - 1, -1):
        defaults.update(CHANGED.get(until, {}))
    whole = complete(kind_of(tables, where=where), {"config_version": version, **tables}, defaults)
    with contextlib.suppress(ConfigError):  # a source that is not here any more has no defaults to fill in
        table = whole.get("task", {})
        config_type = source_type(table.get("source", "files")).config_type
        whole["task"] = complete(config_type, table, defaults, place="task.")
    return whole


def kind_of(tables: Mapping[str, Any], *, where: str) -> type[Any]:
    """Find the configuration of the recipe that tables name."""
    name = tables.get("recipe")
    if not isinstance(name, str):
        raise ConfigError(f"{where}: `recipe` is missing; one of {', '.join(sorted(RECIPES))}.")
    return find(RECIPE, name, RECIPES, where=f"{where}: ").config_type


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
    teachers = tables.get("teacher")
    if isinstance(teachers, list) and all(isinstance(table, Mapping) for table in teachers):
        # Each teacher has an instruction of its own where its table names none, as published.
        prefixes = (*_PREFIXES, *(f"rationale {i + 1}: " for i in range(len(_PREFIXES), len(teachers))))
        pairs = zip(prefixes, teachers, strict=False)
        result["teacher"] = [{"prefix": prefix, **table} for prefix, table in pairs]
    return result
