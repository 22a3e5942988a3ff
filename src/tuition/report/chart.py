"""Draw charts as SVG elements that need nothing but themselves: no script, no link, no font file.

Vega-Lite draws them when the page is made; what a mark says when it is pointed at stands in its `aria-label`.
Colours are variables of the page, so that one chart serves on light, on dark and in print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from tuition.core.config import read_toml
from tuition.core.texts.visible import visible, visible_in

__all__ = [
    "WIDE",
    "Look",
    "Spec",
    "axis",
    "bars",
    "both_widths",
    "colours",
    "draw",
    "layers",
    "looks_of",
    "series",
    "whiskers",
    "with_colours",
]

_ON_LIGHT = ["#1a2fe0", "#c37e0c", "#1b9a61", "#bb171c", "#c05bc1", "#092c7b", "#6e0136", "#dd1ff0"]
_ON_DARK = ["#146ccf", "#fca000", "#1cdf9b", "#f0151c", "#f58af7", "#9e3dfe", "#d31f6e", "#b7b659"]
"""Searched for so that rows differ for the colour-blind too, which a test holds."""
_OTHERS = {
    "quiet": ("#6b6f76", "#a3a8b0"),
    "ink": ("#1c1f24", "#e4e7eb"),
    "line": ("#d9dce1", "#3a3f47"),
    "page": ("#ffffff", "#15181c"),
}
_VARIABLES = {f"c{i}": pair for i, pair in enumerate(zip(_ON_LIGHT, _ON_DARK, strict=True))} | _OTHERS
_SHAPES = ("circle", "square", "diamond", "triangle-up")
_DASHES = ([], [6, 3], [2, 2], [8, 3, 2, 3])
WIDE, NARROW = 800, 340
"""Pixels, of a chart on a screen and on a telephone."""

Spec = dict[str, Any]
"""A chart in the words of Vega-Lite, without its size."""


class Look(NamedTuple):
    """How one row looks, in every chart."""

    colour: str
    shape: str = "circle"
    dash: Sequence[int] = ()


def looks_of(names: Iterable[str], *, quiet: Iterable[str] = ()) -> dict[str, Look]:
    """Give each row its colour; beyond the colours, rows differ by their marks and dashes too."""
    looks = {name: Look("var(--quiet)") for name in quiet}
    for i, name in enumerate(names):
        turn = i // len(_ON_LIGHT) % len(_SHAPES)
        looks[name] = Look(f"var(--c{i % len(_ON_LIGHT)})", _SHAPES[turn], _DASHES[turn])
    return looks


def colours() -> str:
    """Say the colours of every chart as the variables of a style sheet, light and dark."""
    light, dark = ("".join(f"--{name}:{pair[i]};" for name, pair in _VARIABLES.items()) for i in (0, 1))
    return f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"


def axis(field: str, title: str | None = None, *, usd: float | None = None, **more: Any) -> dict[str, Any]:
    """Describe an axis of numbers; with the largest sum in dollars, it has as many digits as that needs."""
    if usd is not None:
        digits = next((n for n, least in ((0, 20), (2, 0.1), (3, 0.01)) if usd >= least), 5)
        more["axis"] = {"format": f"$,.{digits}f"}
    return {"field": field, "type": "quantitative", "title": title, **more}


def whiskers(
    rows: Sequence[Mapping[str, Any]], *, looks: Mapping[str, Look], title: str, most: float = 100.0
) -> Spec | None:
    """Describe dots with whiskers, a row each, under the names of their groups.

    A row has `group`, `name`, `value`, `low`, `high` and, as `told`, what it says when it is pointed at.
    None: there is no row.
    """
    if not rows:
        return None
    data: list[dict[str, Any]] = []
    for row in rows:
        if row["group"] and row["group"] not in {one["group"] for one in data}:
            data.append({"y": f"{row['group']}:", "group": row["group"]})
        look = looks.get(row.get("look", row["name"]), Look("var(--c0)"))
        # Two rows of one name are two places.
        key = f"{row['name']}  {row['value']:.{1 if most > 1 else 2}f}" + "\u200b" * len(data)
        data.append({**row, "y": key, "colour": look.colour, "shape": look.shape})
    is_group = "datum.value[datum.value.length - 1] === ':'"
    weight = {"condition": {"test": is_group, "value": "bold"}, "value": "normal"}
    places = {"domain": [one["y"] for one in data]}
    names = {"domain": False, "ticks": False, "grid": True, "gridOpacity": 0.6, "labelFontWeight": weight}
    scale, as_it_is = {"domain": [0, most], "nice": False}, {"type": "nominal", "scale": None}
    dot = {"type": "point", "filled": True, "size": 75, "opacity": 1}
    ends = {"x": axis("low", title, scale=scale), "x2": {"field": "high"}}
    middle = {"x": axis("value", title, scale=scale), "shape": {"field": "shape", **as_it_is}}
    return {
        "data": {"values": data},
        "height": {"step": 21},
        "encoding": {
            "y": {"field": "y", "type": "nominal", "scale": places, "title": None, "axis": names},
            "description": {"field": "told"},
            "color": {"field": "colour", **as_it_is},
        },
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": ends},
            {"mark": dot, "encoding": middle},
        ],
    }


def series(
    points: Mapping[str, Sequence[tuple[float, float]]],
    *,
    looks: Mapping[str, Look],
    titles: tuple[str, str],
    is_money: bool = False,
) -> Spec | None:
    """Describe lines by name, each its points from left to right; money rises in steps. None: no line."""
    rows: list[dict[str, Any]] = [
        {"name": name, "x": left, "y": up, "told": f"{name}: {up:.4g} at {left:.4g}", "is_mark": False}
        for name, found in points.items()
        for left, up in found
    ]
    if not rows:
        return None
    x, y = titles
    up = axis("y", y, usd=max(row["y"] for row in rows) if is_money else None)
    return layers(rows, looks=looks, x=axis("x", x), y=up, is_step=is_money, has_dots=len(rows) < 40)


def bars(rows: Sequence[Mapping[str, Any]], *, looks: Mapping[str, Look], title: str) -> Spec | None:
    """Describe sums of money: a bar a row (`y`), laid together from parts (`name`, `usd`). None: no part."""
    if not rows:
        return None
    values = [{**row, "told": f"{row['y']}, {row['name']}: ${row['usd']:.4f}"} for row in rows]
    names = list(dict.fromkeys(row["y"] for row in rows))
    most = max(sum(row["usd"] for row in rows if row["y"] == name) for name in names)
    y = {"field": "y", "type": "nominal", "title": None, "scale": {"domain": names}, "axis": {"ticks": False}}
    x = axis("usd", title, usd=most)
    return {
        "data": {"values": values},
        "height": {"step": 22},
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {"x": x, "y": y, "description": {"field": "told"}, "color": _looking(values, looks)},
    }


def _looking(rows: Sequence[Mapping[str, Any]], looks: Mapping[str, Look], part: int = 0) -> dict[str, Any]:
    """One scale of looks by name, in the order of the rows."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    scale = {"domain": names, "range": [looks[name][part] for name in names]}
    return {"field": "name", "type": "nominal", "scale": scale}


