"""Draw accuracy against money as an SVG that needs nothing but itself: no script, no link, no font file.

Needs matplotlib, of the extra `plot`; it is imported when a chart is drawn. Computes no result.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from tuition.core.errors import ConfigError, MissingExtra
from tuition.core.records import Record

__all__ = ["Line", "curve_chart", "write_chart"]

_SUFFIXES = (".svg", ".html")
_COLOURS = ("#3b7dd8", "#d1652c", "#2a8a4a", "#8e5bb5", "#b07d00", "#c0392b", "#3a8f96", "#777777")
_DASHES = ("-", "--", ":", "-.")
"""Lines beyond the colours differ by their dashes."""


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


def curve_chart(lines: Sequence[Line], *, title: str = "", split: str = "valid") -> str:
    """Draw curves of accuracy against money, with bands for their intervals.

    Args:
        lines: In the order of the legend.
        title: Stands above; empty: none.
        split: What the accuracy was measured on, for the axis.

    Returns:
        One `<svg>` element, to be written to a file or put into a page as it is; equal lines give equal text.
        Names are escaped.

    Raises:
        MissingExtra: matplotlib is not installed.
        ValueError: There are no lines.
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
        axes.legend(handles, [line.name for line in lines], loc="best", fontsize="small")
        figure.savefig(
            file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return _element(file.getvalue(), name=title or f"Accuracy on {split} against money")


def write_chart(path: Path, chart: str, *, title: str) -> Path:
    """Write a chart to a file, as an image or as a page of its own.

    Args:
        path: Ends in `.svg` or `.html`; a file that is there is replaced.
        chart: From `curve_chart`.
        title: Of the page.

    Returns:
        The path.

    Raises:
        ConfigError: The path ends in something else.
    """
    if path.suffix not in _SUFFIXES:
        raise ConfigError(f"{str(path)!r} ends in {path.suffix!r}; a chart is {' or '.join(_SUFFIXES)}")
    head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
    text = f'<?xml version="1.0" encoding="utf-8"?>\n{chart}' if path.suffix == ".svg" else f"{head}{chart}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _draw(axes: Any, line: Line, *, place: int) -> Any:
    colour, dash = _COLOURS[place % len(_COLOURS)], _DASHES[place // len(_COLOURS) % len(_DASHES)]
    if len(line.usd) == 1:
        # An end may miss the mean it equals by a rounding.
        below = max(0.0, line.accuracy[0] - line.low[0])
        above = max(0.0, line.high[0] - line.accuracy[0])
        return axes.errorbar(
            line.usd, line.accuracy, yerr=[[below], [above]], fmt="o", color=colour, capsize=3
        )
    axes.fill_between(line.usd, line.low, line.high, step="post", alpha=0.15, color=colour, linewidth=0)
    [drawn] = axes.step(
        line.usd, line.accuracy, where="post", color=colour, linestyle=dash, marker="o", markersize=3
    )
    return drawn


def _element(text: str, *, name: str) -> str:
    """The element alone, named for readers that do not see it; no prologue, which a page cannot hold."""
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1)
