"""`make picture`: README's picture is of the committed results, and its table takes the real student's."""

import importlib
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")

LABELS = {"percent": 41.25, "over_labels": None, "usd": 0.0}
CHAIN = {"percent": 50.0, "over_labels": {"mean": 8.75, "low": -1.0, "high": 18.5}, "usd": 1.5}


@pytest.fixture
def picture(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module("picture")


def test_the_picture_is_of_the_committed_results_and_says_what_is_simulated(picture):
    rows = json.loads((BENCHMARKS / "results" / "demo.json").read_text())["summary"]["rows"]
    drawn = picture.picture(rows)
    assert picture.PICTURE.read_text(encoding="utf-8") == drawn, "renew it with: make picture"
    root = ElementTree.fromstring(drawn)
    assert len(root.findall(".//{*}circle")) == sum(map(len, picture.GROUPS.values()))
    assert "The teachers are programs, and the money is simulated" in root.get("aria-label")
    assert "prefers-color-scheme: dark" in drawn and len(drawn) < 10_000


def test_rows_of_a_real_student_take_the_place_of_the_simulated_ones(picture, tmp_path, monkeypatch):
    page = f"# T\n\n## Results\n\n{picture.BEGIN}simulated\n{picture.END}\nbelow\n"
    assert picture.filled(page, {}) == picture.filled(page, {"csqa": {}}) == page
    data = {"csqa": {"labels": LABELS, "one": CHAIN, "mixed": CHAIN, "all": CHAIN, "single:x": CHAIN}}
    filled = picture.filled(page, data)
    assert "simulated" not in filled and filled.endswith("\nbelow\n")
    assert "| csqa | 41.2 |" + " +8.8 [-1.0, +18.5] |" * 3 in filled
    assert picture.filled(filled, data) == filled
    # the tag holds the table to the file
    figures = importlib.import_module("figures")
    (tmp_path / "real_student.json").write_text(json.dumps({"summary": {"data": data}}))
    path = tmp_path / "page.md"
    path.write_text(filled, encoding="utf-8")
    assert figures.evaluate(path, figures.Results(tmp_path), []) == ([], [])
    path.write_text(filled.replace("+18.5]", "+19.5]", 1), encoding="utf-8")
    assert len(figures.evaluate(path, figures.Results(tmp_path), [])[0]) == 1


def test_the_readme_has_the_place_for_them(picture):
    text = picture.README.read_text(encoding="utf-8")
    assert text.count(picture.BEGIN) == text.count(picture.END) == 1
    assert "docs/assets/results.svg" in text
    assert len(text.splitlines()) <= 150 and max(map(len, text.splitlines())) <= 120
