"""A second model in a run: it takes the student's place on the bench, and is trained and kept like it.

Trained under its name, it lies in the run folder, and is loaded from there when a run is gone on with.
"""

from __future__ import annotations

import dataclasses

from tuition.core.protocols import Learner
from tuition.core.records import Json
from tuition.recipes.common import Bench
from tuition.recipes.recipe import SecondModel

__all__ = ["cost_of", "with_model"]


def with_model(bench: Bench, table: SecondModel) -> Bench:
    """Put another model in the student's place: what trains, asks or reads a student now means this one.

    Args:
        bench: Of the run.
        table: Of the model.

    Returns:
        A bench of the same run, data and account.
    """
    config = bench.config.model_copy(update={"student": table.student, "training": table.training})
    return dataclasses.replace(bench, config=config)


def cost_of(bench: Bench, model: Learner, *, name: str) -> dict[str, Json]:
    """Say what a second model is and what its training cost, for the metrics; it costs time and no money.

    Args:
        bench: The model's own.
        model: The model, trained.
        name: Of its folder.

    Returns:
        model, parameters, and of its training steps, tokens and wall_s (0 where nothing was learnt).
    """
    trained = [event for event in bench.run.events() if event["event"] == "trained"]
    last = next((event for event in reversed(trained) if event.get("student") == name), {})
    return {
        "model": bench.config.student.model,
        "parameters": model.parameters,
        **{key: last.get(key, 0) for key in ("steps", "tokens", "wall_s")},
    }
