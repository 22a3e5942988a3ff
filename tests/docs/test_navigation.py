"""The pages are what a reader finds: each stands in the navigation once, and in a part of its own."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PARTS = {"how-to", "concepts", "recipes", "extend", "reference"}


def listed(entries):
    for entry in entries:
        for value in entry.values():
            yield from listed(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation_once():
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    there = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
    assert sorted(listed(nav)) == there


def test_pages_lie_in_the_parts():
    assert {path.name for path in DOCS.iterdir() if path.is_dir()} == PARTS | {"assets"}


def test_home_has_three_doors_and_a_way_to_every_how_to():
    home = (DOCS / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", home, re.MULTILINE) == ["Try it", "Use it on my data", "Compare methods"]
    absent = [path.name for path in (DOCS / "how-to").glob("*.md") if f"(how-to/{path.name})" not in home]
    assert absent == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda path: path.name
)
def test_a_link_to_a_heading_leads_to_one(page):
    """Headings are addressed as GitHub and the generator do it: in small letters, joined by hyphens."""
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http") and (not target or target.endswith(".md")):
            text = (page.parent / target if target else page).read_text(encoding="utf-8")
            heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            known = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in known, f"{target}#{anchor}"


def test_the_pages_are_built_without_torch():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [needs] = re.findall(r"^\$\(VENV\)/\.docs: (.*)$", makefile, re.MULTILINE)
    assert needs == "$(VENV)/.pip pyproject.toml"
