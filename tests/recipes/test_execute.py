import shutil

import pytest
from tiny import attempts, experiment, hashes, teachers

from tuition.core.errors import BudgetSpent, ConfigError, MissingExtra, TuitionError
from tuition.experiment.config import Experiment
from tuition.operate import execute as module
from tuition.operate.execute import baselines, execute, execute_all, reread


def asking(folder, name, *settings, teacher="ada"):
    """A run without a student, and so without torch."""
    out = f"out={folder / name}"
    return experiment(folder, out, *settings, recipe="ask_teacher", teacher=teachers(teacher))


def test_a_finished_run_is_read_and_not_run_again(tmp_path):
    first = execute(experiment(tmp_path))
    before, spent = hashes(tmp_path / "run"), attempts(tmp_path / "tuition.db")
    second = execute(experiment(tmp_path))
    assert (first.is_new, second.is_new) == (True, False)
    assert second.metrics == first.metrics
    assert hashes(tmp_path / "run") == before
    assert attempts(tmp_path / "tuition.db") == spent == 24


def test_another_configuration_is_refused_and_changes_nothing(tmp_path):
    execute(asking(tmp_path, "run"))
    before = hashes(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"holds another configuration: seed is 0 there and 1 here"):
        execute(asking(tmp_path, "run", "seed=1"))
    assert hashes(tmp_path / "run") == before


def test_an_equal_run_elsewhere_pays_nothing_and_ends_equally(tmp_path):
    first = execute(experiment(tmp_path)).metrics
    second = execute(experiment(tmp_path, f"out={tmp_path / 'other'}")).metrics
    assert attempts(tmp_path / "tuition.db") == 24
    assert second["spend"]["paid_usd"] == 0.0
    assert second["spend"]["usd"] == first["spend"]["usd"] > 0
    assert second["spend"]["reused_calls"] == 24
    assert second["config_hash"] == first["config_hash"]
    assert (second["valid"], second["test"]) == (first["valid"], first["test"])


def test_a_run_is_gone_on_with_from_its_folder_alone(tmp_path):
    config = asking(tmp_path, "run", "budget.calls=0")
    with pytest.raises(BudgetSpent):
        execute(config)
    assert reread(tmp_path / "run") == config
    moved = shutil.move(tmp_path / "run", tmp_path / "moved")
    assert reread(moved).out == str(moved)
    assert execute(asking(tmp_path, "moved", "budget.calls=50")).metrics["stopped_by"] == "done"


def test_baselines_have_the_data_the_student_and_the_steps_of_the_main_run(tmp_path):
    names = 'evaluation.baselines=["zero_shot", "label_only", "single_teacher", "teachers"]'
    main = experiment(tmp_path, names, "rationale_as=chain", "seed=4", "selection.examples=7")
    found = baselines(main)
    assert {name: config.recipe for name, config in found.items()} == {
        "zero_shot": "zero_shot",
        "label_only": "label_only",
        "step_by_step-ada": "step_by_step",
        "teacher-ada": "ask_teacher",
        "step_by_step-bela": "step_by_step",
        "teacher-bela": "ask_teacher",
    }
    own = {"recipe", "out", "teacher", "evaluation", "budget"}
    for name, config in found.items():
        for field in set(Experiment.model_fields) - own:
            assert getattr(config, field) == getattr(main, field), field
        assert config.out == f"{main.out}/{name}"
        assert config.evaluation.baselines == ()
        assert config.evaluation.scoring == main.evaluation.scoring
    assert found["step_by_step-ada"].rationale_as == "chain"
    both = experiment(tmp_path, names, "rationale_as=both", "evaluation.answer_by=answer")
    assert baselines(both)["step_by_step-ada"].evaluation.answer_by == "answer"
    assert baselines(both)["label_only"].evaluation.answer_by == "auto"
    assert [table.name for table in found["teacher-bela"].teacher] == ["bela"]


EVERY_TEACHER = 'evaluation.baselines=["single_teacher", "teachers"]'


def test_baselines_share_the_budget_of_the_main_run(tmp_path):
    main = experiment(tmp_path, EVERY_TEACHER, "budget.calls=10")
    found = baselines(main)
    assert len(found) == 4
    finished = execute_all({"run": main, **found}, jobs=1)
    assert next(iter(finished)) == "run"
    assert len(finished) < 5, "the budget left nothing for some of them"
    assert attempts(tmp_path / "tuition.db") == 10
    [name] = {config.budget.scope for config in found.values()}
    assert name == (tmp_path / "run" / "run_id").read_text()
    assert {config.budget.calls for config in found.values()} == {10}


