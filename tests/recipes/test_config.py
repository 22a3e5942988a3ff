import tomllib

import pytest
from tiny import TINY, experiment, tables, teachers

from tuition.core.config import complete, read_toml
from tuition.core.errors import ConfigError
from tuition.experiment.config import dump, resolve
from tuition.experiment.defaults import CHANGED, CONFIG_VERSION, completed
from tuition.operate.starters import STARTERS
from tuition.playground.config import PlaygroundConfig
from tuition.recipes import RECIPES
from tuition.recipes.step_by_step import StepByStep
from tuition.tasks.load import FileSource, source_types

NEEDED = {"kard": {"knowledge": {"files": ["playground:"]}}}
"""What a recipe cannot do without."""


def refused(text, *settings, **changed):
    whole = {**read_toml(TINY), **changed}
    with pytest.raises(ConfigError, match=text):
        resolve(whole, settings, where="mine.toml")


@pytest.mark.parametrize("recipe", RECIPES)
def test_dump_and_resolve_come_back_to_the_same(tmp_path, recipe):
    one = teachers("ada", samples=2, price_prompt=0.25, price_completion=1.5)
    config = experiment(
        tmp_path, "seed=3", "budget.usd=0.5", recipe=recipe, teacher=one, **NEEDED.get(recipe, {})
    )
    text = dump(config)
    again = resolve(tomllib.loads(text), where="dumped")
    assert again == config
    assert type(again) is RECIPES[recipe].config_type
    assert dump(again) == text


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_file_that_is_filled_up_is_the_resolved_one(tmp_path, recipe):
    given = tables(tmp_path, recipe=recipe, teacher=teachers("ada"), **NEEDED.get(recipe, {}))
    given["config_version"] = CONFIG_VERSION
    assert completed(given, where="x") == tomllib.loads(dump(resolve(given, where="x")))


def test_every_changed_default_is_that_of_a_key_that_there_is():
    for until, places in CHANGED.items():
        assert 1 <= until < CONFIG_VERSION
        for place in places:
            kinds = [recipe.config_type for recipe in RECIPES.values()]
            sources = [source.config_type for source in source_types().values()]
            found = [complete(kind, {}, {place: "odd"}) for kind in kinds]
            found += [complete(kind, {}, {place: "odd"}, place="task.") for kind in sources]
            assert place.startswith(("teacher.", "labels.panel.")) or "'odd'" in repr(found), place


@pytest.mark.parametrize("name", STARTERS)
def test_every_starter_resolves_and_survives_a_round_trip(name):
    config = resolve(tomllib.loads(STARTERS[name]), where=name)
    assert resolve(tomllib.loads(dump(config)), where="dumped") == config


def test_files_are_the_source_where_none_is_named(tmp_path):
    config = experiment(tmp_path, task={"train": "t.jsonl", "choices_column": ["a", "b"]})
    assert isinstance(config.task, FileSource.config_type)
    assert resolve(tomllib.loads(dump(config)), where="dumped") == config


def test_overrides_win_over_the_file(tmp_path):
    config = experiment(tmp_path, "training.steps=5", "teacher.1.weight=0.5", "task.train=30", "seed=9")
    assert (config.training.steps, config.teacher[1].weight, config.seed) == (5, 0.5, 9)
    assert isinstance(config.task, PlaygroundConfig)
    assert config.task.train == 30
    assert config.teacher[0].weight == 1.0


def test_the_sources_are_files_and_what_is_plugged_in():
    assert {"files", "playground"} <= set(source_types())


def test_an_unknown_recipe_gets_a_near_name():
    refused(
        r"mine\.toml: unknown recipe 'tinylm'; did you mean 'tinyllm'\? Known: ask_teacher", recipe="tinylm"
    )


def test_a_missing_recipe_lists_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"mine\.toml: `recipe` is missing; one of ask_teacher, ddk, elad, evokd, kard"
    ):
        resolve({"out": "x"}, where="mine.toml")


def test_an_unknown_source_gets_a_near_name():
    refused("unknown source 'playgrund'; did you mean 'playground'", task={"source": "playgrund"})


def test_an_unknown_key_gets_a_near_name_at_any_depth():
    refused("unknown key 'training.step'; did you mean 'steps'", "training.step=3")
    refused("unknown key 'gama'; did you mean 'gamma'", "gama=3")
    refused("unknown key 'trian'; did you mean 'train'", "task.trian=3")
    refused(r"unknown key 'teacher\.0\.wieght'; did you mean 'weight'", "teacher.0.wieght=3")


def test_every_fault_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        resolve(read_toml(TINY), ("seed=-1", "training.lr=0", "stor=x"), where="mine.toml")
    text = str(caught.value)
    assert "mine.toml: 3 faults" in text
    assert all(name in text for name in ("'seed'", "'training.lr'", "'stor'"))


def test_two_teachers_of_one_name_are_refused():
    refused(
        "teachers need names of their own; 'ada' named more than once", teacher=teachers("ada", "bela", "ada")
    )


def test_step_by_step_wants_one_teacher():
    refused("step_by_step learns from one teacher, 2 are given; tinyllm takes several", recipe="step_by_step")
    refused("step_by_step learns from one teacher, 0 are given", recipe="step_by_step", teacher=[])


def test_ask_teacher_wants_one_teacher():
    refused("ask_teacher examines one teacher, 2 are given", recipe="ask_teacher")


def test_tinyllm_wants_a_teacher():
    refused(r"tinyllm learns from one \[\[teacher\]\] or several, none is given", teacher=[])


def test_an_option_of_another_recipe_is_unknown(tmp_path):
    assert "route" not in StepByStep.model_fields
    refused("unknown key 'route'", "route=random", recipe="step_by_step", teacher=teachers("ada"))
    assert tables(tmp_path)["recipe"] == "tinyllm"


def test_steps_and_epochs_exclude_each_other():
    refused("both steps and epochs are given", "training.epochs=1")


def test_teachers_of_one_folder_name_are_refused(tmp_path):
    alike = [{"kind": "playground", "model": "ada", "name": name} for name in ("a/b", "a-b")]
    with pytest.raises(ConfigError, match=r"teachers 'a/b', 'a-b' would have one run folder; rename one"):
        experiment(tmp_path, teacher=alike)
