"""One file a method, read from top to bottom in its paper's order. Here the crafts meet.

Each file declares its `RECIPE`; an installed package may plug in more (entry points of the group
`tuition.recipes`).
"""

from __future__ import annotations

from tuition.experiment.recipe import RECIPE, RECIPES, Recipe

__all__ = ["RECIPE", "RECIPES", "Recipe"]
