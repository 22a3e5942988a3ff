"""`benchmarks/serve_cascade.py`: its questions, and what its rows come to, without the real student."""

import gzip
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The benchmark on 120 questions of two models: the dear one errs on every tenth, the other on half."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import recorded
    import serve_cascade

    rows = [
        {"id": f"q{i}", "question": f"What is {i}?", "choices": [], "answer": str(i)}
        | {
            "rationales": {
                "dear": {"text": "x" * 400, "answer": str(-1 if i % 10 == 0 else i)},
                "cheap": {"text": "x" * 400, "answer": str(-2 if i % 2 else i)},
            }
        }
        for i in range(120)
    ]
    (tmp_path / "gsm8k").mkdir()
    for part in ("train", "test"):
        told = [{**row, "id": f"{part}-{row['id']}"} if part == "train" else row for row in rows]
        with gzip.open(tmp_path / "gsm8k" / f"{part}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in told)
    prices = {"dear": {"input": 5, "output": 15}, "cheap": {"input": 0.1, "output": 0.1}}
    monkeypatch.setitem(recorded.PRICES, "gsm8k", prices)
    monkeypatch.setenv("TUITION_DATA", str(tmp_path))
    monkeypatch.setattr(serve_cascade.sets, "DATA", tmp_path)
    recorded.read_pool.cache_clear()
    yield serve_cascade
    recorded.read_pool.cache_clear()


def row(bench, known):
    """A row whose student knows the questions of which `known` says so, and is sure of exactly these."""
    sizes = {"train": 9, "valid": 60, "test": 60}
    parts = bench.parts_of("gsm8k", 1, sizes)
    told = {}
    for split in ("valid", "test"):
        ids = [one["id"] for one in parts[split]]
        hits = [known(int(one[1:])) for one in ids]
        told[split] = {
            "ids": ids,
            "hits": "".join("01"[hit] for hit in hits),
            "sure": [0.9 if hit else 0.2 for hit in hits],
        }
    return {"data": "gsm8k", "seed": 1, **told}


def test_validation_and_test_share_no_question_and_training_has_none_of_them(bench):
    parts = bench.parts_of("gsm8k", 1, {"train": 9, "valid": 60, "test": 60})
    assert [len(parts[part]) for part in ("valid", "test")] == [60, 60]
    assert not {one["id"] for one in parts["valid"]} & {one["id"] for one in parts["test"]}
    # every training question is one of them here
    assert parts["train"] == []


def test_a_student_that_knows_what_it_knows_saves_its_share(bench):
    summary = bench.summary_of([row(bench, lambda i: i % 5 < 3)])
    found = summary["gsm8k"]
    assert found["student"] == pytest.approx(0.6, abs=0.15)
    [line] = [one for one in found["points"] if (one["second"], one["kind"]) == ("dear", "cheapest")]
    assert line["own"] == pytest.approx(found["student"], abs=1e-3)
    assert line["money"] == pytest.approx(1 - line["own"], abs=0.05)
    # nothing is lost: the student is right wherever it is sure
    assert line["gap"] >= 0
    assert found["wanted"]["money"] <= 0.7
    assert "With the student first" in next(bench.sentences(summary))


def test_where_there_is_no_such_point_the_sentence_says_so(bench):
    summary = bench.summary_of([row(bench, lambda i: False)])
    assert summary["gsm8k"]["wanted"] is None
    assert "There is no operating point" in next(bench.sentences(summary))
