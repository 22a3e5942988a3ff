import pytest
from tiny import attempts, experiment, lines, teachers

from tuition.core.errors import BudgetSpent
from tuition.operate.execute import execute

ONE = {"recipe": "ask_teacher", "teacher": teachers("ada")}


def test_a_teacher_is_examined_on_the_students_items_and_is_called_simulated(tmp_path):
    metrics = execute(experiment(tmp_path, **ONE)).metrics
    student = execute(experiment(tmp_path, f"out={tmp_path / 'student'}", recipe="zero_shot")).metrics
    assert metrics["test"]["n"] == student["test"]["n"] == 6
    assert metrics["test"]["blind"] == student["test"]["blind"]
    ids = [
        [row["example_id"] for row in lines(tmp_path / name / "predictions.jsonl")]
        for name in ("run", "student")
    ]
    assert ids[0] == ids[1]
    assert metrics["is_simulated"] is True
    assert metrics["saw_answers"] is False
    assert metrics["student"] is None
    assert set(metrics["spend"]["by_role"]) == {"evaluate"}


def test_the_budget_that_ends_an_examination_is_named(tmp_path):
    metrics = execute(experiment(tmp_path, "budget.calls=8", **ONE)).metrics
    assert attempts(tmp_path / "tuition.db") == 8
    assert metrics["stopped_by"] == "budget"
    assert metrics["test"]["unreadable"] >= 4 / 6


def test_a_budget_for_not_one_answer(tmp_path):
    with pytest.raises(BudgetSpent, match="the budget was spent before a single answer; raise"):
        execute(experiment(tmp_path, "budget.calls=0", **ONE))
    assert not (tmp_path / "run" / "done").exists()


def test_recorded_replies_that_saw_the_answer_say_so(tmp_path):
    row = '{"id": "q%d", "question": "What is %d?", "answer": "%d", '
    rows = row + '"rationales": {"old": {"text": "It is."}}}\n'
    path = tmp_path / "train.jsonl"
    path.write_text("".join(rows % (i, i, i) for i in range(20)))
    recorded = [{"kind": "recorded", "name": "old", "file": str(path), "saw_answers": True}]
    config = experiment(tmp_path, recipe="ask_teacher", teacher=recorded, task={"train": str(path)})
    metrics = execute(config).metrics
    assert metrics["saw_answers"] is True
    assert metrics["is_simulated"] is False
    assert metrics["spend"]["paid_usd"] == 0.0
