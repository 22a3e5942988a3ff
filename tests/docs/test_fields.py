"""Every table, field and switch that the pages name is one that a configuration has."""

import re
import tomllib
from pathlib import Path

import pytest

from tuition.core.config import override
from tuition.recipes.config import Experiment, resolve
from tuition.recipes.starters import STARTERS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_SETTING = re.compile(r"`((?:[a-z_0-9]+\.)*[a-z_]+=[^`\s]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_that_is_shown_is_accepted(page):
    base = tomllib.loads(STARTERS["playground"])
    for setting in _SETTING.findall(page.read_text()):
        if setting.startswith(("rate_limit", "key=")):
            continue
        resolve(override({**base, "training": {}}, [setting]), where=setting)


def test_the_readme_shows_settings():
    assert len(_SETTING.findall((ROOT / "README.md").read_text())) >= 5


def test_the_configuration_page_has_every_table():
    text = (ROOT / "docs" / "config.md").read_text()
    tables = set(re.findall(r"^\| `\[+(\w+)\]+`", text, re.MULTILINE))
    scalars = {"recipe", "out", "seed", "store", "preset"}
    assert tables | scalars == set(Experiment.model_fields)
