"""Accuracy against money: what the runs of a folder reached for how much. Computes no result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from tuition.core.errors import ConfigError
from tuition.core.records import Record
from tuition.core.rows import read_metrics
from tuition.core.texts.visible import visible
from tuition.report.chart import WIDE, Look, Spec, axis, draw, layers, looks_of, with_colours
from tuition.report.rows import run_folders

__all__ = ["Line", "curve_chart", "curve_title", "curves", "folder_chart", "lines_of", "write_chart"]

_SUFFIXES = (".svg", ".html")


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


def curves(
    lines: Sequence[Line], *, looks: Mapping[str, Look], split: str, teachers: Sequence[Any] = ()
) -> Spec:
    """Describe lines with bands for their intervals, single points as marks, teachers as lines across."""
    rows: list[dict[str, Any]] = [
        {
            **{"name": line.name, "x": usd, "y": 100 * share, "low": 100 * low, "high": 100 * high},
            **{"is_mark": len(line.usd) == 1},
            "told": f"{line.name}: {100 * share:.1f} % right on {split} for ${usd:.4f}",
        }
        for line in lines
        for usd, share, low, high in zip(line.usd, line.accuracy, line.low, line.high, strict=True)
    ]
    x = axis("x", "cost of the answers used, US dollars", usd=max(row["x"] for row in rows))
    title = f"right on {split}, %"
    interval = {"x": x, "y": axis("low", title), "y2": {"field": "high"}}
    bands = {
        "transform": [{"filter": "datum.is_mark === false"}],
        "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.13},
        "encoding": interval,
    }
    whiskers = {
        "transform": [{"filter": "datum.is_mark === true"}],
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": interval,
    }
    across = {
        "transform": [{"filter": "isValid(datum.across)"}],
        "mark": {"type": "rule", "strokeWidth": 1.5, "strokeDash": [7, 4]},
        "encoding": {"y": axis("across", title)},
    }
    more = [bands, whiskers, across]
    return layers([*rows, *teachers], looks=looks, x=x, y=axis("y", title), more=more)


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
    looks = looks_of(line.name for line in lines)
    spec = curves(lines, looks=looks, split=split) | {"title": {"text": visible(title)}}
    return with_colours(draw(spec, width=WIDE, name=title or curve_title(split, is_simulated=False)))


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
