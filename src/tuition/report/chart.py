"""Draw accuracy against money as an SVG that needs nothing but itself: no script, no link, no font file.

Needs matplotlib, of the extra `plot`; it is imported when a chart is drawn. Computes no result.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from tuition.core.errors import ConfigError, MissingExtra
from tuition.core.records import Record
from tuition.core.rows import read_metrics
from tuition.core.texts.visible import visible
from tuition.report.rows import run_folders

__all__ = ["Line", "curve_chart", "curve_title", "folder_chart", "lines_of", "write_chart"]

_SUFFIXES = (".svg", ".html")
_COLOURS = ("#3b7dd8", "#d1652c", "#2a8a4a", "#8e5bb5", "#b07d00", "#c0392b", "#3a8f96", "#777777")
_DASHES = ("-", "--", ":", "-.")
"""Lines beyond the colours differ by their dashes."""
_MARKS = ("o", "s", "^", "D")
"""Single points beyond the colours differ by their marks."""
_LINES_INSIDE = 6
"""With more lines the legend stands beside the chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Record):
    """One curve of the chart: a step function, each value valid up to the next; a single point is a mark."""

    name: str
    usd: tuple[float, ...]
    """Rising; dollars."""
    accuracy: tuple[float, ...]
    """Shares in [0, 1], one a sum of money."""
    low: tuple[float, ...]
    """Lower end of the 95 % interval."""
    high: tuple[float, ...]


def curve_title(split: str, *, is_simulated: bool) -> str:
    """Say what a chart shows; simulated where any run's money is play money."""
    return f"Accuracy on {split} against money" + (" (simulated)" if is_simulated else "")


def curve_chart(lines: Sequence[Line], *, title: str = "", split: str = "valid") -> str:
    """Draw curves of accuracy against money, with bands for their intervals, in the order of the legend.

    The `<svg>` element may be written to a file or put into a page as it is: names are escaped. Equal lines
    give equal text.
    """
    if not lines:
        raise ValueError("there is no line to draw; give at least one")
    try:
        import matplotlib
        from matplotlib.figure import Figure
        from matplotlib.ticker import PercentFormatter
    except ImportError:
        raise MissingExtra("matplotlib", "plot") from None
    file = io.StringIO()
    # Text stays text, names are no formulas, and identifiers follow from the content.
    settings: Any = {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "svg.hashsalt": repr((lines, title, split)),
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # The browser has the letters that the measuring font has not.
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(8, 4.8), layout="constrained")
        axes = figure.subplots()
        handles = [_draw(axes, line, place=place) for place, line in enumerate(lines)]
        axes.set_xlabel("cost of the answers used, US dollars")
        axes.set_ylabel(f"right on {split}")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_title(title)
        axes.grid(alpha=0.25)
        names = [line.name for line in lines]
        if len(lines) > _LINES_INSIDE:
            figure.legend(handles, names, loc="outside right upper", fontsize="small")
        else:
            axes.legend(handles, names, loc="best", fontsize="small")
        figure.savefig(
            file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    # The element alone, named for readers that do not see it: a page cannot hold a prologue.
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", file.getvalue(), flags=re.DOTALL)
    name = escape(title or curve_title(split, is_simulated=False))
    return visible(text[text.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1))


def lines_of(runs: Mapping[str, Mapping[str, Any]]) -> list[Line]:
    """Lay out what runs in rounds reached on validation for their money, then the other students as marks.

    A run of unknown price, or without figures on validation, is left out; without rounds there are no lines.
    """
    found = {name: _points(metrics) for name, metrics in runs.items() if metrics["student"]}
    in_rounds = [name for name in found if runs[name].get("rounds") and found[name]]
    others = [name for name in found if name not in in_rounds and found[name]]
    if not in_rounds:
        return []
    columns = {name: zip(*found[name], strict=True) for name in (*in_rounds, *others)}
    return [
        Line(name=name, usd=usd, accuracy=accuracy, low=low, high=high)
        for name, (usd, accuracy, low, high) in columns.items()
    ]


def _points(metrics: Mapping[str, Any]) -> list[tuple[float, float, float, float]]:
    """Dollars, accuracy and the ends of its interval, by rising dollars; of equal sums the later counts."""
    valid, rounds = metrics.get("valid"), metrics.get("rounds")
    rows = rounds or (
        [{"usd": metrics["spend"]["usd"], "valid_accuracy": valid["accuracy"], "ci95": valid["ci95"]}]
        if valid
        else []
    )
    if any(row.get("usd") is None or row.get("valid_accuracy") is None for row in rows):
        return []
    last = {row["usd"]: (row["usd"], row["valid_accuracy"], *row["ci95"]) for row in rows}
    return [last[usd] for usd in sorted(last)]


def folder_chart(folder: Path) -> str | None:
    """Draw what the runs of a folder reached on validation for how much money; None: none has rounds."""
    runs = {name: read_metrics(path) for name, path in run_folders(folder).items()}
    lines = lines_of(runs)
    if not lines:
        return None
    is_simulated = any(metrics.get("is_simulated") for metrics in runs.values())
    return curve_chart(lines, title=curve_title("valid", is_simulated=is_simulated))


def write_chart(path: Path, chart: str, *, title: str) -> Path:
    """Write a chart to a file, as an image (`.svg`) or as a page of its own (`.html`)."""
    if path.suffix not in _SUFFIXES:
        raise ConfigError(f"{str(path)!r} ends in {path.suffix!r}; a chart is {' or '.join(_SUFFIXES)}")
    head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
    text = f'<?xml version="1.0" encoding="utf-8"?>\n{chart}' if path.suffix == ".svg" else f"{head}{chart}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(visible(text), encoding="utf-8")
    return path


def _draw(axes: Any, line: Line, *, place: int) -> Any:
    colour, dash = _COLOURS[place % len(_COLOURS)], _DASHES[place // len(_COLOURS) % len(_DASHES)]
    if len(line.usd) == 1:
        # An end may miss the mean it equals by a rounding.
        below = max(0.0, line.accuracy[0] - line.low[0])
        above = max(0.0, line.high[0] - line.accuracy[0])
        mark = _MARKS[place // len(_COLOURS) % len(_MARKS)]
        return axes.errorbar(
            line.usd, line.accuracy, yerr=[[below], [above]], fmt=mark, color=colour, capsize=3
        )
    axes.fill_between(line.usd, line.low, line.high, step="post", alpha=0.15, color=colour, linewidth=0)
    [drawn] = axes.step(
        line.usd, line.accuracy, where="post", color=colour, linestyle=dash, marker="o", markersize=3
    )
    return drawn