def layers(
    rows: Sequence[Mapping[str, Any]],
    *,
    looks: Mapping[str, Look],
    x: Mapping[str, Any],
    y: Mapping[str, Any],
    more: Sequence[Mapping[str, Any]] = (),
    is_step: bool = True,
    has_dots: bool = True,
) -> Spec:
    """Describe lines, with a mark at each point, over other layers."""
    line = {
        "transform": [{"filter": "datum.is_mark === false"}],
        "mark": {"type": "line", "strokeWidth": 2, "interpolate": "step-after" if is_step else "linear"},
        "encoding": {"x": x, "y": y, "strokeDash": _looking(rows, looks, part=2)},
    }
    dots = {
        "transform": [{"filter": "isValid(datum.x)"}],
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
        "encoding": {"x": x, "y": y, "shape": _looking(rows, looks, part=1)},
    }
    return {
        "data": {"values": list(rows)},
        "encoding": {"color": _looking(rows, looks), "description": {"field": "told"}},
        "layer": [*more, line, *([dots] if has_dots else [])],
    }


def with_colours(svg: str) -> str:
    """Put colours in the place of the variables, on white: a picture has no page around it that says them."""
    for name, (light, _) in _VARIABLES.items():
        svg = svg.replace(f"var(--{name})", light)
    return svg.replace("><", '><rect width="100%" height="100%" fill="white"/><', 1)


def both_widths(spec: Spec | None, *, name: str) -> str:
    """Draw a chart for a screen and for a telephone; the style sheet shows one of them."""
    if spec is None:
        return ""
    drawn = {"wide": WIDE, "narrow": NARROW}
    return "".join(
        f'<div class="{which}">{draw(spec, width=width, name=name)}</div>' for which, width in drawn.items()
    )


def draw(spec: Mapping[str, Any], *, width: int, name: str) -> str:
    """Draw a chart as an `<svg>` element; its name is for readers that do not see it."""
    # It brings a whole engine, which nothing but a chart needs.
    import vl_convert

    is_narrow = width < WIDE
    theme: dict[str, Any] = read_toml(Path(__file__).with_name("chart.toml"))
    theme["config"]["axis"] |= {"labelLimit": width * (0.46 if is_narrow else 0.35)}
    theme["config"]["axis"] |= {"tickCount": 3 if is_narrow else 6}
    theme["config"]["legend"] |= {"columns": 1 if is_narrow else 3, "title": None}
    whole = {**theme, "width": width, "height": 190 if is_narrow else 270, **spec}
    svg = vl_convert.vegalite_to_svg(visible_in(whole), allowed_base_urls=[])
    return visible(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1))
