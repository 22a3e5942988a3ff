"""The commands that run a configuration: `demo`, `init`, `check`, `run`, `resume`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.prompt import Confirm

from tuition.cli import look
from tuition.cli.show import (
    Config,
    Folder,
    Json,
    Settings,
    Trust,
    Yes,
    answer,
    print_table,
    progress_bars,
    resolved,
    say,
    typed,
)
from tuition.core.errors import BudgetSpent, ConfigError, DataError, TuitionError, near_name

if TYPE_CHECKING:
    from tuition.experiment.config import Experiment
    from tuition.operate.execute import Finished

__all__ = ["check", "demo", "init", "resume", "run"]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs/demo"), json: Json = False
) -> None:
    """Run the whole journey offline: simulated teachers, the embedded student, one table, one page."""
    from tuition.api import close_group
    from tuition.operate.demo import demo_configs

    finished = _execute(demo_configs(out), jobs=2)
    close_group(out, finished)
    if answer({"metrics": [str(run.path / "metrics.json") for run in finished.values()]}):
        return
    look.show_table(out)
    curve = look.show_rounds(out)
    say("The teachers of this demo are programs, not language models; docs/playground.md says how they err.")
    say(f"Wrote {out}/*/metrics.json{f', {curve}' if curve else ''} and {out / 'report.html'}.")
    starter = Path("tuition.toml")
    say(f"Next: {typed('check', starter) if starter.exists() else typed('init')}")


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("tuition.toml"),
    kind: Annotated[
        str, typer.Option(help="playground or elad (both work offline), or files (your data, your teachers).")
    ] = "playground",
    json: Json = False,
) -> None:
    """Write a commented configuration."""
    from tuition.operate.starters import STARTERS

    if kind not in STARTERS:
        raise ConfigError(near_name(kind, STARTERS, kind="starter"))
    if path.exists():
        raise ConfigError(f"{str(path)!r} exists; name another file: tuition init other.toml")
    path.write_text(STARTERS[kind], encoding="utf-8")
    answer({"config": str(path)})
    say(f"Wrote {path}. Next: {typed('check', path)}")


def check(
    config: Config,
    settings: Settings = None,
    *,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also look over the runs without one of its parts at a time.")
    ] = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Check a configuration and its data, and say what a run would cost; spend nothing."""
    from tuition.cli.check import check_config

    check_config(config, tuple(settings or ()), is_ablated=ablate, as_json=json)


def run(
    config: Config,
    settings: Settings = None,
    *,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also run it without one of its parts at a time.")
    ] = False,
    yes: Yes = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Run a configuration, or go on with it; a finished run is shown and costs nothing."""
    _run(resolved(config, settings), is_confirmed=yes, is_ablated=ablate)


def resume(folder: Folder, *, yes: Yes = False, trust: Trust = False, json: Json = False) -> None:
    """Go on with a run that was interrupted."""
    from tuition.operate.execute import reread

    if not (folder / "config.toml").exists():
        raise DataError(
            f"{str(folder)!r} holds no run: config.toml is missing. `tuition list` shows the runs."
        )
    _run(reread(folder), is_confirmed=yes)


def _run(config: Experiment, *, is_confirmed: bool, is_ablated: bool = False) -> None:
    from tuition.api import close_group
    from tuition.cli.check import say_left_out
    from tuition.operate.compare import ablation_table, ablations, new_calls
    from tuition.operate.dry_run.plan import is_over
    from tuition.operate.execute import baselines
    from tuition.report.columns import ABLATION, lay_out

    out = Path(config.out)
    parts = ablations(config) if is_ablated else {}
    todo = [config, *(parts[name] for name in new_calls(config))] if is_ablated else [config]
    _confirm([one for one in todo if not is_over(one)], is_confirmed=is_confirmed)
    configs = {out.name: config, **baselines(config)}
    finished = _execute(configs, jobs=config.evaluation.jobs)
    main = finished[out.name]
    if parts:
        # After the main run, so that no part of it takes the budget from the whole.
        finished = {**_execute({out.name: config, **parts}, jobs=config.evaluation.jobs), **finished}
    close_group(out, finished)
    ablation = ablation_table(config, finished) if is_ablated else []
    answer({"metrics": str(out / "metrics.json"), "is_new": main.is_new})
    look.show_table(out)
    if ablation:
        title = f"{out}: without one part at a time, against {out.name}"
        print_table(title, lay_out(ablation, ABLATION).shown)
    say_left_out(config, is_ablated=is_ablated)
    say(f"{_what_was_done(out, finished)} Next: {typed('show', out)}")
    missing = [name for name in {**configs, **parts} if name not in finished]
    if missing:
        raise BudgetSpent(
            f"the budget left nothing for {', '.join(missing)}; raise [budget] and run it again."
        )
    if main.metrics["stopped_by"] == "budget":
        raise BudgetSpent(
            "the budget was spent before everything was asked that was to be asked; the student learnt "
            "from what there is. For more, raise [budget] and choose another `out`: what is paid is reused."
        )


def _what_was_done(out: Path, finished: dict[str, Finished]) -> str:
    if finished[out.name].is_new:
        return f"Wrote {out / 'metrics.json'} and {out / 'report.html'}."
    if any(run.is_new for run in finished.values()):
        return f"Wrote {out / 'report.html'}; {out.name} itself was finished before."
    return "Finished before; nothing was done."


def _confirm(configs: Sequence[Experiment], *, is_confirmed: bool) -> None:
    """Ask before a plan of more than a little money; every configuration is looked over, confirmed or not."""
    from tuition.cli.check import show_plan
    from tuition.operate.dry_run.plan import objection, plan_of

    plans = [plan_of(config) for config in configs]
    found = objection(plans, configs[0].budget) if plans and not is_confirmed else None
    if found is None:
        return
    finding, way_out = found
    for plan in plans:
        show_plan(plan)
    if not sys.stdin.isatty() or not Confirm.ask(f"{finding[0].upper()}{finding[1:]}. Go on?"):
        raise ConfigError(f"{finding}; nothing was spent. Add --yes, or {way_out}.")


def _execute(configs: dict[str, Experiment], *, jobs: int) -> dict[str, Finished]:
    from tuition.operate.execute import execute_all

    with progress_bars() as listener:
        try:
            return execute_all(configs, jobs=jobs, listener=listener)
        except KeyboardInterrupt:
            raise TuitionError(
                "interrupted; what was paid and computed is kept, the same command goes on from here."
            ) from None
