"""Every table, field and switch that the pages name is one that a configuration has."""

import re
import tomllib
from pathlib import Path

import pytest

from tuition.annotation.revise import ANNOTATORS, RevisionConfig
from tuition.annotation.routing import ALLOCATIONS, AllocationConfig
from tuition.core.config import override, read_toml
from tuition.core.errors import ConfigError
from tuition.evaluation.stop import StopConfig
from tuition.experiment.config import Experiment, resolve
from tuition.experiment.rounds.config import ExplanationConfig, RoundsConfig
from tuition.operate.starters import STARTERS
from tuition.selection import STRATEGIES, SelectionConfig

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES.remove(ROOT / "docs" / "reference" / "python.md")  # Its `name=value` are arguments of functions.
_KEY = r"(?:[a-z_0-9]+\.)*[a-z_]+=[^`\s]+"
_SETTING = re.compile(rf"`({_KEY}(?: {_KEY})*)`")
"""One setting, or several that belong together."""


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_that_is_shown_is_accepted(page):
    for setting in _SETTING.findall(page.read_text()):
        if not setting.startswith(("rate_limit", "key=")):
            accepted(setting.split())


def accepted(settings):
    """Some recipe takes them: the starter's, or the one in rounds."""
    starter = {**tomllib.loads(STARTERS["playground"]), "training": {}}
    in_rounds = read_toml(ROOT / "configs" / "elad-playground.toml")
    try:
        resolve(override(starter, settings), where=" ".join(settings))
    except ConfigError:
        resolve(override(in_rounds, settings), where=" ".join(settings))


def test_the_readme_shows_settings():
    assert len(_SETTING.findall((ROOT / "README.md").read_text())) >= 5


def test_the_configuration_page_has_every_table():
    text = (ROOT / "docs" / "how-to" / "configuration.md").read_text()
    tables = set(re.findall(r"^\| `\[+(\w+)\]+`", text, re.MULTILINE))
    scalars = {"config_version", "recipe", "out", "seed", "store", "preset"}
    assert tables | scalars == set(Experiment.model_fields)


def test_the_page_of_elad_has_every_switch():
    text = (ROOT / "docs" / "recipes" / "elad.md").read_text()
    known = {
        "selection.strategy": STRATEGIES,
        "annotator": ANNOTATORS,
        "allocation.allocation": ALLOCATIONS,
    }
    absent = [
        f"{key}={name}" for key, names in known.items() for name in names if f"`{key}={name}" not in text
    ]
    sections = {
        "selection": SelectionConfig.model_fields,
        "explanation": ExplanationConfig.model_fields,
        "revision": RevisionConfig.model_fields,
        "allocation": AllocationConfig.model_fields,
        "rounds": RoundsConfig.model_fields.keys() - {"stop"},
        "rounds.stop": StopConfig.model_fields,
    }
    absent += [
        f"{table}.{field}"
        for table, fields in sections.items()
        for field in fields
        if not re.search(rf"[` ]{re.escape(table)}\.{field}\b", text)
    ]
    assert absent == []
