"""A second model takes the student's place, lies in its own folder, and is tried before money is spent."""

import dataclasses

import pytest
from tiny import attempts, bench_of, experiment, hashes, lines

from tuition.core.errors import ConfigError
from tuition.experiment import bench as common
from tuition.experiment import checks as ready
from tuition.experiment.bench import finish, train_student
from tuition.experiment.learn.second_model import cost_of, with_model
from tuition.experiment.recipe import SecondModel
from tuition.experiment.targets import answer_targets
from tuition.operate.execute import execute
from tuition.recipes import RECIPES
from tuition.student.config import StudentConfig, TrainingConfig

TABLE = SecondModel(
    student=StudentConfig(model="fresh:llama-nano", max_output_tokens=8, answer_form="letter"),
    training=TrainingConfig(steps=3, batch_examples=4, lr=1e-3),
)


def trained(folder):
    return [
        (event["student"], event["steps"])
        for event in lines(folder / "run" / "events.jsonl")
        if event["event"] == "trained"
    ]


def test_it_is_trained_by_its_own_settings_and_not_twice(tmp_path):
    with bench_of(experiment(tmp_path)) as bench:
        own = with_model(bench, TABLE)
        assert own.config.student.answer_form == "letter"
        assert (own.run, own.account, own.train, own.load) == (
            bench.run,
            bench.account,
            bench.train,
            bench.load,
        )
        targets = answer_targets(bench.train, weight=1.0)
        mentor = train_student(own, targets, name="mentor")
        cost = cost_of(own, mentor, name="mentor")
        train_student(bench, targets)
        assert trained(tmp_path) == [("mentor", 3), ("student", 2)]
    kept = hashes(tmp_path / "run" / "mentor")
    assert kept != hashes(tmp_path / "run" / "student")
    with bench_of(experiment(tmp_path)) as bench:
        own = with_model(bench, TABLE)
        again = train_student(own, targets, name="mentor")
        assert cost_of(own, again, name="mentor") == cost
    assert trained(tmp_path) == [("mentor", 3), ("student", 2)]
    assert hashes(tmp_path / "run" / "mentor") == kept
    assert cost["model"] == "fresh:llama-nano"
    assert cost["steps"] == 3
    assert cost["tokens"] > 0
    assert cost["parameters"] == again.parameters


def test_a_second_model_that_learnt_is_not_a_student_that_did(tmp_path, with_mentor):
    with bench_of(experiment(tmp_path)) as bench:
        mentor = train_student(
            with_model(bench, TABLE), answer_targets(bench.train, weight=1.0), name="mentor"
        )
        nothing = {"valid": None, "test": None}
        assert not finish(bench, nothing, student=mentor)["student"]["is_trained"]


@pytest.fixture
def with_mentor(monkeypatch):
    """Every tinyllm has a mentor now."""

    def set_to(table=TABLE):
        recipe = dataclasses.replace(RECIPES["tinyllm"], models=lambda config: {"mentor": table})
        for module in (common, ready):
            monkeypatch.setattr(module, "RECIPES", {"tinyllm": recipe})

    set_to()
    return set_to


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("fresh:llama-nan", r"^\[mentor\] .*'llama-nan'; did you mean 'llama-nano'"),
        ("fresh:bert-nano", r"^\[mentor\] \[student\] 'fresh:bert-nano' scores options and writes no text"),
    ],
)
def test_one_that_cannot_learn_is_refused_before_a_teacher_is_asked(tmp_path, with_mentor, model, said):
    with_mentor(SecondModel(student=StudentConfig(model=model)))
    with pytest.raises(ConfigError, match=said):
        execute(experiment(tmp_path))
    assert attempts(tmp_path / "tuition.db") == 0
