"""docs/how-to/teachers.md: its tables are what a configuration takes, and what it says of prices is so."""

import re
import tomllib
from pathlib import Path

import pytest

from tuition.core.config import parse
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http.config import WireConfig

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "teachers.md").read_text()
SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))


def teacher_in(section):
    [block] = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    [table] = tomllib.loads(block)["teacher"]
    return parse(TeacherConfig, table, where="docs/how-to/teachers.md")


def test_every_provider_has_its_recipe():
    assert len(SECTIONS) == 12


@pytest.mark.parametrize("name", SECTIONS)
def test_a_recipe_makes_a_teacher_and_its_price_is_as_the_page_says(name, monkeypatch):
    config = teacher_in(SECTIONS[name])
    if config.api_key_env:
        monkeypatch.setenv(config.api_key_env, "sk-1")
    teacher = make_teacher(config)
    is_looked_up = "Price: looked up" in SECTIONS[name]
    assert teacher.price is not None
    assert is_looked_up == (config.price is None)


def test_the_page_shows_every_switch_of_the_wire():
    example = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])["teacher"][0]
    parse(TeacherConfig, example, where="docs/how-to/teachers.md")
    absent = [name for name in WireConfig.model_fields if name not in PAGE]
    assert [name for name in absent if not name.startswith("batch_")] == []
