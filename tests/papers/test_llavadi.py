"""LLAVADI's ablation: one run for each thing that can be learnt of a mentor."""

import json

import pytest
from tiny import attempts, experiment, teachers

from tuition.api import run_group
from tuition.cli.check import apart
from tuition.core.errors import ConfigError
from tuition.operate.compare import ablation_rows, left_out, new_calls
from tuition.operate.execute import execute_all

OWN = {"model": "fresh:llama-nano", "max_output_tokens": 8, "threads": 1}
TRAINED = {"steps": 2, "batch_examples": 4}


def mentored(folder, **changed):
    whole = {
        "recipe": "mentor_kd",
        "mentor": {"student": OWN, "training": TRAINED, "samples": 2},
        "student": OWN,
        "training": TRAINED,
        "lesson": {"imitate": {"share": 0.4, "temperature": 3.0}},
        "teacher": teachers("ada"),
    }
    return experiment(folder, **{**whole, **changed})


def test_each_row_learns_one_thing(tmp_path):
    config = mentored(tmp_path)
    rows = ablation_rows(config, "lessons")
    assert list(rows) == ["tokens_alone", "mentor_chains", "forward", "reverse", "jsd", "mse", "states"]
    for name, row in rows.items():
        assert row.mentor.samples == (2 if name == "mentor_chains" else 0)
        imitate = row.lesson.imitate
        if name in ("forward", "reverse", "jsd", "mse"):
            assert (imitate.measure, imitate.share, imitate.temperature) == (name, 0.4, 3.0)
        assert (imitate is None) == (name in ("tokens_alone", "mentor_chains"))
        assert (row.lesson.align is not None) == (name == "states")
        assert row.mentor.training == config.mentor.training and row.teacher == config.teacher
    assert (rows["states"].lesson.imitate.share, rows["states"].lesson.imitate.tokens) == (0.0, 1.0)
    assert new_calls(config, "lessons") == [] and left_out(config, "lessons") == {}
    bare = ablation_rows(mentored(tmp_path, lesson={}, mentor={"samples": 0}), "lessons")
    assert bare["mentor_chains"].mentor.samples == 3 and bare["jsd"].lesson.imitate.share == 0.3


def test_the_rows_are_run_and_compared_on_one_money(tmp_path):
    config = mentored(tmp_path)
    group = run_group(
        config, execute=lambda configs: execute_all(configs, jobs=1), is_ablated=True, of="lessons"
    )
    names = [row["name"] for row in group.ablation]
    assert names == ["run", *ablation_rows(config, "lessons")]
    assert attempts(tmp_path / "tuition.db") == 12, "a teacher is asked once for all of them"
    written = json.loads((tmp_path / "run" / "ablation-lessons.json").read_text())
    assert [row["name"] for row in written["rows"]] == names
    assert not (tmp_path / "run" / "ablation.json").exists()
    metrics = {name: one.metrics for name, one in group.finished.items()}
    assert metrics["states"]["align"] == {"weight": 1.0, "measure": "cosine"}
    assert metrics["tokens_alone"]["mentor"] is None and metrics["jsd"]["imitate"]["measure"] == "jsd"
    assert metrics["mentor_chains"]["mentor"]["chains"] == 24


def test_the_word_behind_ablate_is_no_setting():
    assert apart(["seed=3", "lessons"], is_ablated=True) == ("lessons", ["seed=3"])
    assert apart(["seed=3"], is_ablated=True) == ("parts", ["seed=3"])
    assert apart(["lessons"], is_ablated=False) == ("parts", ["lessons"])


def test_a_recipe_without_a_mentor_has_no_lessons(tmp_path):
    with pytest.raises(ConfigError, match="takes recipe = 'mentor_kd' apart, this one is 'tinyllm'"):
        ablation_rows(experiment(tmp_path), "lessons")


def test_states_are_followed_beside_probabilities_alone(tmp_path):
    with pytest.raises(ConfigError, match="align stands beside"):
        mentored(tmp_path, lesson={"align": {}})
