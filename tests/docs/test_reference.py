"""What is generated from the code is current, and every link of the architecture leads to its symbol."""

import re
import sys
from pathlib import Path

import pytest

from tuition.core.config import read_toml
from tuition.core.errors import ConfigError, MissingExtra

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import reference

ROOT = Path(__file__).parents[2]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
FILES = [*sorted((ROOT / "docs" / "reference").iterdir()), ARCHITECTURE]
QUESTIONS = {
    "Where is a call paid?": "Asker.ask",
    "What does `elad` do in a round?": "ask_round",
    "How do I add a strategy?": "STRATEGIES",
    "Which prompt did this teacher see?": "Prompt.render",
}


@pytest.fixture(scope="module")
def pages():
    return reference.pages()


@pytest.fixture
def page(pages):
    return lambda name: pages[ROOT / "docs" / "reference" / name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_generated_page_is_current(path, pages):
    there, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
    assert there == pages.get(path, ""), f"{name} is not current; renew it with: make reference"


def test_the_reference_has_the_pages_that_are_generated(pages):
    assert set(FILES) == set(pages)


def test_every_link_of_the_architecture_leads_to_its_symbol():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    links = [(found["path"], found["symbol"]) for found in reference.LINK.finditer(text)]
    assert len(links) == text.count("](../src") > 50
    assert [link for link in links if not reference.defines(ROOT / link[0], link[1])] == []


@pytest.mark.parametrize(("question", "symbol"), QUESTIONS.items())
def test_the_architecture_answers_by_links(question, symbol):
    answer = ARCHITECTURE.read_text(encoding="utf-8").partition(f"## {question}\n")[2].partition("\n## ")[0]
    assert symbol in [found["symbol"] for found in reference.LINK.finditer(answer)]


def test_a_symbol_is_found_where_it_is_defined_alone():
    asker = ROOT / "src" / "tuition" / "annotation" / "asker.py"
    assert reference.defines(asker, "Asker.ask") and reference.defines(asker, "ask_all")
    assert not reference.defines(asker, "Asker.asks") and not reference.defines(asker, "Task")
    assert not reference.defines(asker.with_name("absent.py"), "Asker")


def test_a_link_follows_a_symbol_to_another_file():
    text = "[`Asker.ask`](../src/tuition/old.py), [`Asker.asks`](../src/tuition/old.py)"
    followed = reference.LINK.sub(reference.followed, text)
    assert followed == text.replace("old.py", "annotation/asker.py", 1)


def test_a_new_room_without_a_floor_is_refused(tmp_path, monkeypatch):
    (tmp_path / "attic").mkdir()
    (tmp_path / "attic" / "__init__.py").touch()
    monkeypatch.setattr(reference, "SOURCE", tmp_path)
    with pytest.raises(ValueError, match=r"\['attic'\] stand on no floor; add them to FLOORS"):
        reference.floors()


def test_the_error_texts_are_those_that_are_raised(tmp_path, page):
    with pytest.raises(ConfigError) as raised:
        read_toml(tmp_path / "absent.toml")
    template = "no configuration file {path}; write one with: tuition init {path}"
    assert template in page("errors.md")
    pattern = ".*".join(map(re.escape, re.split(r"\{path\}", template)))
    assert re.fullmatch(pattern, str(raised.value))
    assert "unknown key {place}{hint} Known here" in page("errors.md")
    assert str(MissingExtra("pyarrow", "data")) in page("errors.md")


def test_commands_have_their_usage_and_options(page):
    text = page("commands.md")
    assert "tuition run [OPTIONS] config [settings]..." in text
    assert "- **`--ablate`**: Also run it without one of its parts at a time; --ablate lessons:" in text
    assert "## tuition store reconcile\n" in text


def test_the_python_face_has_signatures_and_first_lines(page):
    assert "def make_teacher(config: TeacherConfig) -> Teacher\n" in page("python.md")
    assert not re.search(r" at 0x|FieldInfo|<factory>,? \w", page("python.md"))
