import re
import tomllib

import pytest

from tuition.core.errors import ConfigError
from tuition.experiment.config import resolve
from tuition.operate.keys import find, keys
from tuition.recipes import RECIPES

KEYS = keys()


def tables_of(recipe, source):
    """The least configuration of a recipe, with one teacher."""
    task = {"files": {"train": "train.jsonl"}, "playground": {}}[source]
    teacher = [{"kind": "playground", "name": "ada"}]
    tables = {"recipe": recipe, "out": "run", "task": {"source": source, **task}, "teacher": teacher}
    return tables | ({"knowledge": {"files": ["playground:"]}} if recipe == "kard" else {})


def values_in(value, prefix=""):
    """The keys of a resolved configuration, as `find` names them, with their values."""
    for name, inner in value.items():
        inner = inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], dict) else inner
        if isinstance(inner, dict) and inner:
            yield from values_in(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


@pytest.mark.parametrize("source", ["files", "playground"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_the_keys_and_defaults_of_its_resolved_configuration(recipe, source):
    tables = tables_of(recipe, source)
    resolved = dict(values_in(resolve(tables, where="here").model_dump(mode="json")))
    of_it = [key for key in KEYS if recipe in key.recipes and key.source in ("", source) and not key.is_table]
    assert resolved.keys() == {key.name for key in of_it}
    given = dict(values_in(tables))
    for key in of_it:
        assert resolved[key.name] == given.get(key.name, key.default), key
        if key.default is not None:
            assert tomllib.loads(f"value = {key.written}")["value"] == key.default


def test_every_key_has_a_type_and_a_meaning():
    assert [key.name for key in KEYS if not key.meaning or not key.type or key.type == "any value"] == []


def test_what_a_type_says():
    said = {key.name: key.type for key in KEYS}
    assert said["training.steps"] == "whole number, at least 1, at most 1000000"
    assert said["training.optimizer"] == 'one of "adamw", "muon"'
    assert said["task.choices_column"] == "text, or list of texts"
    assert said["allocation.prior"] == "list, each entry number, above 0"
    assert (said["teacher"], said["labels.panel"], said["rounds.stop"]) == ("list of tables",) * 2 + (
        "table",
    )
    assert said["annotation.forced"] == "true or false"


def test_a_key_whose_default_differs_is_listed_for_each():
    first, second = find("selection.strategy")
    assert (first.written, second.written) == ('"random"', '"mean_token_entropy"')
    assert (second.recipes, second.where) == (("elad",), "elad")
    assert set(first.recipes) | {"elad"} == set(RECIPES)


def test_a_table_is_found_with_its_keys_and_an_entry_of_a_list_without_its_number():
    assert {key.name for key in find("rounds.stop")} > {"rounds.stop", "rounds.stop.least_rounds"}
    assert find("teacher.0.weight") == find("teacher.weight")
    assert [key.name for key in find("[budget]")] == [key.name for key in find("budget")]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("trainning.steps", "; did you mean 'training.steps'?"),
        ("steps", "; did you mean 'training.steps', 'mentor.training.steps', 'ranker.training.steps'?"),
        (
            "max_tokens",
            "; did you mean 'evaluation.max_tokens', 'explanation.max_tokens', 'teacher.max_tokens' "
            "and 1 more?",
        ),
        ("xyz", "."),
    ],
)
def test_an_unknown_key_names_the_nearest(name, hint):
    text = f"unknown key {name!r}{hint} `tuition keys` lists every key of a configuration."
    with pytest.raises(ConfigError, match=re.escape(text)):
        find(name)
