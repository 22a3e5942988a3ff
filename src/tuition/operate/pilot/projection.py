"""What a whole training set would cost, plan by plan: dry runs with what a pilot measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuition.annotation import RoutingConfig, similar_success
from tuition.annotation.routing import similar_order
from tuition.core.records import Example, Record
from tuition.experiment.checks import Ready
from tuition.experiment.config import Experiment, beside, folder_name
from tuition.operate.dry_run.calls import count_of, dry_calls, usd_of
from tuition.operate.dry_run.plan import routes_of
from tuition.operate.dry_run.stand_ins import EXPECTED
from tuition.operate.pilot.advice import Tried

__all__ = ["Projection", "project", "similar_choice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection(Record):
    """What one plan would ask of the whole training set."""

    plan: str
    """A teacher's name, or a route."""
    calls: float
    """Expected calls, verdicts included."""
    usd: float | None
    """Expected cost of them all, what the pilot paid included; None: a price is unknown."""


def similar_choice(
    examples: Sequence[Example],
    success: Mapping[str, Sequence[float | None]],
    prices: Mapping[str, float],
    *,
    routing: RoutingConfig,
) -> list[str]:
    """Say whom the route `similarity` would ask about each example, from the other examples alone."""
    chosen: list[str] = []
    for i, example in enumerate(examples):
        others = [*examples[:i], *examples[i + 1 :]]
        seen = {name: [*values[:i], *values[i + 1 :]] for name, values in success.items()}
        expected = similar_success(
            [example], others, seen, neighbours=routing.neighbours, prior=routing.prior
        )
        chosen.append(similar_order(expected, prices)[0][0])
    return chosen


def project(config: Experiment, ready: Ready, tried: Sequence[Tried], *, judge: str = "") -> list[Projection]:
    """Reckon what each plan would cost for all of training, by dry runs with what the pilot measured."""
    guess = dataclasses.replace(
        EXPECTED,
        lengths={(one.teacher, prompt): n for one in tried for prompt, n in one.tokens.items()},
        faults={one.teacher: 1 - one.kept.share for one in tried},
    )
    found: list[Projection] = []
    for writer in config.writers:
        # The others write nothing, and may still verify.
        tables = tuple(
            table if table is writer else table.model_copy(update={"weight": 0.0}) for table in config.teacher
        )
        one = beside(config, folder_name(writer.name), recipe="step_by_step", teacher=tables)
        calls = dry_calls(one, ready, guess=guess, may_fail=True)
        found.append(Projection(plan=writer.name, calls=count_of(calls), usd=usd_of(calls)))
    routes = routes_of(config, ready, guess=guess, judge=judge)
    found += [
        Projection(
            plan=f"judge ({judge})" if row.route == "judge" else row.route, calls=row.calls, usd=row.used_usd
        )
        for row in routes
        if row.route != "judge" or judge
    ]
    return found
