import tomllib

import pytest

from tuition.core.errors import ConfigError
from tuition.experiment.config import dump, resolve
from tuition.experiment.defaults import with_preset

TABLES = {
    "recipe": "tinyllm",
    "out": "runs/x",
    "task": {"source": "playground"},
    "teacher": [{"kind": "playground", "name": "ada"}],
}


def test_paper_and_repo_are_the_published_settings():
    paper = resolve({**TABLES, "preset": "paper"}, where="x")
    assert (paper.training.epochs, paper.training.steps) == (1, None)
    assert (paper.training.batch_examples, paper.training.normaliser) == (16, "item")
    assert paper.student.max_input_tokens == 1024
    assert (paper.gamma, paper.annotation.examples, paper.annotation.forced) == (1.0, 2, True)
    repo = resolve({**TABLES, "preset": "repo"}, where="x")
    assert (repo.training.steps, repo.training.batch_examples, repo.training.normaliser) == (
        10_000,
        64,
        "batch",
    )
    assert repo.student.max_input_tokens == 100


def test_presets_give_every_source_an_instruction_of_its_own_as_published():
    named = [{"kind": "playground", "name": name} for name in ("ada", "bela", "chen", "dora")]
    named[3]["prefix"] = "dora: "
    for preset in ("paper", "repo"):
        config = resolve({**TABLES, "preset": preset, "teacher": named}, where="x")
        prefixes = [teacher.prefix for teacher in config.teacher]
        assert prefixes == ["explain: ", "rationale: ", "rationale 3: ", "dora: "]
        assert (config.student.instruction, config.student.answer_form) == ("before", "text")
        assert (config.student.update, config.student.max_output_tokens) == ("full", 256)
        assert (config.combine, config.route, config.rationale_as) == ("summed", "all", "task")
        assert config.alpha_grid == ()
        assert resolve(tomllib.loads(dump(config)), where="x") == config
    assert [teacher.prefix for teacher in resolve(TABLES, where="x").teacher] == [None]


def test_the_published_code_wants_the_very_text_within_64_tokens_and_its_rate_falls_straight():
    repo = resolve({**TABLES, "preset": "repo"}, where="x")
    assert (repo.evaluation.scoring, repo.evaluation.max_tokens) == ("exact", 64)
    assert (repo.training.schedule, repo.training.lr, repo.training.optimizer) == ("linear", 5e-5, "adamw")


def test_a_preset_leaves_a_fault_in_the_teachers_to_the_check():
    with pytest.raises(ConfigError, match="teacher"):
        resolve({**TABLES, "preset": "paper", "teacher": [3]}, where="x")


def test_the_file_wins_over_the_preset_and_the_command_line_over_both():
    tables = {**TABLES, "preset": "paper", "training": {"lr": 1e-3, "batch_examples": 4}}
    config = resolve(tables, ("training.steps=7", "training.batch_examples=8"), where="x")
    assert (config.training.lr, config.training.batch_examples) == (1e-3, 8)
    assert (config.training.steps, config.training.epochs) == (7, None)
    assert config.training.normaliser == "item"


def test_without_a_preset_nothing_changes():
    assert with_preset(TABLES) == TABLES


def test_an_unknown_preset_is_named_with_its_neighbour():
    with pytest.raises(ConfigError, match="unknown preset 'papers'; did you mean 'paper'"):
        with_preset({"preset": "papers"})