def test_baselines_are_gone_on_with_under_the_same_budget(tmp_path):
    main = asking_both(tmp_path, 5)
    finished = execute_all({"run": main, **baselines(main)}, jobs=1)
    assert list(finished) == ["run", "teacher-ada"]
    assert attempts(tmp_path / "tuition.db") == 5
    again = asking_both(tmp_path, 8)
    finished = execute_all({"run": again, **baselines(again)}, jobs=1)
    assert attempts(tmp_path / "tuition.db") == 8
    assert {run.metrics["stopped_by"] for run in list(finished.values())[1:]} == {"budget"}
    moved = reread(tmp_path / "run" / "teacher-bela")
    assert moved.budget.scope == (tmp_path / "run" / "run_id").read_text()


def asking_both(folder, calls):
    """Two teachers examined beside a run that asks nobody."""
    names = 'evaluation.baselines=["teachers"]'
    return experiment(folder, names, f"budget.calls={calls}", recipe="label_only")


def test_a_named_budget_is_kept(tmp_path):
    found = baselines(experiment(tmp_path, EVERY_TEACHER, "budget.scope=pilot"))
    assert {config.budget.scope for config in found.values()} == {"pilot"}
    assert not (tmp_path / "run").exists()


def test_a_single_teacher_is_no_baseline_of_one_teacher(tmp_path):
    config = experiment(tmp_path, 'evaluation.baselines=["single_teacher"]', teacher=teachers("ada"))
    assert baselines(config) == {}


@pytest.mark.parametrize(
    ("recipe", "wanted"),
    [("label_only", {"zero_shot", "teacher-ada"}), ("ask_teacher", {"zero_shot", "label_only"})],
)
def test_a_recipe_is_no_baseline_of_itself(tmp_path, recipe, wanted):
    names = 'evaluation.baselines=["zero_shot", "label_only", "teachers"]'
    assert set(baselines(experiment(tmp_path, names, recipe=recipe, teacher=teachers("ada")))) == wanted


def test_a_run_named_like_its_baseline_is_refused(tmp_path):
    config = experiment(tmp_path, 'evaluation.baselines=["label_only"]', "out=runs/label_only")
    with pytest.raises(ConfigError, match="'runs/label_only' is named like one of its baselines"):
        baselines(config)


def test_a_teachers_name_makes_one_folder(tmp_path):
    named = teachers("../meta/llama 3", model="ada")
    config = experiment(tmp_path, 'evaluation.baselines=["teachers"]', teacher=named)
    assert set(baselines(config)) == {"teacher-..-meta-llama-3"}


class Listener:
    def __init__(self):
        self.stages, self.tables = set(), []

    def progress(self, stage, done, total):
        self.stages.add(stage)

    def table(self, title, rows):
        self.tables.append(title)


@pytest.mark.parametrize("jobs", [1, 2])
def test_several_runs_and_the_error_of_one_does_not_stop_the_others(tmp_path, jobs):
    configs = {
        "left": asking(tmp_path, "left"),
        "bad": asking(tmp_path, "bad", "task.domains=['cards']", teacher="chen"),
        "right": asking(tmp_path, "right", teacher="bela"),
    }
    listener = Listener()
    with pytest.raises(ConfigError, match=r"^bad: unknown playground domain 'cards'"):
        execute_all(configs, jobs=jobs, listener=listener)
    assert [(tmp_path / name / "done").exists() for name in configs] == [True, False, True]
    assert {"rows", "left: evaluate on test", "right: evaluate on test"} <= listener.stages
    assert attempts(tmp_path / "tuition.db") == 24


@pytest.mark.parametrize("jobs", [1, 2])
def test_several_runs_come_back_in_the_order_given(tmp_path, jobs):
    configs = {name: asking(tmp_path, name) for name in ("z", "a")}
    finished = execute_all(configs, jobs=jobs)
    assert list(finished) == ["z", "a"]
    assert [run.path for run in finished.values()] == [tmp_path / "z", tmp_path / "a"]
    assert all(run.is_new for run in finished.values())
    assert attempts(tmp_path / "tuition.db") == 12


def test_the_tables_of_the_first_run_alone_are_shown(tmp_path):
    configs = {name: experiment(tmp_path, f"out={tmp_path / name}") for name in ("first", "second")}
    listener = Listener()
    execute_all(configs, jobs=1, listener=listener)
    assert listener.tables[0] == "first: rationale health before training, % of replies"
    assert all(title.startswith("first: ") for title in listener.tables)


def test_a_missing_extra_stays_the_users_mistake(tmp_path, monkeypatch):
    def bare(config, *, listener=None):
        raise MissingExtra("torch", "train")

    monkeypatch.setattr(module, "execute", bare)
    with pytest.raises(ConfigError, match=r"^a: 'torch' is not installed; it comes with: pip install"):
        execute_all({name: asking(tmp_path, name) for name in ("a", "b")}, jobs=1)


def test_an_unexpected_fault_is_not_swallowed(tmp_path, monkeypatch):
    def broken(config, *, listener=None):
        raise ZeroDivisionError

    monkeypatch.setattr(module, "execute", broken)
    with pytest.raises(ZeroDivisionError):
        execute_all({name: asking(tmp_path, name) for name in ("a", "b")}, jobs=1)
    assert not issubclass(ZeroDivisionError, TuitionError)
