"""The versions of the configuration: whose defaults hold for what an older file leaves open. Reads no file.

A key keeps its name and the meaning of its values. A new key has a default that does what was done without
it; where a default changes, or cannot be so, the table here has what held before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from tuition.core.config import complete
from tuition.core.errors import ConfigError
from tuition.core.plugins import find
from tuition.experiment.recipe import RECIPE, RECIPES
from tuition.tasks.load import source_type

__all__ = ["CHANGED", "CONFIG_VERSION", "completed", "kind_of"]

CONFIG_VERSION = 2
"""What `config_version` is in a configuration of today: 1 is that of 0.1.0, whose files do not say it."""

CHANGED: dict[int, dict[str, Any]] = {
    1: {"student.threads": 1, "student.template": "plain", "student.saved_dtype": "float32"}
}
"""By version, then by dotted place such as `training.lr`: the default up to this version, where it is another
one since."""


def completed(tables: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Fill a configuration up with the defaults of its version, as a run folder holds it; check nothing."""
    version = tables.get("config_version", 1)
    if not isinstance(version, int):
        raise ConfigError(f"{where}: config_version is {version!r}; it is a whole number, or left out.")
    defaults = _defaults_of(version, where=where)
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


def _defaults_of(version: int, *, where: str) -> dict[str, Any]:
    """By dotted place the defaults of a version that are others today."""
    if not 1 <= version <= CONFIG_VERSION:
        raise ConfigError(
            f"{where} has config_version = {version}, and this program knows 1 to {CONFIG_VERSION}; use the "
            "version of tuition that wrote it, or choose another `out`."
        )
    found: dict[str, Any] = {}
    for until in range(CONFIG_VERSION - 1, version - 1, -1):
        found.update(CHANGED.get(until, {}))
    return found
