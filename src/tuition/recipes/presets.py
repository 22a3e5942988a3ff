"""Published settings by name: what a file and the command line leave open, a preset fills in.

Source: TinyLLM (arXiv 2402.04616), its text (`paper`) and its authors' code (`repo`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuition.core.errors import ConfigError, near_name

__all__ = ["PRESETS", "with_preset"]

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {
        "annotation": {"examples": 2, "forced": True, "filters": ["empty"]},
        "student": {"max_input_tokens": 1024},
        "training": {
            "epochs": 1,
            "batch_examples": 16,
            "optimizer": "adamw",
            "lr": 5e-5,
            "normaliser": "item",
        },
    },
    "repo": {
        "annotation": {"examples": 2, "forced": True, "filters": ["empty"]},
        "student": {"max_input_tokens": 100, "max_output_tokens": 256},
        "training": {
            "steps": 10_000,
            "batch_examples": 64,
            "optimizer": "adamw",
            "lr": 5e-5,
            "normaliser": "batch",
        },
    },
}
"""Tables by preset; `annotation.filters = ["empty"]` keeps every rationale that is there."""

_LENGTHS = ("steps", "epochs")


def with_preset(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the tables of a file over those of the preset it names.

    Args:
        tables: Of the file and the command line; `preset` may name one.

    Returns:
        The tables together; without a preset they are as given.

    Raises:
        ConfigError: The preset is unknown.
    """
    name = tables.get("preset")
    if name is None:
        return dict(tables)
    if name not in PRESETS:
        raise ConfigError(near_name(str(name), PRESETS, kind="preset"))
    result = dict(tables)
    for table, settings in PRESETS[name].items():
        own = tables.get(table, {})
        if isinstance(own, Mapping):
            # The length of a training is one thing said in two ways: whoever says it anew says all of it.
            is_set = any(length in own for length in _LENGTHS)
            left = {key: value for key, value in settings.items() if not (is_set and key in _LENGTHS)}
            result[table] = {**left, **own}
    return result
