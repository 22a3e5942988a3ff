"""Run a configuration, or several side by side; a finished run is read, not run again."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from tuition.core.config import parse, read_toml
from tuition.core.errors import BudgetSpent, ConfigError, MissingExtra, TuitionError
from tuition.core.plugins import admit
from tuition.core.protocols import Listener
from tuition.core.records import Json
from tuition.core.rows import read_metrics
from tuition.core.run import Run, run_id, share_with
from tuition.experiment.config import Experiment, beside, code_named, dump, folder_name, resolve
from tuition.experiment.defaults import completed, kind_of
from tuition.experiment.recipe import Variant
from tuition.recipes import RECIPES

__all__ = [
    "Finished",
    "baseline_configs",
    "baselines",
    "baselines_left_out",
    "execute",
    "execute_all",
    "reread",
    "within_one_budget",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that came to its end."""

    path: Path
    metrics: dict[str, Json]
    is_new: bool
    """False where the run was finished before and nothing was done."""


def execute(config: Experiment, *, listener: Listener | None = None) -> Finished:
    """Run a recipe, or go on with it, in this process; after an error the same call goes on from there."""
    out = Path(config.out)
    whole = partial(completed, where=str(out / "config.toml"))
    run = Run(out, config_text=dump(config), completed=whole, listener=listener)
    try:
        if run.is_done:
            return Finished(path=run.path, metrics=read_metrics(run.path), is_new=False)
        return Finished(path=run.path, metrics=RECIPES[config.recipe].run(config, run), is_new=True)
    finally:
        run.close()


def reread(folder: Path, *, trust: bool = False) -> Experiment:
    """Read the configuration a run folder was begun with, to be executed where the folder lies now."""
    where = str(folder / "config.toml")
    # A preset is in there already, as it was then.
    written = read_toml(folder / "config.toml")
    admit(code_named(written), where=where, trust=trust)
    tables = completed({**written, "out": str(folder)}, where=where)
    return parse(kind_of(tables, where=where), tables, where=where)


def baselines(config: Experiment) -> dict[str, Experiment]:
    """Make those of `baseline_configs`, within the main run's budget; its folder gets its `run_id`."""
    return within_one_budget(config, baseline_configs(config))


def baseline_configs(config: Experiment) -> dict[str, Experiment]:
    """Make the configurations of the runs that `evaluation.baselines` wants beside the main one, by row name.

    Each has the data, the student, the steps and the seed of the main run, and a folder of its own within it.
    Nothing is written.
    """
    found: dict[str, Experiment] = {}
    for recipe, row in _wanted(config):
        if not row.why_not:
            name = folder_name(row.name)
            found[name] = beside(config, name, recipe=recipe, **row.changed)
    if Path(config.out).name in found:
        raise ConfigError(
            f"the run folder {config.out!r} is named like one of its baselines "
            f"({', '.join(found)}); choose another `out`."
        )
    return found


def baselines_left_out(config: Experiment) -> list[str]:
    """Say why some of those rows cannot be; the data are read where a row depends on them."""
    return [row.why_not for _, row in _wanted(config) if row.why_not]


def _wanted(config: Experiment) -> list[tuple[str, Variant]]:
    """The runs that a table wants beside a run, each with its recipe; a recipe is no baseline of itself."""
    names = config.evaluation.baselines
    recipes = [name for name in RECIPES if RECIPES[name].baseline in names] if names else []
    return [(name, row) for name in recipes if name != config.recipe for row in RECIPES[name].beside(config)]


def within_one_budget(config: Experiment, found: Mapping[str, Experiment]) -> dict[str, Experiment]:
    """Hold runs beside the main one to its limits, all together; alone, a run is its own scope."""
    if not found:
        return {}
    scope = config.budget.scope or run_id(Path(config.out))
    budget = config.budget.model_copy(update={"scope": scope})
    return {name: other.model_copy(update={"budget": budget}) for name, other in found.items()}


def execute_all(
    configs: Mapping[str, Experiment], *, jobs: int, listener: Listener | None = None
) -> dict[str, Finished]:
    """Run configurations by name, `jobs` at once in a process each; with one job, all in this process.

    One that fails does not stop the others; its error is raised when all are through. Where the budget leaves
    nothing for one of the later runs, that run is missing, and the table is made without it. The listener
    gets each stage under its run's name, how many of several runs are through as the stage `rows`, and the
    tables of the first run alone.
    """
    first, tell = next(iter(configs)), partial(_tell, listener)
    if len(configs) == 1:
        return {first: execute(configs[first], listener=_Named(first, tell, shows_tables=True))}
    if jobs == 1:
        outcomes: dict[str, Finished | TuitionError] = {}
        for i, (name, config) in enumerate(configs.items()):
            tell("progress", ("rows", i, len(configs)))
            outcomes[name] = _outcome(name, config, _Named(name, tell, shows_tables=name == first))
    else:
        outcomes = _side_by_side(configs, listener, jobs=jobs)
    for name, outcome in outcomes.items():
        is_unpaid = isinstance(outcome, BudgetSpent) and name != first
        if isinstance(outcome, TuitionError) and not is_unpaid:
            raise outcome
    return {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Finished)}


def _side_by_side(
    configs: Mapping[str, Experiment], listener: Listener | None, *, jobs: int
) -> dict[str, Finished | TuitionError]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(jobs, mp_context=context) as pool:
        told = manager.Queue()
        first = next(iter(configs))
        work = {
            name: pool.submit(_work, name, dump(config), told, jobs=jobs, shows_tables=name == first)
            for name, config in configs.items()
        }
        if listener is not None:
            _relay(told, work.values(), listener)
        return {name: future.result() for name, future in work.items()}


def _tell(listener: Listener | None, what: str, message: tuple[Any, ...]) -> None:
    if listener is not None:
        getattr(listener, what)(*message)


@dataclass(frozen=True, slots=True)
class _Named:
    """Puts the run's name before what is heard of it."""

    name: str
    tell: Callable[[str, tuple[Any, ...]], None]
    shows_tables: bool

    def progress(self, stage: str, done: int, total: int) -> None:
        self.tell("progress", (f"{self.name}: {stage}", done, total))

    def table(self, title: str, rows: Sequence[Mapping[str, Json]]) -> None:
        if self.shows_tables:
            self.tell("table", (f"{self.name}: {title}", rows))


def _work(
    name: str, config_text: str, told: Queue[Any], *, jobs: int, shows_tables: bool
) -> Finished | TuitionError:
    """Run one configuration in a process of its own, beside `jobs - 1` others."""
    share_with(jobs)
    # The first process would not have it without the user's trust.
    config = resolve(tomllib.loads(config_text), where=name, trust=True)
    return _outcome(name, config, _Named(name, lambda *heard: told.put(heard), shows_tables))


def _outcome(name: str, config: Experiment, listener: Listener) -> Finished | TuitionError:
    """Run one configuration; an expected error is handed back, not thrown."""
    try:
        return execute(config, listener=listener)
    except TuitionError as error:
        kind = ConfigError if isinstance(error, MissingExtra) else type(error)
        return kind(f"{name}: {error}")


def _relay(told: Queue[Any], work: Collection[Future], listener: Listener) -> None:
    """Pass on what the processes tell, until all are through."""
    is_over, through = False, -1
    while not is_over:
        # Asked before the queue is emptied: what a process has sent by its end is still passed on.
        done = sum(future.done() for future in work)
        is_over = done == len(work)
        if done != through:
            listener.progress("rows", done, len(work))
            through = done
        with contextlib.suppress(Empty):
            while True:
                _tell(listener, *told.get(timeout=0.2))
