"""Show what accuracy the money of runs has bought, as a table and a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tuition.cli.show import per_cent, print_json, print_table, say, typed
from tuition.core.errors import MissingExtra
from tuition.core.rows import read_metrics
from tuition.recipes.curves import Curves, Setting, curves_of
from tuition.report import money, run_folders
from tuition.report.chart import Line, curve_chart, curve_title, folder_chart, write_chart

__all__ = ["show_courses", "show_curves"]


def show_curves(
    folders: Sequence[Path],
    *,
    split: Literal["valid", "test"],
    out: Path | None,
    at: float | None,
    as_json: bool,
) -> None:
    """Show the curves of runs, and draw them where a file is named.

    Args:
        folders: Run folders, or folders that hold some.
        split: What the accuracy was measured on.
        out: File of the chart, `.svg` or `.html`; None: no chart, and no plotting library is needed.
        at: An accuracy in [0, 1] whose price is asked; None: none.
        as_json: Print JSON instead of a table.
    """
    found = curves_of(folders, split=split, at=at)
    if out is not None:
        title = curve_title(split, is_simulated=found.is_simulated)
        write_chart(out, curve_chart(_lines(found), title=title, split=split), title=title)
    if as_json:
        print_json({**found.to_json(), "chart": None if out is None else str(out)})
        return
    print_table(f"accuracy on {split} against money", [_row(one, at=at) for one in found.settings])
    for sentence in _remarks(found):
        say(f"  {sentence}")
    if out is not None:
        say(f"Wrote {out}. Open it in a browser; it needs no network.")
    else:
        say(f"Next: {typed('curve', *folders, '--split', split, '--out', 'curve.svg')}")


def show_courses(folder: Path) -> Path | None:
    """Show what the runs in rounds of a folder reached for their money, and draw it where that can be done.

    Args:
        folder: Holds finished runs; the chart is written into it, as `curve.svg`.

    Returns:
        The chart; None: no run has rounds, or the plotting library is not there, which is said.
    """
    for name, path in run_folders(folder).items():
        rounds = read_metrics(path).get("rounds") or []
        rows = [
            {
                "round": row["round"],
                "asked": row["asked"],
                "cost so far": money(row["usd"]),
                "right on valid %": per_cent(row["valid_accuracy"], row["ci95"]),
            }
            for row in rounds
        ]
        if rows:
            print_table(f"{name}: what each round reached, and what it had cost by then", rows)
    try:
        chart = folder_chart(folder)
    except MissingExtra as error:
        say(f"No chart was drawn: {error}")
        return None
    if chart is None:
        return None
    return write_chart(folder / "curve.svg", chart, title="Accuracy against money")


def _lines(found: Curves) -> list[Line]:
    return [
        Line(
            name=f"{one.name} ({_seeds(one)})",
            usd=one.curve.usd,
            accuracy=one.curve.accuracy,
            low=one.curve.low,
            high=one.curve.high,
        )
        for one in found.settings
    ]


def _seeds(setting: Setting) -> str:
    n = len(setting.seeds)
    return f"{n} seed{'s' if n > 1 else ''}"


def _row(setting: Setting, *, at: float | None) -> dict[str, object]:
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
