"""Asked of every recipe: two steps in a fresh process, a whole folder, a second start that spends nothing."""

import contextlib
import json
import subprocess
import sys

import pytest
import tomli_w
from tiny import TINY, attempts, hashes, rows, tables, teachers

from tuition.core.config import read_toml
from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import FixedForm
from tuition.core.run import Run
from tuition.experiment.config import resolve
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute
from tuition.recipes import RECIPES
from tuition.tasks import TASKS
from tuition.testing import check_recipe, check_run

DOMAINS = ["knowledge", "tracking"]
"""Questions with options, which every recipe can work with."""


def start(folder, *arguments):
    command = [sys.executable, "-m", "tuition", "run", "tiny.toml", "--json", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)


FORMS = [kind for kind, task in TASKS.items() if isinstance(task(), FixedForm)]
"""Kinds of task whose answers have one form, which the playground has questions of."""


def smallest(folder, name, **changed):
    """The tiny run of a recipe, with two teachers where it takes two."""
    task = {**read_toml(TINY)["task"], "domains": DOMAINS, **changed}
    knowledge = {"knowledge": {"files": ["playground:"]}}
    student = {"student": {"model": "fresh:bert-nano"}} if RECIPES[name].scores else {}
    for names, more in ((("ada", "bela"), {}), (("ada",), {}), (("ada", "bela"), knowledge)):
        found = tables(
            folder,
            recipe=name,
            teacher=teachers(*names),
            task=task,
            out="run",
            store="tuition.db",
            **more,
            **student,
        )
        with contextlib.suppress(ConfigError):
            config = resolve(found, where=name)
            own = {part: found[part] for part in ("student", "training")}
            scorer = own | {"student": {"model": "fresh:bert-nano"}}
            models = RECIPES[name].models(config)
            return found | {key: own if table.explains else scorer for key, table in models.items()}
    raise AssertionError(f"{name} takes neither two teachers nor one")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_from_its_file_and_a_second_start_spends_nothing(name, tmp_path):
    tables = smallest(tmp_path, name)
    (tmp_path / "tiny.toml").write_text(tomli_w.dumps(tables))
    planned = plan_of(resolve(tables | {"store": str(tmp_path / "none.db")}, where=name)).teachers
    first = start(tmp_path)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {"metrics": "run/metrics.json", "is_new": True}
    recipe, asked = RECIPES[name], attempts(tmp_path / "tuition.db")
    assert (asked > 0) == (recipe.asks or not recipe.has_student)
    assert sum(row.low_calls for row in planned) <= asked <= sum(row.high_calls for row in planned)
    check_run(tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["seed"], metrics["spend"]["calls"]) == (0, asked)
    assert set(metrics["test"]["by_domain"]) == set(DOMAINS)
    assert metrics["valid"]["n"] == metrics["test"]["n"] == 6 and len(metrics["readers"]) == 1
    before = hashes(tmp_path / "run")
    second = start(tmp_path)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout) == {"metrics": "run/metrics.json", "is_new": False}
    assert hashes(tmp_path / "run") == before
    assert attempts(tmp_path / "tuition.db") == asked


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_every_form_of_answers(name, kind, tmp_path):
    found = smallest(tmp_path, name, kind=kind, domains=[])
    own = {key: value for key, value in found.items() if key not in ("recipe", "out", "store")}
    # what needs a choice says so before anything is asked
    try:
        check_recipe(name, **own)
    except DataError as error:
        assert "have fewer than two" in str(error)


@pytest.mark.parametrize("name", RECIPES)
def test_every_call_of_a_recipe_is_in_the_users_words(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = smallest(tmp_path, name)
    tables["task"] = {**tables["task"], "instruction": "These are riddles.\n\nThink of the circus."}
    tables["teacher"] = [{**table, "system": "You are kind."} for table in tables["teacher"]]
    metrics = execute(resolve(tables, where=name)).metrics
    calls = [json.loads(text) for (text,) in rows("tuition.db", "SELECT request FROM attempts")]
    for call in calls:
        [system, user] = call["messages"]
        assert (system["role"], system["content"]) == ("system", "You are kind.")
        assert user["content"].startswith("These are riddles.\n\nThink of the circus.\n\n")
    # The programs read the question behind the instruction: most of what they write can be learnt from.
    assert metrics["spend"]["calls"] == len(calls) and bool(calls) == bool(attempts("tuition.db"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_function_of_its_own_configuration_and_a_run(name):
    recipe = RECIPES[name]
    assert recipe.run.__name__ == name
    assert recipe.run.__annotations__["config"] == recipe.config_type.__name__
    assert recipe.run.__annotations__["run"] == Run.__name__
