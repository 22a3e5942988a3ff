"""Every example runs as it stands, offline, in a folder of its own."""

import json
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "quickstart.py": ("expected: $0.0", "quickstart-chains: ", "quickstart-labels: "),
    "own_data.py": ("test: ", "I was charged twice for order 12."),
    "own_teacher.py": ("17 + 25 = 42. The answer is 42.",),
    "own_recipe.py": ("{'answer': 8}",),
}


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """An empty folder, and no module of an example left behind."""
    monkeypatch.chdir(tmp_path)
    known = dict(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - set(known):
        if name.startswith("own_"):
            del sys.modules[name]


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs_and_says_what_it_found(name, at_home, capsys):
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    said = capsys.readouterr().out
    assert [text for text in SAYS[name] if text not in said] == [], said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_notebook_runs_cell_by_cell(at_home):
    """In a notebook an event loop is running, and the last expression of a cell is shown."""
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    namespace = {"__name__": "a_notebook"}
    for i, text in enumerate(code):
        exec(compile(text, f"cell {i}", "exec"), namespace)
    assert namespace["reply"].text and namespace["done"].metrics["test"]["n"] == 24
    assert len(namespace["rows"]) == 2


def test_the_notebook_holds_no_outputs():
    for cell in json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs") and not cell.get("execution_count")
