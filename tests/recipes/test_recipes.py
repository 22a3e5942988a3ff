"""A recipe from outside is a run, a row, a baseline and an ablation by what it declares alone."""

import dataclasses
import sys
from importlib import metadata

import pytest
from tiny import attempts, experiment, teachers

from tuition.core.errors import ConfigError
from tuition.experiment.config import Experiment
from tuition.experiment.recipe import Variant
from tuition.operate.compare import ablation_table, ablations, new_calls
from tuition.operate.execute import baselines, baselines_left_out, execute_all
from tuition.recipes import RECIPES, Recipe
from tuition.recipes.zero_shot import zero_shot
from tuition.report import rows_of


class Mentor(Experiment):
    """Configuration of a method that this package does not know."""

    warmth: float = 0.5
    """Something of its own."""


MENTOR = Recipe(
    config_type=Mentor,
    run=zero_shot,
    baseline="mentored",
    beside=lambda config: [
        Variant(name=f"mentor/{table.name}", changed={"teacher": (table,)}) for table in config.teacher
    ],
    ablations=lambda config: [
        Variant(name="without_warmth", changed={"warmth": 0.0}, remark="it stays cold"),
        Variant(name="without_teacher", why_not="it has none"),
        Variant(name="plain", changed={"recipe": "zero_shot"}, asks=False),
    ],
    order=95,
    remark="a guest",
    best_of="mentor",
)


class Point(metadata.EntryPoint):
    """An entry point whose object is in this file."""

    def load(self):
        return GUESTS[self.name]


GUESTS = {}


@pytest.fixture
def plug(monkeypatch):
    """Plugs recipes in by name, as installed packages do."""
    real = metadata.entry_points

    def plugged(**guests):
        monkeypatch.setattr(sys.modules[__name__], "GUESTS", guests)
        points = metadata.EntryPoints(Point(name, "x", "tuition.recipes") for name in guests)
        found = {"tuition.recipes": points}
        monkeypatch.setattr(metadata, "entry_points", lambda group: found.get(group) or real(group=group))

    return plugged


def test_it_is_listed_behind_those_of_the_package(plug):
    own = list(RECIPES)
    plug(mentor=MENTOR)
    assert list(RECIPES) == [*own, "mentor"]
    assert len(RECIPES) == len(own) + 1
    assert RECIPES["mentor"] is MENTOR
    assert "nobody" not in RECIPES


def test_what_is_no_recipe_is_refused(plug):
    plug(odd=object())
    with pytest.raises(ConfigError, match=r"recipe 'odd' is of type 'object', expected"):
        RECIPES["odd"]


def test_it_runs_and_stands_in_the_table_as_it_declares(tmp_path, plug):
    plug(mentor=MENTOR)
    main = experiment(tmp_path, "warmth=0.25", recipe="mentor")
    finished = execute_all({"run": main, **ablations(main)}, jobs=1)
    assert list(finished) == ["run", "without_warmth", "plain"]
    rows = [row for row in rows_of(tmp_path / "run", RECIPES) if row.recipe not in ("rule", "classical")]
    assert [(row.name, row.recipe) for row in rows] == [
        ("plain", "zero_shot"),
        ("run", "mentor"),
        ("without_warmth", "mentor"),
    ]
    assert rows[1].remark == "a guest; not trained; best mentor by validation"
    table = {row["name"]: row["remark"] for row in ablation_table(main, finished)}
    assert table == {"run": "", "without_warmth": "it stays cold", "plain": ""}
    assert new_calls(main) == ["without_warmth"]
    assert attempts(tmp_path / "tuition.db") == 0


def test_it_is_a_baseline_of_another_run_and_none_of_its_own(tmp_path, plug):
    plug(mentor=MENTOR)
    names = 'evaluation.baselines=["mentored", "zero_shot"]'
    found = baselines(experiment(tmp_path, names))
    assert list(found) == ["zero_shot", "mentor-ada", "mentor-bela"]
    assert isinstance(found["mentor-ada"], Mentor)
    assert list(baselines(experiment(tmp_path, names, recipe="mentor"))) == ["zero_shot"]


def test_a_row_that_cannot_be_is_left_out_with_its_reason(tmp_path, plug):
    rows = [Variant(name="mentor", why_not="the mentor is away")]
    plug(mentor=dataclasses.replace(MENTOR, beside=lambda _: rows))
    config = experiment(tmp_path, 'evaluation.baselines=["mentored"]', teacher=teachers("ada"))
    assert baselines(config) == {}
    assert baselines_left_out(config) == ["the mentor is away"]


def test_an_unknown_baseline_gets_a_near_name(tmp_path, plug):
    plug(mentor=MENTOR)
    told = r"unknown baseline in evaluation.baselines 'mentord'; did you mean 'mentored'\? Known: blind"
    with pytest.raises(ConfigError, match=told):
        experiment(tmp_path, 'evaluation.baselines=["mentord"]')
