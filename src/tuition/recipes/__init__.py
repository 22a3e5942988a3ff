"""One file a method, read from top to bottom in its paper's order. Here the crafts meet.

Each file declares its `RECIPE`; an installed package may plug in more (entry points of the group
`tuition.recipes`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from importlib import metadata

from tuition.core.errors import ConfigError
from tuition.recipes.recipe import Recipe

__all__ = ["RECIPES", "Recipe"]

_OWN = (
    "without_question",
    "zero_shot",
    "label_only",
    "step_by_step",
    "tinyllm",
    "mentor_kd",
    "elad",
    "ask_teacher",
)
"""Modules of this package, in the order in which runs beside a main one are made."""


class _Recipes(Mapping[str, Recipe]):
    """Every recipe by name, loaded when it is asked for: what all recipes are made of reads this list too."""

    def __getitem__(self, name: str) -> Recipe:
        if name in _OWN:
            return importlib.import_module(f"tuition.recipes.{name}").RECIPE
        found = metadata.entry_points(group="tuition.recipes")[name].load()
        if not isinstance(found, Recipe):
            raise ConfigError(
                f"entry point {name!r} of tuition.recipes is of type {type(found).__name__!r}, expected a "
                "tuition.recipes.Recipe; mend or remove the package that has it."
            )
        return found

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*_OWN, *sorted(metadata.entry_points(group="tuition.recipes").names)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


RECIPES: Mapping[str, Recipe] = _Recipes()
