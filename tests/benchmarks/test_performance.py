"""docs/performance.md is what benchmarks/results say."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")

MADE = {"machine": {"system": "Linux", "processor": "x", "python": "3.11"}, "versions": {"torch": "2"}}


@pytest.fixture
def performance(monkeypatch):
    """The module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import performance

    yield performance
    del sys.modules["performance"]


def test_the_page_is_current(performance):
    found = performance.PAGE.read_text(encoding="utf-8")
    assert found == performance.page(), "docs/performance.md is not current: make figures"


def test_a_missing_result_is_said_in_a_sentence(tmp_path, performance):
    found = performance.page(tmp_path)
    for name, title, _ in performance.SECTIONS:
        assert f"## {title}\n\n`benchmarks/{name}.py` has no committed result" in found


def put(folder, name, **result):
    (folder / f"{name}.json").write_text(json.dumps({**MADE, **result}))


def test_training_loops_stand_beside_each_other(tmp_path, performance):
    job = {"data": "obqa", "student": "t5", "precision": "bf16", "per_step": 8, "threads": 1}
    runs = [
        {**job, "loop": loop, "steps": 3, "cpu_s": cpu_s, "wall_s": 2 * cpu_s}
        for loop, times in (("tinyllm", (3.0, 5.0, 4.0)), ("once", (2.0, 2.0, 1.0)))
        for cpu_s in times
    ]
    put(tmp_path, "training", runs=runs)
    found = performance.page(tmp_path)
    assert "| obqa, t5, bf16, 8 a step, 1 thread | TinyLLM's published loop | 4 | 8 | 3 |  | 2.00 |" in found
    assert "| obqa, t5, bf16, 8 a step, 1 thread | Tuition, question read once | 2 | 4 | 3 |  |  |" in found
    assert "Measured on Linux, x, Python 3.11; torch 2." in found


def test_the_least_seconds_and_the_share_of_equal_outputs_count(tmp_path, performance):
    row = {"student": "base", "job": "exam", "questions": 9, "texts": 9, "equal_texts": 8}
    runs = [{**row, "ours_s": ours, "plain_s": plain} for ours, plain in ((2.0, 3.0), (1.0, 5.0))]
    same = {"base/exam": {"equal": 7, "of": 9}}
    ratios = {"base bfloat16 vs float32/exam": 1.5}
    put(tmp_path, "branches", runs=runs, ratios=ratios, summary={"bfloat16_as_float32": same})
    found = performance.page(tmp_path)
    assert "| base | answer every question | 9 | 1 | 3 | 3.00 | 8 of 9 texts |" in found
    assert "| base | answer every question | 1.5 | 7 of 9 |" in found


@pytest.mark.parametrize(("measured", "reached"), [(5.5, "yes"), (6.5, "**no**")])
def test_targets_stand_beside_what_was_measured(tmp_path, performance, measured, reached):
    target = {"case": "check", "n": 100_000, "what": "cpu_s", "wanted": 6.0, "measured": measured}
    sizes = {"1000": {"cpu_s": 1.25, "peak_mb": 89}}
    put(tmp_path, "scale", runs=[], summary={"check": sizes, "targets": [target]})
    found = performance.page(tmp_path)
    assert "| `check` | 1,000 | 1.25 | 89 |" in found
    assert f"| `check` at 100,000, CPU-s | 6 | {measured} | {reached} |" in found


def test_a_real_student_is_shown_once_a_test_split_was_examined(tmp_path, performance):
    run = {"data": "svamp", "form": "labels", "seed": 1, "code": "c", "lr": 1e-3, "accuracy": 0.5, "n": 2}
    run |= {"hits": "10", "items": "svamp/test", "cpu_s": 1800, "tokens": 900, "usd": 0.0, "unreadable": 0.0}
    run |= {"questions": 700, "steps": 10, "batch_examples": 4}
    put(tmp_path, "real_student", runs=[{**run, "split": "valid"}])
    assert "No row of a test split is there yet." in performance.page(tmp_path)
    more = {**run, "split": "test", "form": "one", "seed": 2, "accuracy": 1.0, "hits": "11", "usd": 0.5}
    put(tmp_path, "real_student", runs=[{**run, "split": "test", "seed": i} for i in (1, 2)] + [more])
    found = performance.page(tmp_path)
    assert "| labels | 2 | 50.0 | - | 0.0 | 40 | 900 | 0.0000 |" in found
    assert "| one | 1 | 100.0 | +50.0 [" in found and "median 30 CPU-minutes" in found
    assert "- arkilpatel/SVAMP" in found and "- `one`: chains of the first teacher" in found
