"""Execute a configuration with stand-ins for everything that costs anything, and give the calls it made."""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tuition.core.budget import NANO, Budget, Cost
from tuition.core.errors import DataError, TeacherError
from tuition.experiment.bench import DryRun
from tuition.experiment.checks import Ready
from tuition.experiment.config import Experiment, dump
from tuition.operate.dry_run.stand_ins import EXPECTED, HIGH, LONG, LOW, DryCall, Guess, StandIns
from tuition.operate.execute import baseline_configs
from tuition.recipes import RECIPES

__all__ = ["SAMPLE", "count_of", "dry_calls", "dry_runs", "usd_of"]

SAMPLE = 60
"""Questions of a split that stand for all of it."""


def dry_runs(config: Experiment, ready: Ready) -> tuple[list[DryCall], ...]:
    """Run a configuration several times without paying: as expected, as cheap and as dear as it may come."""
    found = [dry_calls(config, ready, guess=guess) for guess in (EXPECTED, LOW)]
    steps = RECIPES[config.recipe].draft_steps(config)
    for guess in (LONG, HIGH):
        longest = dataclasses.replace(guess, steps=steps)
        found.append(dry_calls(config, ready, guess=longest, may_fail=True))
    return tuple(found)


def dry_calls(
    config: Experiment,
    ready: Ready,
    *,
    guess: Guess = EXPECTED,
    most: int | None = SAMPLE,
    may_fail: bool = False,
) -> list[DryCall]:
    """Run a configuration and its baselines once, with stand-ins.

    Where filters drop every reply, a run ends in an error; if it may, what it asked until then counts.
    """
    calls: list[DryCall] = []
    ends = (DataError, TeacherError) if may_fail else ()
    stand_ins = StandIns(config, ready, guess=guess, most=most, calls=calls)
    with tempfile.TemporaryDirectory(prefix="tuition-dry-run-") as folder:
        for i, one in enumerate(_asking(config)):
            place = {"out": f"{folder}/{i}", "store": f"{folder}/tuition.db", "budget": Budget()}
            scratch = one.model_copy(update=place)
            run = DryRun(Path(scratch.out), config_text=dump(scratch), stand_ins=stand_ins)
            with contextlib.closing(run), contextlib.suppress(*ends):
                RECIPES[scratch.recipe].run(scratch, run)
    calls.sort(key=lambda call: call.place)
    return calls


def _asking(config: Experiment) -> Iterator[Experiment]:
    """The run and those of its baselines that may ask anybody anything new."""
    # A finished run asks nothing; which questions its rounds chose, a dry run would not guess.
    is_over = config.selects_in_rounds and (Path(config.out) / "done").exists()
    if (config.teacher or config.labels.asks) and not is_over:
        yield config
    yield from (one for one in baseline_configs(config).values() if one.teacher)


def count_of(calls: Iterable[DryCall]) -> float:
    """Count the calls of the run that some dry ones stand for."""
    return sum(call.stands_for for call in calls)


def usd_of(
    calls: Iterable[DryCall], cost: Callable[[DryCall], Cost] = operator.attrgetter("cost")
) -> float | None:
    """Add up what the calls cost that some dry ones stand for, in dollars; None: a price is unknown."""
    nanos = [(call.stands_for, cost(call).nano) for call in calls]
    known = [n * nano / NANO for n, nano in nanos if nano is not None]
    return sum(known) if len(known) == len(nanos) else None
