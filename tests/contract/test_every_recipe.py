"""Asked of every recipe: two steps in a fresh process, a whole folder, a second start that spends nothing."""

import contextlib
import json
import subprocess
import sys
import tomllib

import pytest
import tomli_w
from tiny import TINY, attempts, hashes, lines, tables, teachers

from tuition.core.config import read_toml
from tuition.core.errors import ConfigError
from tuition.core.run import Run
from tuition.recipes import RECIPES
from tuition.recipes.config import dump, resolve

DOMAINS = ["knowledge", "tracking"]
"""Questions with options, which every recipe can work with."""
FIGURES = {"n", "right", "accuracy", "ci95", "unreadable", "label_source", "reader", "by_domain", "blind"}
SPEND = {
    "calls",
    "reused_calls",
    "prompt_tokens",
    "completion_tokens",
    "usd",
    "paid_usd",
    "failed_usd",
    "estimated",
    "unknown",
    "by_teacher",
    "by_role",
}


def start(folder, *arguments):
    command = [sys.executable, "-m", "tuition", "run", "tiny.toml", "--json", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)


def smallest(folder, name):
    """The tiny run of a recipe, with two teachers where it takes two."""
    task = {**read_toml(TINY)["task"], "domains": DOMAINS}
    for names in (("ada", "bela"), ("ada",)):
        found = tables(
            folder, recipe=name, teacher=teachers(*names), task=task, out="run", store="tuition.db"
        )
        with contextlib.suppress(ConfigError):
            config = resolve(found, where=name)
            own = {part: found[part] for part in ("student", "training")}
            return found | dict.fromkeys(RECIPES[name].models(config), own)
    raise AssertionError(f"{name} takes neither two teachers nor one")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_from_its_file_and_a_second_start_spends_nothing(name, tmp_path):
    (tmp_path / "tiny.toml").write_text(tomli_w.dumps(smallest(tmp_path, name)))
    first = start(tmp_path)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {"metrics": "run/metrics.json", "is_new": True}
    recipe, asked = RECIPES[name], attempts(tmp_path / "tuition.db")
    assert (asked > 0) == (recipe.asks or not recipe.has_student)
    check_folder(tmp_path / "run", recipe)
    check_metrics(json.loads((tmp_path / "run" / "metrics.json").read_text()), name, asked=asked)
    check_student(tmp_path / "run", recipe)

    before = hashes(tmp_path / "run")
    second = start(tmp_path)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout) == {"metrics": "run/metrics.json", "is_new": False}
    assert hashes(tmp_path / "run") == before
    assert attempts(tmp_path / "tuition.db") == asked


def check_folder(run, recipe):
    for name in ("config.toml", "data.json", "events.jsonl", "metrics.json", "predictions.jsonl", "done"):
        assert (run / name).exists(), name
    assert lines(run / "events.jsonl")[-1]["event"] == "done"
    assert len(lines(run / "predictions.jsonl")) == 12
    assert (run / "MODEL_CARD.md").exists() == recipe.has_student
    assert (run / "report.html").exists()
    text = (run / "config.toml").read_text()
    assert dump(resolve(tomllib.loads(text), where="config.toml")) == text


def check_metrics(metrics, name, *, asked):
    """The form of DESIGN, section 8."""
    assert set(metrics) >= {
        *("recipe", "task", "seed", "student", "valid", "test"),
        *("spend", "rounds", "stopped_by", "wall_s", "versions"),
    }
    assert (metrics["recipe"], metrics["seed"]) == (name, 0)
    assert metrics["stopped_by"] == ("pool" if RECIPES[name].in_rounds else "done")
    for split in ("valid", "test"):
        figures = metrics[split]
        assert set(figures) == FIGURES
        assert figures["n"] == 6
        assert figures["reader"] == f"{metrics['task']} {metrics['task_version']}"
        assert figures["ci95"][0] <= figures["accuracy"] <= figures["ci95"][1]
        assert figures["accuracy"] == figures["right"] / 6
        assert set(figures["by_domain"]) == set(DOMAINS)
    assert set(metrics["spend"]) >= SPEND
    assert metrics["spend"]["calls"] == asked
    assert metrics["wall_s"] > 0
    assert (metrics["format"], len(metrics["readers"])) == (1, 1)
    assert {"python", "tuition", "code"} <= set(metrics["versions"])


def check_student(run, recipe):
    if not recipe.has_student:
        assert not (run / "student").exists()
        return
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(run / "student", use_safetensors=True)
    metrics = json.loads((run / "metrics.json").read_text())
    assert model.num_parameters() == metrics["student"]["parameters"]
    assert AutoTokenizer.from_pretrained(run / "student").eos_token_id is not None
    names = {path.suffix for path in (run / "student").iterdir()}
    assert names == {".json", ".safetensors"}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_function_of_its_own_configuration_and_a_run(name):
    recipe = RECIPES[name]
    assert recipe.run.__name__ == name
    assert recipe.run.__annotations__["config"] == recipe.config_type.__name__
    assert recipe.run.__annotations__["run"] == Run.__name__
