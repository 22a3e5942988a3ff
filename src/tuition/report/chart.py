"""Draw charts as SVG elements that need nothing but themselves: no script, no link, no font file.

Vega-Lite draws them when the page is made; what a mark says when it is pointed at stands in its `aria-label`.
Colours are variables of the page, so that one chart serves on light, on dark and in print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from tuition.core.texts.visible import visible, visible_in

__all__ = [
    "PALETTE",
    "WIDE",
    "Look",
    "Spec",
    "bars",
    "both_widths",
    "colours",
    "dollars",
    "draw",
    "layers",
    "looks_of",
    "series",
    "whiskers",
    "with_colours",
]

PALETTE = (
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#f08a4b"),
    ("#00835f", "#35c79a"),
    ("#b0408f", "#e39ad2"),
    ("#8f6a00", "#e3bd3f"),
    ("#33228f", "#a9a2f2"),
    ("#7a1f3d", "#d97a97"),
    ("#2b8f9e", "#86dbe6"),
)
"""On light and on dark: after Okabe and Ito, and Tol, whose colours differ for the colour-blind too."""
_QUIET = ("#6b6f76", "#a3a8b0")
_PAGE = ("#ffffff", "#15181c")
_INK, _LINE = ("#1c1f24", "#e4e7eb"), ("#d9dce1", "#3a3f47")
_SHAPES = ("circle", "square", "diamond", "triangle-up")
_DASHES = ([], [6, 3], [2, 2], [8, 3, 2, 3])
WIDE, NARROW = 800, 340
"""Pixels, of a chart on a screen and on a telephone."""
_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"


Spec = dict[str, Any]
"""A chart in the words of Vega-Lite, without its size."""


class Look(NamedTuple):
    """How one row looks, in every chart."""

    colour: str
    shape: str
    dash: list[int]


def looks_of(names: Iterable[str], *, quiet: Iterable[str] = ()) -> dict[str, Look]:
    """Give each row its colour; beyond the colours, rows differ by their marks and dashes too."""
    looks = {name: Look("var(--quiet)", "circle", []) for name in quiet}
    for i, name in enumerate(names):
        turn = i // len(PALETTE) % len(_SHAPES)
        looks[name] = Look(f"var(--c{i % len(PALETTE)})", _SHAPES[turn], _DASHES[turn])
    return looks


def colours() -> str:
    """Say the colours of every chart as the variables of a style sheet, light and dark."""

    def written(i: int) -> str:
        pairs = [*((f"c{n}", pair) for n, pair in enumerate(PALETTE)), ("quiet", _QUIET)]
        return "".join(
            f"--{name}:{pair[i]};" for name, pair in (*pairs, ("ink", _INK), ("line", _LINE), ("page", _PAGE))
        )

    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {written(1)} }} }}"
    return f":root {{ {written(0)} }}\n{dark}"


def whiskers(
    rows: Sequence[Mapping[str, Any]], *, looks: Mapping[str, Look], title: str, most: float = 100.0
) -> Spec:
    """Describe dots with whiskers, a row each, under the names of their groups.

    A row has `group`, `name`, `value`, `low`, `high` and, as `told`, what it says when it is pointed at.
    """
    data: list[dict[str, Any]] = []
    for row in rows:
        if row["group"] and row["group"] not in {one.get("group") for one in data}:
            data.append({"y": f"{row['group']}:", "group": row["group"]})
        look = looks.get(row.get("look", row["name"]), Look("var(--c0)", "circle", []))
        # Two rows of one name are two places.
        key = f"{row['name']}  {row['value']:.{1 if most > 1 else 2}f}" + "\u200b" * len(data)
        data.append({**row, "y": key, "colour": look.colour, "shape": look.shape})
    y = {
        **{"field": "y", "type": "nominal", "scale": {"domain": [one["y"] for one in data]}, "title": None},
        "axis": {
            **{"domain": False, "ticks": False, "grid": True, "gridOpacity": 0.6, "labelPadding": 6},
            "labelFontWeight": {
                "condition": {"test": "datum.value[datum.value.length - 1] === ':'", "value": "bold"},
                "value": "normal",
            },
        },
    }
    x = {"type": "quantitative", "scale": {"domain": [0, most], "nice": False}, "title": title}
    shared = {
        "y": y,
        "description": {"field": "told"},
        "color": {"field": "colour", "type": "nominal", "scale": None},
    }
    return {
        "data": {"values": data},
        "height": {"step": 21},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {**shared, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
                "encoding": {
                    **{**shared, "x": {**x, "field": "value"}},
                    "shape": {"field": "shape", "type": "nominal", "scale": None},
                },
            },
        ],
    }


def series(
    points: Mapping[str, Sequence[tuple[float, float]]],
    *,
    looks: Mapping[str, Look],
    x: str,
    y: str,
    is_money: bool = False,
) -> Spec | None:
    """Describe lines by name, each its points from left to right; money rises in steps. None: no line."""
    if not points:
        return None
    rows: list[dict[str, Any]] = [
        {"name": name, "x": left, "y": up, "told": f"{name}: {up:.4g} at {left:.4g}", "is_mark": False}
        for name, found in points.items()
        for left, up in found
    ]
    most = max((row["y"] for row in rows), default=0.0)
    form = {"axis": {"format": dollars(most)}} if is_money else {}
    return layers(
        rows,
        looks=looks,
        x={"field": "x", "title": x},
        y={"field": "y", "title": y, **form},
        has_dots=len(rows) < 40,
    )


def bars(rows: Sequence[Mapping[str, Any]], *, looks: Mapping[str, Look], title: str) -> Spec:
    """Describe sums of money: a bar a row (`y`), laid together from parts (`name`, `usd`)."""
    values: list[dict[str, Any]] = [
        {**row, "told": f"{row['y']}, {row['name']}: ${row['usd']:.4f}"} for row in rows
    ]
    totals: dict[str, float] = {}
    for row in values:
        totals[row["y"]] = totals.get(row["y"], 0.0) + row["usd"]
    x = {
        "field": "usd",
        "type": "quantitative",
        "title": title,
        "axis": {"format": dollars(max(totals.values()))},
    }
    y = {
        "field": "y",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(totals)},
        "axis": {"ticks": False},
    }
    return {
        "data": {"values": values},
        "height": {"step": 22},
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {"x": x, "y": y, "description": {"field": "told"}, "color": _colour(values, looks)},
    }


def _colour(rows: Sequence[Mapping[str, Any]], looks: Mapping[str, Look], part: int = 0) -> dict[str, Any]:
    """One scale of looks by name, in the order of the rows."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    return {
        **{"field": "name", "type": "nominal"},
        "scale": {"domain": names, "range": [looks[name][part] for name in names]},
    }


