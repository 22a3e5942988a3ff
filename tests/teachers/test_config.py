import pytest

from tuition.core.budget import Price
from tuition.core.config import parse
from tuition.core.errors import ConfigError
from tuition.teachers import TeacherConfig


def test_defaults_need_only_a_name():
    config = parse(TeacherConfig, {"name": "ada"}, where="x.toml")
    assert (config.kind, config.weight, config.prefix, config.samples) == ("chat", 1.0, None, 1)
    assert config.parameters() == {"max_tokens": 512}
    assert config.price is None


def test_parameters_carry_the_temperature_that_was_set():
    assert TeacherConfig(name="ada", temperature=0.7, max_tokens=9).parameters() == {
        "max_tokens": 9,
        "temperature": 0.7,
    }


def test_price_needs_prompt_and_completion():
    assert TeacherConfig(name="ada", price_prompt=1.0).price is None
    config = TeacherConfig(name="ada", price_prompt=0.15, price_completion=0.6, price_cached=0.075)
    assert config.price == Price(prompt=150_000_000, completion=600_000_000, cached=75_000_000)


def test_one_file_counts_as_several():
    assert TeacherConfig(name="a", file="x.jsonl").files == ("x.jsonl",)
    assert TeacherConfig(name="a", file=("x.jsonl", "y.jsonl")).files == ("x.jsonl", "y.jsonl")
    assert TeacherConfig(name="a").files == ()


def test_unknown_key_is_told_with_its_neighbour():
    with pytest.raises(ConfigError, match="unknown key 'modle'; did you mean 'model'"):
        parse(TeacherConfig, {"name": "a", "modle": "b"}, where="x.toml")


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"name": ""},
        {"name": "a", "max_tokens": 0},
        {"name": "a", "weight": -1},
        {"name": "a", "weight": float("nan")},
        {"name": "a", "samples": 0},
        {"name": "a", "price_prompt": -0.1},
        {"name": "a", "timeout_s": 0},
    ],
)
def test_impossible_values_are_refused(table):
    with pytest.raises(ConfigError, match="1 fault in the configuration"):
        parse(TeacherConfig, table, where="x.toml")
