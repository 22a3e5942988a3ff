import pytest
from pydantic import Field

from tuition.core.config import Section, complete, override, parse, read_toml
from tuition.core.errors import ConfigError


class Inner(Section):
    steps: int = Field(default=3, ge=1)
    """Steps."""
    lr: float = 0.1
    """Rate."""


class Outer(Section):
    name: str
    """Name."""
    inner: Inner = Inner()
    """Inner."""
    items: tuple[Inner, ...] = ()
    """Items."""


def test_every_fault_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse(Outer, {"inner": {"step": 5, "steps": 0}, "items": [{"lr": "fast"}]}, where="x.toml")
    text = str(caught.value)
    assert "x.toml: 4 faults in the configuration" in text
    assert "unknown key 'inner.step'; did you mean 'steps'? Known here: lr, steps." in text
    assert "'inner.steps' is 0: Input should be greater than or equal to 1" in text
    assert "'items.0.lr' is 'fast'" in text
    assert "'name' is missing" in text


def test_settings_lie_over_the_file():
    tables = {"name": "a", "items": [{"lr": 1.0}, {"lr": 2.0}]}
    changed = override(tables, ["inner.steps=7", "items.1.lr=5e-4", "name=b c"])
    config = parse(Outer, changed, where="x")
    assert (config.inner.steps, config.items[1].lr, config.name) == (7, 5e-4, "b c")
    assert tables == {"name": "a", "items": [{"lr": 1.0}, {"lr": 2.0}]}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("steps", "is not of the form key=value"),
        ("=3", "is not of the form key=value"),
        ("items.5.lr=1", "there is no entry '5'; the list has 1"),
        ("items.first.lr=1", "there is no entry 'first'"),
        ("name.first=1", "'name' is a value, not a table"),
    ],
)
def test_a_setting_that_fits_nowhere(setting, words):
    with pytest.raises(ConfigError, match=words):
        override({"name": "a", "items": [{}]}, [setting])


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"no configuration file .*tuition init"):
        read_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name = unquoted\n")
    with pytest.raises(ConfigError, match=r"bad.toml' is not readable as TOML.*line 1"):
        read_toml(tmp_path / "bad.toml")


def test_a_section_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Inner().steps = 5


COMPLETED = [
    ({}, {}, {"inner": {"steps": 3, "lr": 0.1}, "items": []}),
    ({"name": "a", "items": [{"lr": 1.0}]}, {}, {"name": "a", "items": [{"steps": 3, "lr": 1.0}]}),
    ({"inner": {"steps": 9}}, {"inner.lr": 0.5, "inner.steps": 1}, {"inner": {"steps": 9, "lr": 0.5}}),
    ({}, {"inner.lr": 0.5, "items.lr": 0.5}, {"inner": {"steps": 3, "lr": 0.5}, "items": []}),
    (
        {"items": [{}, {"lr": 2.0}]},
        {"items.lr": 0.5},
        {"items": [{"steps": 3, "lr": 0.5}, {"steps": 3, "lr": 2.0}]},
    ),
    ({"inner": 7, "more": {}}, {"inner.lr": 0.5}, {"inner": 7, "more": {}}),
    ({}, {"inner": None, "elsewhere.lr": 1}, {"inner": None}),
]
"""Tables, other defaults than today's, and what must then stand in the whole."""


@pytest.mark.parametrize(("tables", "defaults", "wanted"), COMPLETED)
def test_what_is_open_is_filled_and_what_is_given_stands(tables, defaults, wanted):
    before = repr(tables)
    found = complete(Outer, tables, defaults)
    assert {name: found[name] for name in wanted} == wanted
    assert "name" not in found or found["name"] == tables["name"], "what has no default stays missing"
    assert repr(tables) == before
    assert Outer(name="a").inner == Inner(steps=3, lr=0.1), "no default was touched"


def test_a_resolved_file_of_the_first_version_says_so(tmp_path):
    (tmp_path / "config.toml").write_text("seed = 1")
    assert read_toml(tmp_path / "config.toml") == {"seed": 1}
    (tmp_path / "run_id").touch()
    assert read_toml(tmp_path / "config.toml") == {"config_version": 1, "seed": 1}
    (tmp_path / "config.toml").write_text("config_version = 2")
    assert read_toml(tmp_path / "config.toml") == {"config_version": 2}


ODD = [
    ("[inner]\nlr = inf\n", "'inner.lr' is inf; expected a finite number: leave the key out"),
    ("[inner]\nlr = nan\n", "'inner.lr' is nan; expected a finite number"),
    ("[[items]]\nlr = -inf\n", "'items.0.lr' is -inf; expected a finite number"),
    ("[inner]\nsteps = 10000000000000000000000\n", "'inner.steps' is beyond 9007199254740992"),
    ("name = " + "[" * 30 + "]" * 30, "lists more than 20 deep; no configuration needs that"),
    ("name = " + "[" * 9000 + "]" * 9000, "lists more than 20 deep; no configuration needs that"),
    (".".join(["a"] * 3000) + " = 1\n", "lists more than 20 deep; no configuration needs that"),
    ("[" + ".".join(["a"] * 3000) + "]\n", "lists more than 20 deep; no configuration needs that"),
]


@pytest.mark.parametrize(("text", "words"), ODD, ids=[str(i) for i in range(len(ODD))])
def test_values_that_no_key_can_have_are_refused(tmp_path, text, words):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_toml(tmp_path / "x.toml")
    assert "x.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("inner.lr=inf", "the command line: 'inner.lr' is inf"),
        ("inner.steps=1" + "0" * 22, "'inner.steps' is beyond 9007199254740992, either side of 0"),
        ("name=" + "[" * 9000 + "]" * 9000, "lists more than 20 deep"),
        (".".join(["a"] * 3000) + "=1", "lists more than 20 deep"),
    ],
    ids=["inf", "large", "nested", "dotted"],
)
def test_settings_that_no_key_can_have_are_refused(setting, words):
    with pytest.raises(ConfigError, match=words):
        override({"name": "x"}, [setting])


def test_the_mark_of_some_editors_is_read_over(tmp_path):
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbfname = 'x'\n")
    assert read_toml(tmp_path / "x.toml") == {"name": "x"}
