import pytest

from tuition.core.errors import ConfigError
from tuition.recipes.config import resolve
from tuition.recipes.presets import with_preset

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
