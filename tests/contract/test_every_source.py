"""Asked of every kind of source."""

import dataclasses
import json

import pytest

from tuition.core.splits import Splits
from tuition.playground.world import PlaygroundSource
from tuition.tasks.load import source_types
from tuition.testing import check_source


@pytest.fixture
def table(tmp_path):
    """What a table needs beside the defaults, by its field."""
    path = tmp_path / "train.jsonl"
    rows = [{"question": f"What is {i} and 1?", "answer": str(i + 1)} for i in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return lambda fields: {"train": str(path)} if fields["train"].annotation is not int else {}


@pytest.mark.parametrize("name", source_types())
def test_it_keeps_the_contract(name, table):
    source = source_types()[name]
    config = source.config_type(source=name, **table(source.config_type.model_fields))
    check_source(lambda: source(config))


def changed(examples, **how):
    return (dataclasses.replace(examples[0], **how), *examples[1:])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda splits: {"train": changed(splits.train, split="valid")}, "says it is of 'valid'"),
        (lambda splits: {"train": changed(splits.train, question=" ")}, "has no question"),
        (lambda splits: {"train": (*splits.train, splits.train[0])}, "an id stands twice among 601"),
        (
            lambda splits: {"valid": changed(splits.valid, choices=("a", "b"), answer="c")},
            "none of its choices",
        ),
        (lambda splits: {"test": tuple(splits.valid)}, "the test is not sealed"),
    ],
)
def test_what_is_careless_is_told(spoil, words):
    class Careless(PlaygroundSource):
        def load(self):
            splits = super().load()
            return dataclasses.replace(splits, **spoil(splits))

    assert isinstance(Careless().load(), Splits)
    with pytest.raises(AssertionError, match=words):
        check_source(Careless)
