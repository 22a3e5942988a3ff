"""`benchmarks/house.py`: what it counts in a source made by hand."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")

SOURCE = {
    "__init__.py": '"""The whole.\n\nIn three lines."""\n',
    "high/__init__.py": "",
    "high/top.py": "import tuition.high.mid\nfrom tuition.low import one\n",
    "high/mid.py": "from tuition.high.base import _used, twice\n",
    "high/base.py": (
        "def _used():\n    return _once()\n\n\ndef _once():\n    from tuition.high import top\n\n"
        "    return _used, _used, top\n\n\ndef twice():\n    return 2\n"
    ),
    "low/__init__.py": "",
    "low/one.py": "x = 1\n",
}


@pytest.fixture
def house(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import house

    return house


@pytest.fixture
def modules(house, tmp_path):
    for name, text in SOURCE.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return house.read(tmp_path)


def test_rooms_floors_arrows_and_circles(house, modules):
    rows = {row["room"]: row for row in house.rows(modules)}
    high = rows["high"]
    assert (high["files"], high["lines"], high["functions"], high["helpers"]) == (4, 15, 3, 1)
    # The import within a function makes an arrow and a circle; when the program starts there is none.
    assert (high["floors"], high["arrows"], high["onto"]) == (3, 4, ["low"])
    assert rows[""]["docstring_lines"] == 3
    found = house.circles(house.imports(modules, at_start=False))
    assert found == [["tuition.high.base", "tuition.high.mid", "tuition.high.top"]]
    assert house.circles(house.imports(modules, at_start=True)) == []


def test_a_circle_stands_on_one_floor(house):
    assert house.floors({("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")}) == 3
    assert house.floors(set()) == 1


def test_the_targets_that_are_missed_are_told_with_what_was_found(house):
    rows = [
        {"room": "a", "lines": 100, "docstring_lines": 25, "functions": 10, "helpers": 1},
        {"room": "b", "lines": 100, "docstring_lines": 15, "functions": 10, "helpers": 2},
    ]
    rows = [{**row, "files": 1, "floors": 1, "arrows": 0, "onto": ["a"]} for row in rows]
    watched = {"recipe": "elad", "entered_files": 90, "entered_functions": 561}
    summary = house.summary_of([*rows, {"circle": ["x", "y"]}, watched])
    assert (summary["lines"], summary["docstrings"], summary["helpers"]) == (200, 0.2, 0.15)
    assert house.missed(summary) == {
        "docstrings": (0.2, 0.19),
        "circles": (1, 0),
        "elad_functions": (561, 560),
    }


def test_the_source_has_no_import_circle(house):
    """Imports within functions are counted too."""
    assert house.circles(house.imports(house.read(), at_start=False)) == []
