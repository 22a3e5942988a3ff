"""Write one self-contained HTML page from run folders.

The page loads nothing. What a model wrote stands in it as data, and its script shows data as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tuition.core.texts.visible import visible
from tuition.report.chart import colours
from tuition.report.columns import money
from tuition.report.facts import best_of, facts_of, headline, read_run
from tuition.report.items import Material, agreement, as_data, items_of
from tuition.report.rows import Standing, read_json, rows_of, run_folders
from tuition.report.sections import (
    agreement_chart,
    charts_of,
    figures_of,
    health_of,
    looks_of_rows,
    tables_of,
)

__all__ = ["write_page"]


def write_page(
    folders: Sequence[Path],
    recipes: Mapping[str, Standing],
    *,
    material: Material | None = None,
    out: Path | None = None,
) -> Path:
    """Write the report of runs.

    Args:
        folders: Run folders, or some that hold some.
        recipes: By name, such as `tuition.recipes.RECIPES`.
        material: The questions, and the words for what was found; None: the page does without.
        out: The page; None: `report.html` in the first folder.

    Returns:
        The page's path.
    """
    material = material or Material()
    runs = {name: read_run(name, path) for name, path in run_folders(*folders).items()}
    rows = rows_of(folders[0], recipes, *folders[1:])
    order = dict.fromkeys([*(row.name for row in rows if row.name in runs), *runs])
    runs = {name: runs[name] for name in order}
    items = items_of(runs, material)
    data = as_data(items, first=[row.name for row in best_of(rows, runs) if row])
    charts = charts_of(rows, runs, looks_of_rows(rows, runs))
    charts["agreement"] = agreement_chart(agreement(items), material.interval)
    data_checks = [read_json(run.path / "data.json") for run in runs.values()]
    by_domain = {name: figures_of(run).get("by_domain", {}) for name, run in runs.items()}
    # `check` opens this room for the form of its sums alone
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    environment = Environment(loader=PackageLoader("tuition.report", "."), autoescape=True)
    environment.filters["percent"] = lambda share: "" if share is None else f"{100 * share:.1f}"
    text = environment.get_template("page.html.jinja").render(
        title=", ".join(folder.resolve().name for folder in folders),
        runs=runs,
        rows=rows,
        sentences=headline(rows, runs),
        facts=facts_of(runs),
        charts={name: Markup(chart) for name, chart in charts.items()},
        tables=tables_of(rows, runs),
        health=health_of(runs, material.remedy),
        domains=sorted({domain for found in by_domain.values() for domain in found}),
        by_domain=by_domain,
        findings=next(filter(None, (found.get("findings") for found in data_checks)), []),
        items=items,
        notes=[*material.missing, *items.notes],
        data=Markup(data),
        colours=Markup(colours()),
        money=money,
    )
    path = out or folders[0] / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(visible(text), encoding="utf-8")
    return path
