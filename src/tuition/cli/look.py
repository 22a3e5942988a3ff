"""The commands that look: `show`, `compare`, `curve`, `report`, `list`, `keys`, `probe`."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tuition.cli.options import Config, Folder, Json, Settings, Trust
from tuition.cli.show import answer, paragraph, print_rows, print_table, resolved, say, typed
from tuition.core.errors import ConfigError, near_name

if TYPE_CHECKING:
    from tuition.operate.curves import Curves, Setting
    from tuition.report import Standing


def show(
    folder: Folder,
    unreadable: Annotated[
        bool, typer.Option("--unreadable", help="List the answers that could not be read.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the result table of a run and what stands beside it."""
    from tuition.core.rows import read_metrics, read_rows
    from tuition.report import openings, rows_of, run_folders
    from tuition.report.columns import PARTS, lay_out, parts_of

    if unreadable:
        found = [
            {"run": name, "example": row["example_id"], "text": row["text"]}
            for name, path in run_folders(folder).items()
            for row in read_rows(path / "predictions.jsonl")
            if row["grade"] == "unreadable"
        ]
        answer([dict(row) for row in found])
        print_table(f"{len(found)} unreadable answers", found)
        return
    answer([row.to_json() for row in rows_of(folder, _recipes)])
    show_table(folder)
    for name, path in run_folders(folder).items():
        metrics = read_metrics(path)
        if parts := parts_of(metrics["test"] or metrics["valid"] or {}):
            print_table(f"{name}: by label or field", lay_out(parts, PARTS).shown)
    for sentence in openings(folder):
        say(sentence)
    say(f"Next: {typed('report', folder)}")


def show_table(folder: Path) -> None:
    """Print the result table of a folder."""
    from tuition.report import rows_of

    rows = rows_of(folder, _recipes)
    print_rows(f"{folder}: {rows[0].split} split" if rows else str(folder), rows)


def _recipes() -> Mapping[str, Standing]:
    from tuition.recipes import RECIPES

    return RECIPES


