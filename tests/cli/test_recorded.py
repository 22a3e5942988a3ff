"""The published configurations on the recorded rationales, cut down to seconds."""

import json
from pathlib import Path

import pytest
from tiny import attempts

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = (
    *(
        "task.limit_train=24",
        "task.limit_valid=6",
        "student.model=fresh:t5-nano",
        "student.max_input_tokens=64",
    ),
    *(
        "student.max_output_tokens=16",
        "training.epochs=0.1",
        "evaluation.baselines=[]",
        "out=run",
        "store=s.db",
    ),
)


@pytest.fixture
def recorded(data, monkeypatch):
    monkeypatch.setenv("TUITION_DATA", str(data))
    return CONFIGS


@pytest.mark.parametrize("name", ["obqa", "arc", "pubmedqa", "bioasq"])
def test_both_recorded_teachers_are_learnt_from(tuition, recorded, tmp_path, name):
    said = tuition("run", recorded / f"tinyllm-{name}-recorded.toml", *SMALL, "task.limit_test=6")
    assert said.code == 0, said.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert len(metrics["teachers"]) == 2
    assert [row["asked"] for row in metrics["health"]] == [24, 24]
    assert metrics["valid"]["n"] == 6
    assert (metrics["test"] is None) == (name in ("obqa", "arc"))
    assert metrics["spend"]["paid_usd"] == 0.0
    assert "rationale health before training" in said.err
    assert "longest option" in said.out


def test_a_teacher_that_wrote_nothing_is_refused_in_one_sentence(tuition, recorded, tmp_path):
    said = tuition("run", recorded / "tinyllm-piqa-recorded.toml", "out=run", "store=s.db")
    assert said.code == 2
    assert said.err.count("error: ") == 1
    assert "has no replies in" in said.error
    assert "teachers that are there: flan-t5-xl" in said.error
    assert said.out == ""
    assert attempts(tmp_path / "s.db") == 0
