from types import SimpleNamespace

import pytest

import tuition.teachers
from tuition.core import plugins
from tuition.core.errors import ConfigError
from tuition.core.protocols import BatchTeacher, Sampler, TeacherAbilities
from tuition.teachers import TeacherConfig, make_teacher


class Stranger:
    endpoint, model, price, abilities = "stranger:", "m", None, TeacherAbilities()

    def __init__(self, config):
        self.name = config.name

    async def complete(self, request):
        raise NotImplementedError


def test_a_table_without_a_kind_names_an_endpoint():
    teacher = make_teacher(TeacherConfig(name="a", model="m", base_url="http://127.0.0.1:1/v1/"))
    assert (teacher.name, teacher.model, teacher.endpoint) == ("a", "m", "http://127.0.0.1:1/v1")


def test_playground_comes_by_its_entry_point():
    teacher = make_teacher(TeacherConfig(kind="playground", name="ada"))
    assert teacher.abilities.is_simulated


def test_stranger_is_named_by_its_place(monkeypatch):
    monkeypatch.setattr(tuition.teachers, "Stranger", Stranger, raising=False)
    assert make_teacher(TeacherConfig(kind="tuition.teachers:Stranger", name="s")).name == "s"


def test_stranger_joins_by_entry_point(monkeypatch):
    entry = SimpleNamespace(name="mine", load=lambda: Stranger)
    monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: [entry])
    assert make_teacher(TeacherConfig(kind="mine", name="s")).endpoint == "stranger:"


def test_unknown_kind_is_told_with_its_neighbour():
    with pytest.raises(
        ConfigError, match="teacher 'a': unknown kind of teacher 'recorder'; did you mean 'recorded'"
    ):
        make_teacher(TeacherConfig(kind="recorder", name="a"))


@pytest.mark.parametrize("place", ["no.such.module:Name", "tuition.teachers:Nobody", ":Name"])
def test_absent_code_is_told(place):
    with pytest.raises(
        ConfigError, match=f"teacher 'a': kind of teacher '{place}' cannot be made: .*Expected 'package"
    ):
        make_teacher(TeacherConfig(kind=place, name="a"))


def test_who_is_asked_in_batches_pays_their_price_and_takes_no_single_calls():
    url = "https://api.openai.com/v1"
    table = {"name": "a", "model": "gpt-4o-mini", "base_url": url, "wire": {"in_batches": True}}
    batched, plain = make_teacher(TeacherConfig(**table)), make_teacher(TeacherConfig(**table | {"wire": {}}))
    assert (isinstance(batched, BatchTeacher), isinstance(batched, Sampler)) == (True, False)
    assert (isinstance(plain, BatchTeacher), isinstance(plain, Sampler)) == (False, True)
    assert batched.abilities.in_batches
    assert batched.price.prompt * 2 == plain.price.prompt
