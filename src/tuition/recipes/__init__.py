"""One file a method, read from top to bottom in its paper's order. Here the crafts meet.

Each file declares its `RECIPE`; an installed package may plug in more (entry points of the group
`tuition.recipes`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

from tuition.core.errors import ConfigError
from tuition.core.plugins import Kind, find, is_admitted, plugged
from tuition.recipes.recipe import Recipe

__all__ = ["RECIPE", "RECIPES", "Recipe"]

RECIPE = Kind(name="recipe", group="tuition.recipes")
"""What a user's own recipe is: a `Recipe`."""

_OWN = ("without_question", "zero_shot", "label_only", "step_by_step", "tinyllm", "elad", "ask_teacher")
"""Modules of this package, in the order in which runs beside a main one are made."""


class _Recipes(Mapping[str, Recipe]):
    """Every recipe by name, loaded when it is asked for: what all recipes are made of reads this list too."""

    def __getitem__(self, name: str) -> Recipe:
        if name in _OWN:
            return importlib.import_module(f"tuition.recipes.{name}").RECIPE
        if name not in plugged(RECIPE) and not is_admitted(name):
            raise KeyError(name)
        found = find(RECIPE, name)
        if not isinstance(found, Recipe):
            raise ConfigError(
                f"recipe {name!r} is of type {type(found).__name__!r}, expected a tuition.recipes.Recipe; "
                f"{RECIPE.page} has an example."
            )
        return found

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*_OWN, *sorted(plugged(RECIPE))))

    def __len__(self) -> int:
        return sum(1 for _ in self)


RECIPES: Mapping[str, Recipe] = _Recipes()
