"""The student that validation chose during training, in a run; and what trackers are told."""

import importlib.util

import pytest
from tiny import attempts, experiment, lines

from tuition.core.errors import ConfigError
from tuition.operate.execute import execute
from tuition.operate.student import Student

BEST = ("training.keep=best", "training.validate_every=1", "training.steps=6", "training.lr=1e-2")
TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")


def trained(folder):
    return [row for row in lines(folder / "run" / "events.jsonl") if row["event"] == "trained"]


def label_only(folder, *settings, **changed):
    return experiment(folder, *BEST, *settings, recipe="label_only", teacher=None, annotation=None, **changed)


def test_the_student_of_the_run_is_the_one_that_validation_found(tmp_path):
    metrics = execute(label_only(tmp_path)).metrics
    [event] = trained(tmp_path)
    curve = dict(event["validated"])
    assert list(curve) == [1, 2, 3, 4, 5, 6]
    assert event["best_step"] == min(step for step in curve if curve[step] == max(curve.values()))
    assert metrics["valid"]["accuracy"] == curve[event["best_step"]], "asked as the run asks in the end"
    happened = [row["event"] for row in lines(tmp_path / "run" / "events.jsonl")]
    assert happened.index("trained") < happened.index("test_opened"), "nothing is chosen on test"
    until_then = label_only(tmp_path / "until", "training.keep=last", f"training.steps={event['best_step']}")
    execute(until_then)
    one, other = (
        Student.load(folder / "run").learner.model.state_dict() for folder in (tmp_path, tmp_path / "until")
    )
    assert all(bool((one[key] == other[key]).all()) for key in one)
    assert not list((tmp_path / "run").glob("checkpoints*"))


def test_so_many_validation_questions_as_said(tmp_path):
    execute(label_only(tmp_path, "training.validate_questions=4", "training.validate_every=3"))
    assert [round(4 * share, 9) % 1 for _, share in trained(tmp_path)[0]["validated"]] == [0, 0]
    execute(label_only(tmp_path / "limit", "evaluation.limit=2"))
    assert [round(2 * share, 9) % 1 for _, share in trained(tmp_path / "limit")[0]["validated"]] == [0] * 6


def test_rounds_and_factors_and_mentors_keep_their_best(tmp_path):
    execute(experiment(tmp_path / "grid", *BEST, "alpha_grid=[0.5, 1]"))
    found = trained(tmp_path / "grid")
    assert [event["student"] for event in found] == ["student-alpha-0.5", "student-alpha-1.0"]
    assert all(len(event["validated"]) == 6 for event in found)
    mentor = {"student": {"model": "fresh:llama-nano", "max_output_tokens": 6}}
    mentor |= {"samples": 1, "training": {"steps": 2, "keep": "best"}}
    changed = {"recipe": "mentor_kd", "annotation": None, "mentor": mentor}
    execute(experiment(tmp_path / "mentor", "student.max_output_tokens=20", **changed))
    assert ["validated" in event for event in trained(tmp_path / "mentor")] == [True, False]


def test_without_validation_nothing_is_asked(tmp_path):
    task = {"source": "playground", "train": 12, "valid": 0, "test": 6, "domains": ["coins", "phrases"]}
    with pytest.raises(
        ConfigError, match=r"^training\.keep = 'best' chooses on validation, and there is none"
    ):
        execute(experiment(tmp_path, *BEST, task=task))
    assert attempts(tmp_path / "tuition.db") == 0
    mentor = {"training": {"keep": "best"}}
    with pytest.raises(ConfigError, match=r"^mentor\.training\.keep = 'best' chooses on validation"):
        execute(experiment(tmp_path / "m", recipe="mentor_kd", annotation=None, task=task, mentor=mentor))
    execute(label_only(tmp_path / "none", "student.update=none", task=task))


def test_how_the_best_is_found_belongs_to_the_run(tmp_path):
    execute(label_only(tmp_path))
    with pytest.raises(ConfigError, match=r"training\.validate_every is 1 there and 2 here"):
        execute(label_only(tmp_path, "training.validate_every=2"))


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_asked(tracker, tmp_path, monkeypatch):
    if importlib.util.find_spec(tracker) or (
        tracker == "tensorboard" and importlib.util.find_spec("tensorboardX")
    ):
        pytest.skip(f"{tracker} is installed here")
    # a folder of that name, as wandb and mlflow leave one, is not the package
    (tmp_path / tracker).mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    expected = (
        rf"^training\.report_to names .{tracker}., and that package is not installed.*pip install {tracker}"
    )
    with pytest.raises(ConfigError, match=expected):
        execute(experiment(tmp_path, f"training.report_to={tracker}"))
    assert attempts(tmp_path / "tuition.db") == 0


def test_an_unknown_tracker_is_a_fault_of_the_configuration(tmp_path):
    with pytest.raises(ConfigError, match="report_to"):
        experiment(tmp_path, "training.report_to=paper")
    several = experiment(tmp_path, 'training.report_to=["wandb", "mlflow"]')
    assert several.training.report_to == ("wandb", "mlflow")
    assert experiment(tmp_path, "training.report_to=wandb").training.report_to == ("wandb",)


def test_who_is_told_changes_no_run(tmp_path):
    first = execute(label_only(tmp_path))
    again = execute(label_only(tmp_path, "training.report_to=wandb"))
    assert not again.is_new and again.metrics["config_hash"] == first.metrics["config_hash"]


def test_tensorboard_is_told_loss_and_validation_in_the_run_folder(tmp_path, monkeypatch):
    if not (importlib.util.find_spec("tensorboard") or importlib.util.find_spec("tensorboardX")):
        pytest.skip("neither tensorboard nor tensorboardX is installed: pip install tensorboard")
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    silent = execute(label_only(tmp_path / "silent")).metrics
    told = execute(label_only(tmp_path, "training.report_to=tensorboard")).metrics
    [file] = (tmp_path / "run" / "logs" / "student").iterdir()
    assert file.name.startswith("events.out.tfevents.")
    written = file.read_bytes()
    # one record a number: six steps of loss, six validations
    assert (written.count(b"train/loss"), written.count(b"eval/accuracy")) == (6, 6)
    assert told["valid"] == silent["valid"] and told["test"] == silent["test"]
    assert not (tmp_path / "silent" / "run" / "logs").exists()
