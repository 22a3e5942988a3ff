"""A second model in a run: it takes the student's place on the bench, and is trained and kept like it.

Trained under its name, it lies in the run folder, and is loaded from there when a run is gone on with.
"""

from __future__ import annotations

import dataclasses

from tuition.core.protocols import Learner
from tuition.core.records import Json
from tuition.experiment.bench import Bench
from tuition.experiment.recipe import SecondModel

__all__ = ["cost_of", "with_model"]


def with_model(bench: Bench, table: SecondModel) -> Bench:
    """Put another model in the student's place: what trains, asks or reads a student now means this one."""
    config = bench.config.model_copy(update={"student": table.student, "training": table.training})
    return dataclasses.replace(bench, config=config)


def cost_of(bench: Bench, model: Learner, *, name: str) -> dict[str, Json]:
    """Say what a second model is and what its training cost, for the metrics; it costs time and no money."""
    trained = [event for event in bench.run.events() if event["event"] == "trained"]
    last = next(event for event in reversed(trained) if event.get("student") == name)
    return {
        "model": bench.config.student.model,
        "parameters": model.parameters,
        **{key: last[key] for key in ("steps", "tokens", "wall_s")},
    }