def compare(left: Folder, right: Folder, json: Json = False) -> None:
    """Compare two runs on the same items."""
    from tuition.operate.compare import compare_runs
    from tuition.report import per_cent

    found: Any = compare_runs(left, right)
    answer(found)
    shown = {
        "items": found["n"],
        "points": per_cent(found["difference"], (found["low"], found["high"]), sign="+"),
        "left alone right": found["only_a"],
        "right alone right": found["only_b"],
        "p (McNemar)": found["p"],
    }
    readers = " and ".join(dict.fromkeys(found["readers"]))
    print_table(f"{left} less {right}, {found['split']} split, read by {readers}", [shown])
    if "warning" in found:
        say(f"Warning: {found['warning']}.")


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Run folders, or some that hold some.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="The page to write; else report.html in the first folder.")
    ] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Write one HTML page about runs: how good, for how much, and every question."""
    from tuition.api import write_report

    path = write_report(folders, out=out, trust=trust)
    answer({"report": str(path)})
    say(f"Wrote {path}. Open it in a browser; it needs no network.")
    if (folders[0] / "student").is_dir():
        say(f"Next: {typed('predict', folders[0], 'FILE')} answers a file of questions")


def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where the runs lie.")] = Path("runs"), json: Json = False
) -> None:
    """List the runs of a folder, and what a configuration may use: methods with their sources, and names."""
    from tuition.annotation.routing import ROUTES
    from tuition.core.config import read_toml
    from tuition.operate.keys import methods
    from tuition.operate.starters import STARTERS
    from tuition.recipes import RECIPES
    from tuition.tasks.load import source_types

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
    known = [asdict(method) for method in methods()]
    listed = {kind: list(found) for kind, found in names.items()}
    answer({"runs": [dict(run) for run in runs], **listed, "methods": known})
    states = Counter(run["state"] for run in runs)
    print_table(f"{folder}: {states['done']} done, {states['unfinished']} unfinished", runs)
    for kind, heading in _KINDS.items():
        paragraph(heading, indent=0)
        for row in (row for row in known if row["kind"] == kind):
            paragraph(row["name"])
            paragraph(f"{row['does']} Source: {re.split('[:;] ', row['source'])[0]}.", indent=4)
    for kind, found in names.items():
        say(f"{kind}: {', '.join(found)}")


_KINDS = {
    "recipe": "recipes: recipe = NAME",
    "strategy": "strategies: selection.strategy = NAME",
    "switch": "switches within a recipe",
    "command": "commands about a finished run",
}


def list_keys(
    key: Annotated[
        str, typer.Argument(help="A key, such as training.steps, or a table; all if left out.")
    ] = "",
    json: Json = False,
) -> None:
    """List the keys of a configuration, or say everything about one of them."""
    from tuition.operate.keys import find, keys

    every = find(key) if key else keys()
    found = [one for one in every if not one.is_table]
    if answer([{**asdict(one), "recipes": list(one.recipes)} for one in found]):
        return
    names = {one.name for one in found}
    if len(names) > 1:
        columns = ("name", "type", "written", "meaning" if key else "where")
        heads = {"name": "key", "written": "default", "where": "in"}
        rows = [{heads.get(column, column): getattr(one, column) for column in columns} for one in found]
        heading = [f"{one.meaning} (in {one.where})" for one in every if one.is_table and one.name == key]
        print_table(f"{key}: {' '.join(heading)}" if heading else "keys of a configuration", rows)
        say(f"Next: {typed('keys', found[-1].name if key else 'training')}")
    for one in found if len(names) == 1 else ():
        say(one.name)
        say(f"  type     {one.type}")
        say(f"  default  {one.written}")
        say(f"  meaning  {one.meaning}")
        say(f"  in       {one.where}")


def curve(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders that hold some.")],
    *,
    split: Annotated[
        Literal["valid", "test"], typer.Option(help="valid has a point a round, test one a run.")
    ] = "valid",
    out: Annotated[Path | None, typer.Option(help="Draw a chart into this file: .svg or .html.")] = None,
    at: Annotated[
        float | None, typer.Option(min=0, max=1, help="What does this accuracy cost? A share, such as 0.7.")
    ] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Show what accuracy the runs' money has bought, with intervals over seeds."""
    from tuition.operate.curves import curves_of
    from tuition.report.curve import Line, curve_chart, curve_title, write_chart

    found = curves_of(runs, split=split, at=at)
    if out is not None:
        title = curve_title(split, is_simulated=found.is_simulated)
        lines = [
            Line(
                name=f"{one.name} ({len(one.seeds)} seed{'s' if len(one.seeds) > 1 else ''})",
                **{name: getattr(one.curve, name) for name in ("usd", "accuracy", "low", "high")},
            )
            for one in found.settings
        ]
        write_chart(out, curve_chart(lines, title=title, split=split), title=title)
    answer({**found.to_json(), "chart": None if out is None else str(out)})
    print_table(f"accuracy on {split} against money", [_row(one, at=at) for one in found.settings])
    for sentence in _remarks(found):
        say(f"  {sentence}")
    if out is not None:
        say(f"Wrote {out}. Open it in a browser; it needs no network.")
    else:
        say(f"Next: {typed('curve', *runs, '--split', split, '--out', 'curve.svg')}")


def show_rounds(folder: Path) -> Path | None:
    """Show what runs in rounds reached for their money, and draw it; None: nothing to draw."""
    from tuition.core.rows import read_metrics
    from tuition.report import run_folders
    from tuition.report.columns import ROUNDS, lay_out
    from tuition.report.curve import folder_chart, write_chart

    for name, path in run_folders(folder).items():
        if rounds := read_metrics(path).get("rounds"):
            title = f"{name}: what each round reached, and what it had cost by then"
            print_table(title, lay_out(rounds, ROUNDS).shown)
    chart = folder_chart(folder)
    if chart is None:
        return None
    return write_chart(folder / "curve.svg", chart, title="Accuracy against money")