def layers(
    rows: Sequence[Mapping[str, Any]],
    *,
    looks: Mapping[str, Look],
    x: Mapping[str, Any],
    y: Mapping[str, Any],
    more: Sequence[Mapping[str, Any]] = (),
    has_dots: bool = True,
) -> Spec:
    """Lines in steps, with a mark at each point, over other layers."""
    is_step = "format" in x.get("axis", {}) or "format" in y.get("axis", {})
    across = {"x": {"type": "quantitative", **x}, "y": {"type": "quantitative", **y}}
    line = {
        "transform": [{"filter": "datum.is_mark === false"}],
        "mark": {"type": "line", "strokeWidth": 2, "interpolate": "step-after" if is_step else "linear"},
        "encoding": {**across, "strokeDash": _colour(rows, looks, part=2)},
    }
    dots = {
        "transform": [{"filter": "isValid(datum.x)"}],
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
        "encoding": {**across, "shape": _colour(rows, looks, part=1)},
    }
    return {
        "data": {"values": list(rows)},
        "encoding": {"color": _colour(rows, looks), "description": {"field": "told"}},
        "layer": [*more, line, *([dots] if has_dots else [])],
    }


def dollars(most: float) -> str:
    """As many digits as the sums of an axis need."""
    return "$,.0f" if most >= 20 else "$,.2f" if most >= 0.1 else "$,.3f" if most >= 0.01 else "$,.5f"


def with_colours(svg: str) -> str:
    """Put colours in the place of the variables, on white: a picture has no page around it that says them."""
    pairs = {f"var(--c{i})": light for i, (light, _) in enumerate(PALETTE)}
    pairs |= {"var(--quiet)": _QUIET[0], "var(--line)": _LINE[0], "var(--ink)": _INK[0]}
    for variable, colour in pairs.items():
        svg = svg.replace(variable, colour)
    return svg.replace("><", '><rect width="100%" height="100%" fill="white"/><', 1)


def both_widths(spec: Mapping[str, Any], *, name: str) -> str:
    """Draw a chart for a screen and for a telephone; the style sheet shows one of them."""
    drawn = {"wide": WIDE, "narrow": NARROW}
    return "".join(
        f'<div class="{which}">{draw(spec, width=width, name=name)}</div>' for which, width in drawn.items()
    )


def draw(spec: Mapping[str, Any], *, width: int, name: str) -> str:
    """Draw a chart as an `<svg>` element; its name is for readers that do not see it."""
    import vl_convert

    is_narrow = width < WIDE
    room = int(width * (0.46 if is_narrow else 0.35))
    config = {
        "font": _FONT,
        "view": {"stroke": None},
        "axis": {
            **{"labelColor": "var(--ink)", "titleColor": "var(--ink)", "gridColor": "var(--line)"},
            **{"domainColor": "var(--line)", "tickColor": "var(--line)", "labelLimit": room},
            **{
                "labelFontSize": 12,
                "titleFontSize": 12,
                "titleFontWeight": "normal",
                "tickCount": 3 if is_narrow else 6,
            },
        },
        "legend": {
            **{
                "labelColor": "var(--ink)",
                "titleColor": "var(--ink)",
                "labelFontSize": 12,
                "orient": "bottom",
            },
            **{
                "columns": 1 if is_narrow else 3,
                "labelLimit": 280,
                "title": None,
                "symbolStrokeWidth": 2,
                "symbolOpacity": 1,
            },
        },
        "title": {"color": "var(--ink)", "fontSize": 14, "fontWeight": "normal"},
    }
    whole = {
        **{"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "background": None},
        # A browser's letters may be wider than those that were measured here.
        "padding": {"left": 18, "right": 8, "top": 4, "bottom": 4},
        **{"width": width, "height": 190 if is_narrow else 270, "config": config},
        **{"autosize": {"type": "fit-x", "contains": "padding"}, **spec},
    }
    svg = vl_convert.vegalite_to_svg(visible_in(whole), allowed_base_urls=[])
    return visible(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1))
