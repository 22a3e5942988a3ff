"""What the commands do: call a recipe, a comparison or a report, then show it. Loaded when a command runs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.prompt import Confirm

from tuition.annotation.routing import ROUTES
from tuition.cli.check import say_left_out, show_plan
from tuition.cli.curve import show_courses
from tuition.cli.show import (
    per_cent,
    print_ablation,
    print_json,
    print_rows,
    print_table,
    progress_bars,
    say,
    typed,
)
from tuition.core.config import override, parse, read_toml
from tuition.core.errors import BudgetSpent, ConfigError, DataError, TuitionError, near_name, some_of
from tuition.core.rows import read_rows
from tuition.recipes import RECIPES
from tuition.recipes.ablate import ablation_table, ablations, new_calls
from tuition.recipes.compare import compare_runs, compare_with
from tuition.recipes.config import Experiment, resolve, source_types
from tuition.recipes.demo import demo_configs
from tuition.recipes.execute import Finished, baselines, execute_all, reread
from tuition.recipes.plan.plan import plan_of
from tuition.recipes.starters import STARTERS
from tuition.report import openings, rows_of, run_folders, write_card, write_page

__all__ = [
    "compare_folders",
    "list_folder",
    "resume_run",
    "run_config",
    "run_demo",
    "serve_playground",
    "show_folder",
    "write_report",
    "write_starter",
]


def run_demo(out: Path, *, as_json: bool) -> None:
    """Run the demo's rows and show their table.

    Args:
        out: Folder for the runs.
        as_json: Print JSON instead of a table.
    """
    configs = demo_configs(out)
    finished = _execute(configs, jobs=2)
    _close_group(out, finished)
    if as_json:
        print_json({"metrics": [str(run.path / "metrics.json") for run in finished.values()]})
        return
    _show_rows(out)
    curve = show_courses(out)
    say("The teachers of this demo are programs, not language models; docs/playground.md says how they err.")
    say(f"Wrote {out}/*/metrics.json{f', {curve}' if curve else ''} and {out / 'report.html'}.")
    starter = Path("tuition.toml")
    say(f"Next: {typed('check', starter) if starter.exists() else typed('init')}")


def write_starter(path: Path, kind: str, *, as_json: bool) -> None:
    """Write a commented configuration file.

    Args:
        path: The file; one that exists is left alone.
        kind: Name of the starter.
        as_json: Print JSON instead of sentences.

    Raises:
        ConfigError: The kind is unknown, or the file exists.
    """
    if kind not in STARTERS:
        raise ConfigError(near_name(kind, STARTERS, kind="starter"))
    if path.exists():
        raise ConfigError(f"{str(path)!r} exists; name another file: tuition init other.toml")
    path.write_text(STARTERS[kind], encoding="utf-8")
    if as_json:
        print_json({"config": str(path)})
    else:
        say(f"Wrote {path}. Next: {typed('check', path)}")


def run_config(
    path: Path, settings: tuple[str, ...], *, is_confirmed: bool, as_json: bool, is_ablated: bool = False
) -> None:
    """Run a configuration with its baselines, or go on with it.

    Args:
        path: The configuration file.
        settings: Overrides.
        is_confirmed: Whether a plan above the budget's `confirm_above_usd` may be carried out unasked.
        as_json: Print JSON instead of tables.
        is_ablated: Whether it is also run without one of its parts at a time.
    """
    config = resolve(read_toml(path), settings, where=str(path))
    _run(config, is_confirmed=is_confirmed, as_json=as_json, is_ablated=is_ablated)


def resume_run(folder: Path, *, is_confirmed: bool, as_json: bool) -> None:
    """Go on with a run from its folder alone.

    Args:
        folder: The run folder.
        is_confirmed: As for `run_config`.
        as_json: Print JSON instead of tables.

    Raises:
        DataError: The folder holds no run.
    """
    if not (folder / "config.toml").exists():
        raise DataError(
            f"{str(folder)!r} holds no run: config.toml is missing. `tuition list` shows the runs."
        )
    _run(reread(folder), is_confirmed=is_confirmed, as_json=as_json)


def _run(config: Experiment, *, is_confirmed: bool, as_json: bool, is_ablated: bool = False) -> None:
    out = Path(config.out)
    parts = ablations(config) if is_ablated else {}
    todo = [config, *new_calls(parts).values()]
    _confirm([one for one in todo if not (Path(one.out) / "done").exists()], is_confirmed=is_confirmed)
    configs = {out.name: config, **baselines(config)}
    finished = _execute(configs, jobs=config.evaluation.jobs)
    main = finished[out.name]
    if parts:
        # After the main run, so that no part of it takes the budget from the whole.
        finished = {**_execute({out.name: config, **parts}, jobs=config.evaluation.jobs), **finished}
    _close_group(out, finished)
    ablation = ablation_table(config, finished) if is_ablated else []
    if as_json:
        print_json({"metrics": str(out / "metrics.json"), "is_new": main.is_new})
    else:
        _show_rows(out)
        if ablation:
            print_ablation(f"{out}: without one part at a time, against {out.name}", ablation)
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
    plans = [plan_of(config) for config in configs]
    if is_confirmed or not plans:
        return
    budget = configs[0].budget
    limit, known = budget.confirm_above_usd, sum(plan.known_usd for plan in plans)
    if known > limit:
        finding = f"the expected cost, ${known:.2f}, is above budget.confirm_above_usd = {limit:g}"
        way_out = "raise confirm_above_usd"
    elif any(plan.expected_usd is None for plan in plans) and not budget.allow_unknown_price:
        asked = sorted({name for plan in plans for name in plan.unpriced})
        finding = f"nobody can say what this costs: the price of {some_of(asked)} is unknown"
        way_out = "set price_prompt and price_completion, or budget.allow_unknown_price = true"
    else:
        return
    for plan in plans:
        show_plan(plan)
    if not sys.stdin.isatty() or not Confirm.ask(f"{finding[0].upper()}{finding[1:]}. Go on?"):
        raise ConfigError(f"{finding}; nothing was spent. Add --yes, or {way_out}.")


def _execute(configs: dict[str, Experiment], *, jobs: int) -> dict[str, Finished]:
    with progress_bars() as listener:
        try:
            return execute_all(configs, jobs=jobs, listener=listener)
        except KeyboardInterrupt:
            raise TuitionError(
                "interrupted; what was paid and computed is kept, the same command goes on from here."
            ) from None


def _close_group(out: Path, finished: dict[str, Finished]) -> None:
    """Write what stands beside and above the single runs, where anything new came of them.

    A run that was killed between its end and its card gets the card now.
    """
    for run in finished.values():
        if run.metrics["student"] is not None and (run.is_new or not (run.path / "MODEL_CARD.md").exists()):
            write_card(run.path)
    is_new = any(run.is_new for run in finished.values())
    if is_new or not (out / "report.html").exists():
        folders = {name: run.path for name, run in finished.items()}
        comparisons = compare_with(folders, reference="label_only")
        (out / "comparisons.json").write_text(json.dumps(comparisons, indent=2) + "\n", encoding="utf-8")
        write_page(out)


def _show_rows(folder: Path) -> None:
    rows = rows_of(folder)
    print_rows(f"{folder}: {rows[0].split} split" if rows else str(folder), rows)


def show_folder(folder: Path, *, unreadable: bool, as_json: bool) -> None:
    """Show the result table of a folder, or its unreadable answers.

    Args:
        folder: A run folder, or one that holds several.
        unreadable: Show the answers nobody could read instead.
        as_json: Print JSON instead of tables.
    """
    if unreadable:
        found = [
            {"run": name, "example": row["example_id"], "text": row["text"]}
            for name, path in run_folders(folder).items()
            for row in read_rows(path / "predictions.jsonl")
            if row["grade"] == "unreadable"
        ]
        if as_json:
            print_json([dict(row) for row in found])
        else:
            print_table(f"{len(found)} unreadable answers", found)
        return
    if as_json:
        print_json([row.to_json() for row in rows_of(folder)])
    else:
        _show_rows(folder)
        for sentence in openings(folder):
            say(sentence)
        say(f"Next: {typed('report', folder)}")


def compare_folders(left: Path, right: Path, *, as_json: bool) -> None:
    """Show how two runs differ on the same items.

    Args:
        left: A run folder.
        right: Another.
        as_json: Print JSON instead of sentences.
    """
    found: Any = compare_runs(left, right)
    if as_json:
        print_json(found)
        return
    readers = " and ".join(dict.fromkeys(found["readers"]))
    shown = {
        "items": found["n"],
        "points": per_cent(found["difference"], (found["low"], found["high"]), sign="+"),
        "left alone right": found["only_a"],
        "right alone right": found["only_b"],
        "p (McNemar)": found["p"],
    }
    print_table(f"{left} less {right}, {found['split']} split, read by {readers}", [shown])
    if "warning" in found:
        say(f"Warning: {found['warning']}.")


def write_report(folder: Path, *, as_json: bool) -> None:
    """Write the HTML page of a folder.

    Args:
        folder: A run folder, or one that holds several.
        as_json: Print JSON instead of sentences.
    """
    path = write_page(folder)
    if as_json:
        print_json({"report": str(path)})
    else:
        say(f"Wrote {path}. Open it in a browser; it needs no network.")


def list_folder(folder: Path, *, as_json: bool) -> None:
    """List runs, finished or not, and the names a configuration may use.

    Args:
        folder: Where the runs lie; folders within folders are looked into.
        as_json: Print JSON instead of tables.
    """
    runs = [
        {
            "run": str(path.parent),
            "recipe": str(read_toml(path)["recipe"]),
            "state": "done" if (path.parent / "done").exists() else "unfinished",
        }
        for path in sorted(folder.rglob("config.toml"))
        if (path.parent / "run_id").exists()
    ]
    names = {
        "recipes": sorted(RECIPES),
        "routes": list(ROUTES),
        "sources": sorted(source_types()),
        "starters": sorted(STARTERS),
    }
    if as_json:
        print_json(
            {"runs": [dict(run) for run in runs], **{kind: list(found) for kind, found in names.items()}}
        )
        return
    states = Counter(run["state"] for run in runs)
    print_table(f"{folder}: {states['done']} done, {states['unfinished']} unfinished", runs)
    for kind, found in names.items():
        say(f"{kind}: {', '.join(found)}")


def serve_playground(
    host: str,
    port: int,
    *,
    faults: tuple[str, ...],
    ledger: Path | None,
    settings: tuple[str, ...] = (),
) -> None:
    """Serve the simulated teachers until interrupted.

    Args:
        host: Address to bind.
        port: Port to bind.
        faults: Such as `rate_limit=0.1`, `slow_s=5` or `batch.expired=0.5`.
        ledger: Where to write one line a payment; None: nowhere.
        settings: Such as `requests_per_minute=600`, `latency_s=0.2` or `refuses=["temperature"]`.
    """
    from tuition.playground.serving import Faults, ServerConfig, serve

    spoilt = parse(Faults, override({}, faults), where="--fault")
    config = parse(ServerConfig, override({}, settings), where="--set")
    serve(host=host, port=port, faults=spoilt, config=config, ledger=ledger)