def _row(setting: Setting, *, at: float | None) -> dict[str, object]:
    from tuition.report import money, per_cent

    curve = setting.curve
    reached = "never" if setting.usd_to_reach is None else money(setting.usd_to_reach)
    covered = per_cent(setting.area, setting.area_ci95)
    return {
        "setting": setting.name,
        "seeds": len(setting.seeds),
        "right %": per_cent(curve.accuracy[-1], (curve.low[-1], curve.high[-1])),
        "interval": curve.interval,
        "cost": money(setting.usd),
        "area %": covered or ("" if setting.area is None else f"{100 * setting.area:.1f}"),
        **({} if at is None else {f"cost of {100 * at:g} %": reached}),
        "remark": f"{setting.unfinished} unfinished" if setting.unfinished else "",
    }


def _remarks(found: Curves) -> list[str]:
    from tuition.report import money

    kinds = {one.curve.interval for one in found.settings}
    remarks = []
    if "seeds" in kinds:
        remarks.append(
            "interval seeds: 95 % by Student's t over seeds; it does not cover the choice of items"
        )
    if "items" in kinds:
        remarks.append(
            "interval items: one seed, so 95 % over items of that one run; it does not cover seeds"
        )
    if found.area_between is None:
        remarks.append("no area: it needs settings with several points each and a range of money in common")
    else:
        low, high = map(money, found.area_between)
        remarks.append(
            f"area: mean accuracy from {low} to {high}, which every curve covers; a step function, a round's "
            "student holds until the next round is paid"
        )
    if len(found.readers) > 1:
        remarks.append(f"graded by different readers, so not by one measure: {', '.join(found.readers)}")
    if found.is_simulated:
        remarks.append("simulated: the teachers are programs, and the money is play money")
    return remarks


def probe(
    config: Config,
    settings: Settings = None,
    *,
    teacher: Annotated[str, typer.Option(help="Whom to try; else every teacher behind an endpoint.")] = "",
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Find out what the teachers' endpoints can do, with at most seven small calls each, which are paid."""
    from tuition.teachers.http.probe import probe as probe_endpoint

    tables = {table.name: table for table in resolved(config, settings).teacher if table.kind == "chat"}
    if teacher and teacher not in tables:
        raise ConfigError(near_name(teacher, tables, kind="teacher behind an endpoint"))
    if not tables:
        raise ConfigError(f"{str(config)!r} has no teacher of kind 'chat'; there is no endpoint to try.")
    names = [teacher] if teacher else list(tables)
    found: dict[str, Any] = {name: asyncio.run(probe_endpoint(tables[name])) for name in names}
    answer(found)
    words = {None: "could not be told", True: "yes", False: "no"}
    shown = [
        {
            "teacher": name,
            **{
                what: value if isinstance(value, str) else words[value]
                for what, value in row["found"].items()
            },
        }
        for name, row in found.items()
    ]
    print_table("what the endpoints take", shown)
    for name, row in found.items():
        tokens = f"{row['prompt_tokens']:,} prompt and {row['completion_tokens']:,} completion tokens"
        say(f"{name}: {row['calls']} calls with {tokens}, which are paid and stand in no store.")
        for what, fault in row["faults"].items():
            say(f"  {what}: {fault}")
        if row["models"] is not None:
            say(f"  it lists {len(row['models'])} models")
        if row["reasoning_in"]:
            say(f"  reasoning stands in {row['reasoning_in']}")
        if all(value is None for value in row["found"].values()):
            say("  Nothing could be told: mend what stands above, and try again.")
        else:
            say("  Write down, below its [[teacher]] table:\n    " + "\n    ".join(row["lines"]))
