"""CLEAR's prompts and parsers on the recorded step mistakes, as `benchmarks/steps.py` runs them."""

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def steps(monkeypatch, data):
    if not (data / "step_mistakes").is_dir():
        pytest.skip(f"no recorded steps in {data}; set TUITION_DATA to a folder with step_mistakes")
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    module = importlib.import_module("steps")
    monkeypatch.setattr(module, "DATA", data / "step_mistakes")
    return module


def test_every_parser_reads_every_row_and_every_prompt_is_written(steps):
    rows = steps.read()
    assert len(rows) == 2451
    assert steps.parsed(rows) == 5 * 2451
    assert steps.written(rows[::5]) > 15 * 491


def test_the_splitter_cuts_as_recorded(steps):
    rows = steps.read()
    found = steps.agreement(rows, None)
    assert found["n"] == 1886
    assert found["as_recorded"] > 0.99
    # Where the closing sentence is the wrong step it is none of ours: the answer alone is wrong.
    assert found["as_recorded_up_to_the_first_wrong_step"] > 0.95


def test_locators_are_scored_on_places_and_on_validity(steps):
    rows = steps.read()
    runs = [
        steps.scored(rows, name, [locate(row) for row in rows], data)
        for name, locate in steps.TRIVIAL.items()
        for data in steps.names(rows)
    ]
    none = steps.total(runs, "none")
    # 444 of the explanations with places have no wrong step, and 286 of the others are valid.
    assert none["place"] == {"n": 1886, "accuracy": round(444 / 1886, 4)}
    assert none["valid"] == {"n": 565, "accuracy": round(286 / 565, 4)}
    truth = [len(row.steps) if row.first_wrong is None else row.first_wrong for row in rows]
    right = [steps.scored(rows, "truth", truth, data) for data in steps.names(rows) if data != "verify_cot"]
    assert {run["accuracy"] for run in right} == {1.0}


def test_clear_runs_through_on_recorded_explanations(steps):
    found = steps.run_through(steps.read(every=25))
    assert found["clear_one_call"]["drafts"] == 99
    assert found["clear_one_call"]["failed"] == found["clear"]["failed"] == 0
