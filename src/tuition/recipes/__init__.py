"""One file a method, read from top to bottom in its paper's order. Here the crafts meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tuition.core.records import Json
from tuition.core.run import Run
from tuition.recipes.ask_teacher import AskTeacher, ask_teacher
from tuition.recipes.config import Experiment
from tuition.recipes.elad import Elad, elad
from tuition.recipes.label_only import LabelOnly, label_only
from tuition.recipes.step_by_step import StepByStep, step_by_step
from tuition.recipes.tinyllm import TinyLLM, tinyllm
from tuition.recipes.without_question import WithoutQuestion, without_question
from tuition.recipes.zero_shot import ZeroShot, zero_shot

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe and the configuration it reads."""

    config_type: type[Experiment]
    run: Callable[[Any, Run], dict[str, Json]]
    asks: bool = False
    """Whether teachers write rationales for the training examples."""
    has_student: bool = True
    """Whether a student is trained or examined."""


RECIPES: dict[str, Recipe] = {
    "without_question": Recipe(WithoutQuestion, without_question),
    "zero_shot": Recipe(ZeroShot, zero_shot),
    "label_only": Recipe(LabelOnly, label_only),
    "step_by_step": Recipe(StepByStep, step_by_step, asks=True),
    "tinyllm": Recipe(TinyLLM, tinyllm, asks=True),
    "elad": Recipe(Elad, elad, asks=True),
    "ask_teacher": Recipe(AskTeacher, ask_teacher, has_student=False),
}
"""Every recipe by name."""
