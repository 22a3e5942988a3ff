import json
from itertools import pairwise

import pytest
from tiny import attempts, experiment, lines, rows, teachers

from tuition.core.errors import BudgetSpent
from tuition.experiment.checks import load_splits
from tuition.operate.execute import execute
from tuition.playground.teachers import PROGRAMS


def events(folder):
    return [row["event"] for row in lines(folder / "run" / "events.jsonl")]


@pytest.mark.parametrize("names", [["ada"], ["ada", "bela"], list(PROGRAMS)], ids=len)
def test_one_two_or_five_teachers_are_the_same_code(tmp_path, names):
    metrics = execute(experiment(tmp_path, "annotation.longer=1", teacher=teachers(*names))).metrics
    assert metrics["teachers"] == names
    assert set(metrics["objectives"]) == {"answer", *(f"rationale:{name}" for name in names)}
    assert [row["teacher"] for row in metrics["health"]] == sorted(names)
    assert metrics["spend"]["calls"] == attempts(tmp_path / "tuition.db") == 12 * len(names)
    assert set(metrics["spend"]["by_teacher"]) == set(names)


def test_without_forcing_the_answer_is_not_shown(tmp_path):
    execute(experiment(tmp_path, "annotation.forced=false", "annotation.examples=0"))
    for role, request in rows(tmp_path / "tuition.db", "SELECT role, request FROM attempts"):
        assert role == "solve"
        assert "\nAnswer: " not in json.loads(request)["messages"][0]["content"]


def test_without_examples_only_the_question_is_shown(tmp_path):
    execute(experiment(tmp_path, "annotation.examples=0"))
    for (request,) in rows(tmp_path / "tuition.db", "SELECT request FROM attempts"):
        assert json.loads(request)["messages"][0]["content"].count("Question:") == 1


@pytest.mark.parametrize("calls", [1, 7, 23])
def test_a_budget_of_calls_is_held_exactly(tmp_path, calls):
    metrics = execute(experiment(tmp_path, f"budget.calls={calls}")).metrics
    assert attempts(tmp_path / "tuition.db") == calls
    assert metrics["stopped_by"] == "budget"
    assert metrics["spend"]["calls"] == calls


def test_a_budget_that_is_just_enough_does_not_stop_the_run(tmp_path):
    metrics = execute(experiment(tmp_path, "budget.calls=24")).metrics
    assert metrics["stopped_by"] == "done"
    assert attempts(tmp_path / "tuition.db") == 24


def test_a_budget_of_money_is_never_exceeded(tmp_path):
    metrics = execute(experiment(tmp_path, "budget.usd=0.002")).metrics
    assert 0 < metrics["spend"]["paid_usd"] <= 0.002
    assert metrics["stopped_by"] == "budget"


@pytest.mark.parametrize("limit", ["calls=0", "usd=0.000001", "tokens=10"])
def test_a_budget_for_not_one_annotation(tmp_path, limit):
    with pytest.raises(BudgetSpent, match="the budget was spent before a single annotation; raise"):
        execute(experiment(tmp_path, f"budget.{limit}"))
    assert attempts(tmp_path / "tuition.db") == 0


def test_a_run_that_ended_for_want_of_money_goes_on_when_there_is_more(tmp_path):
    with pytest.raises(BudgetSpent):
        execute(experiment(tmp_path, "budget.calls=0"))
    assert execute(experiment(tmp_path, "budget.calls=100")).metrics["stopped_by"] == "done"
    assert attempts(tmp_path / "tuition.db") == 24


def test_the_test_split_is_opened_once_and_after_the_training(tmp_path):
    execute(experiment(tmp_path))
    happened = events(tmp_path)
    assert happened == ["started", "annotated", "targets", "trained", "test_opened", "examined", "done"]
    splits = [row["split"] for row in lines(tmp_path / "run" / "predictions.jsonl")]
    assert splits == ["valid"] * 6 + ["test"] * 6


def test_no_question_of_validation_or_test_is_shown_while_annotating(tmp_path):
    config = experiment(tmp_path)
    execute(config)
    splits, _ = load_splits(config)
    hidden = {example.question for example in (*splits.valid, *splits.test.open("this test"))}
    shown = [
        json.loads(request)["messages"][0]["content"]
        for (request,) in rows(tmp_path / "tuition.db", "SELECT request FROM attempts")
    ]
    assert len(shown) == 24
    assert not [question for question in hidden if any(question in text for text in shown)]


def test_the_same_data_and_steps_whatever_is_asked(tmp_path):
    some = experiment(tmp_path, "selection.examples=5")
    metrics = execute(some).metrics
    assert metrics["train"] == {"n": 5, "label_source": {"gold": 5}}
    assert metrics["spend"]["calls"] == 10
    assert metrics["objectives"]["answer"] == 5


def test_a_limit_examines_on_the_first_examples(tmp_path):
    metrics = execute(experiment(tmp_path, "evaluation.limit=2", recipe="zero_shot", teacher=[])).metrics
    assert (metrics["valid"]["n"], metrics["test"]["n"]) == (2, 2)


def test_zero_shot_learns_nothing_and_asks_nobody(tmp_path):
    metrics = execute(experiment(tmp_path, recipe="zero_shot")).metrics
    assert events(tmp_path) == ["started", "test_opened", "examined", "done"]
    assert metrics["spend"]["calls"] == 0
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_label_only_learns_and_asks_nobody(tmp_path):
    metrics = execute(experiment(tmp_path, recipe="label_only")).metrics
    assert events(tmp_path) == ["started", "trained", "test_opened", "examined", "done"]
    assert metrics["spend"]["calls"] == 0


def test_a_seq2seq_student_and_options_by_likelihood(tmp_path):
    task = {"source": "playground", "train": 40, "valid": 4, "test": 4, "domains": ["knowledge"]}
    settings = ("student.model=fresh:t5-nano", "evaluation.scoring=options")
    metrics = execute(experiment(tmp_path, *settings, recipe="label_only", task=task)).metrics
    assert metrics["test"]["unreadable"] == 0.0
    predictions = lines(tmp_path / "run" / "predictions.jsonl")
    assert all(len(row["option_scores"]) >= 2 and row["text"] == "" for row in predictions)


def test_an_options_student_learns_labels(tmp_path):
    task = {"source": "playground", "train": 40, "valid": 4, "test": 4, "domains": ["knowledge"]}
    changed = {"recipe": "label_only", "task": task}
    metrics = execute(experiment(tmp_path, "student.model=fresh:bert-nano", **changed)).metrics
    assert metrics["test"]["unreadable"] == 0.0


def test_the_health_table_is_shown_before_training(tmp_path):
    told = []

    class Listener:
        def progress(self, stage, done, total):
            told.append(stage)

        def table(self, title, rows):
            told.append(title)

    execute(experiment(tmp_path), listener=Listener())
    order = list(dict.fromkeys(told))
    expected = [
        "rationale ada", "rationale bela", "rationale health before training, % of replies", "training",
        "evaluate on valid", "evaluate on test",
    ]  # fmt: skip
    places = [order.index(stage) for stage in expected]
    assert all(left < right for left, right in pairwise(places))
