import pytest

from tuition.core.budget import Price
from tuition.core.config import parse
from tuition.core.errors import ConfigError
from tuition.teachers import TeacherConfig, make_teacher


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


def wired(**wire):
    return parse(TeacherConfig, {"name": "a", "wire": wire}, where="x.toml")


def test_further_fields_are_parameters_and_the_bound_goes_before_them():
    config = wired(extra={"top_k": 20, "reasoning": {"effort": "low"}})
    assert config.parameters() == {"top_k": 20, "reasoning": {"effort": "low"}, "max_tokens": 512}
    assert TeacherConfig(name="a").parameters() == {"max_tokens": 512}


@pytest.mark.parametrize("name", ["model", "messages", "max_tokens", "max_completion_tokens", "n", "stream"])
def test_a_further_field_may_not_say_what_is_said_elsewhere(name):
    with pytest.raises(ConfigError, match=f"'{name}' cannot stand in extra"):
        wired(extra={name: 1})


@pytest.mark.parametrize(
    "wire",
    [
        {"form": "google"},
        {"connect_s": 0},
        {"read_s": -1},
        {"requests_per_minute": 0},
        {"tokens_per_minute": float("inf")},
        {"max_tokens_name": "n_predict"},
        {"batch_share": 0},
        {"batch_share": 1.5},
        {"extra": {"x": float("nan")}},
    ],
)
def test_impossible_endpoints_are_refused(wire):
    with pytest.raises(ConfigError, match="1 fault in the configuration"):
        wired(**wire)


def test_a_temperature_for_an_endpoint_that_takes_none_is_refused():
    table = {"name": "a", "temperature": 0.7, "wire": {"has_temperature": False}}
    with pytest.raises(ConfigError, match=r"has a temperature.*wire.has_temperature is false"):
        parse(TeacherConfig, table, where="x.toml")


def test_the_teacher_says_what_the_table_declares():
    table = {"has_n": True, "has_json": True, "requests_per_minute": 60, "tokens_per_minute": 9000}
    config = TeacherConfig(name="a", base_url="http://127.0.0.1:9/v1", concurrency=3, wire=table)
    abilities = make_teacher(config).abilities
    assert (abilities.requests_per_minute, abilities.tokens_per_minute) == (60, 9000)
    assert (abilities.samples_per_call, abilities.has_json, abilities.has_temperature) == (8, True, True)
    assert (abilities.concurrency, abilities.in_batches) == (3, False)
    plain = make_teacher(TeacherConfig(name="a", base_url="http://127.0.0.1:9/v1")).abilities
    assert (plain.samples_per_call, plain.has_json, plain.requests_per_minute) == (1, False, None)
