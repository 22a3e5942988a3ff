import json

import pytest
from tiny import attempts, experiment, lines

from tuition.core.errors import DataError
from tuition.experiment.checks import load_splits
from tuition.operate.execute import baselines, baselines_left_out, execute, execute_all
from tuition.student.student import Student

CLOSED = {"source": "playground", "train": 30, "valid": 6, "test": 6, "domains": ["knowledge"]}
BLIND = 'evaluation.baselines=["blind", "label_only"]'


def test_the_student_learns_and_is_asked_the_choices_alone(tmp_path, monkeypatch):
    trained, asked = [], []
    fit, generate = Student.fit, Student.generate

    def spied(self, targets, *more, **named):
        trained.extend(targets)
        return fit(self, targets, *more, **named)

    def listening(self, questions, **more):
        asked.extend(questions)
        return generate(self, questions, **more)

    monkeypatch.setattr(Student, "fit", spied)
    monkeypatch.setattr(Student, "generate", listening)
    config = experiment(tmp_path, recipe="without_question", task=CLOSED, teacher=[])
    metrics = execute(config).metrics
    assert (len(trained), len(asked)) == (30, 12)
    splits, _ = load_splits(config)
    texts = [example.question for example in (*splits.train, *splits.valid)]
    for target in (*trained, *asked):
        assert (target.example.question, target.example.context) == ("", "")
        assert target.input.startswith("Answer Choices:\n(a) ")
        assert not [text for text in texts if text in target.input]
    by_id = {example.id: example for example in splits.train}
    assert all(target.output == by_id[target.example.id].answer for target in trained)
    assert metrics["objectives"] == {"answer": 30}
    assert (metrics["test"]["n"], metrics["spend"]["calls"]) == (6, 0)


def test_it_is_graded_by_the_labels_of_the_whole_questions(tmp_path):
    config = experiment(
        tmp_path, "evaluation.scoring=options", recipe="without_question", task=CLOSED, teacher=[]
    )
    metrics = execute(config).metrics
    rows = lines(tmp_path / "run" / "predictions.jsonl")
    right = [row for row in rows if row["split"] == "test" and row["answer"] == row["label"]]
    assert metrics["test"]["right"] == len(right)


def test_blind_adds_its_row_beside_the_main_run(tmp_path):
    config = experiment(tmp_path, BLIND, task=CLOSED)
    found = baselines(config)
    assert list(found) == ["without_question", "label_only"]
    assert found["without_question"].recipe == "without_question"
    assert found["without_question"].task == config.task
    assert baselines_left_out(config) == []
    finished = execute_all({"run": config, **found}, jobs=1)
    n = {name: run.metrics["test"]["n"] for name, run in finished.items()}
    assert n == {"run": 6, "without_question": 6, "label_only": 6}
    assert attempts(tmp_path / "tuition.db") == 60


def test_a_set_with_open_questions_has_no_such_row(tmp_path):
    config = experiment(tmp_path, BLIND)
    assert list(baselines(config)) == ["label_only"]
    [told] = baselines_left_out(config)
    assert "it shows choices alone, and 24 questions have fewer than two" in told
    assert baselines_left_out(experiment(tmp_path)) == []
    with pytest.raises(DataError, match="without_question is left out: it shows choices alone"):
        execute(experiment(tmp_path, recipe="without_question", teacher=[]))


def test_labels_are_needed(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [{"question": f"Which of {i}?", "choices": ["a bird", "a fish"], "answer": None} for i in range(9)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"train": str(path), "valid_share": 0, "kind": "multiple_choice"}
    with pytest.raises(DataError, match="none of the 9 training examples has a label, and without_question"):
        execute(experiment(tmp_path, recipe="without_question", task=task, teacher=[]))
