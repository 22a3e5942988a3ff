"""What the committed results say is what their rows come to."""

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")


@pytest.fixture
def load(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])

    def module_and_result(name):
        return importlib.import_module(name), json.loads(
            (BENCHMARKS / "results" / f"{name}.json").read_text()
        )

    return module_and_result


def test_knowledge(load):
    knowledge, result = load("knowledge")
    assert knowledge.summary_of(result["runs"]) == result["summary"]


def test_rationales(load):
    rationales, result = load("rationales")
    runs, summary = result["runs"], result["summary"]
    assert rationales.points(runs) == summary["points"]
    found = summary["domains"]["coins"]["points_over_label_only"]
    assert rationales.over(runs, "label_only", "coins") == found


def test_real(load):
    real, result = load("real")
    runs = [row for row in result["runs"] if row["set"] in ("csqa", "piqa")]
    assert real.summarise(runs) == {name: result["summary"][name] for name in ("csqa", "piqa")}


def test_real_student(load):
    if not (BENCHMARKS / "results" / "real_student.json").exists():
        pytest.skip("no row of the real student's benchmark was made yet")
    _, result = load("real_student")
    table = importlib.import_module("real_student_table")
    assert table.summary_of(result["runs"]) == result["summary"]


def test_house(load):
    house, result = load("house")
    assert house.summary_of(result["runs"]) == result["summary"]
