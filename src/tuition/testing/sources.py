"""What every source of examples must hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tuition.core.config import Section
from tuition.core.plugins import check_whole
from tuition.core.protocols import Source
from tuition.core.records import Example
from tuition.core.splits import SealedTest, Splits
from tuition.tasks.load import SOURCE
from tuition.testing.expect import expect

__all__ = ["check_source"]


def check_source(make: Callable[[], Source]) -> None:
    """Ask of a source what is asked of every one.

    Its table is a `Section`; it brings splits with a sealed test or none; every example says its split and
    has a question, an id of its own, and a label among its choices; loaded again, the same comes.

    Args:
        make: Makes the source, with its table.

    Raises:
        AssertionError: One of these does not hold.
        ConfigError: It lacks a part of its protocol.
    """
    source = make()
    check_whole(SOURCE, source, type(source).__name__)
    table = getattr(source, "config_type", None)
    is_table = isinstance(table, type) and issubclass(table, Section)
    expect(is_table, f"config_type is {table!r}, expected a class that inherits core.config.Section")
    expect("source" in getattr(table, "model_fields", {}), "the table has no field `source`, which names it")
    splits, again = source.load(), make().load()
    expect(isinstance(splits, Splits), f"load gave a {type(splits).__name__}, expected core.splits.Splits")
    expect((splits.train, splits.valid) == (again.train, again.valid), "loaded again, other examples come")
    for split, examples in (("train", splits.train), ("valid", splits.valid)):
        for fault in _faults(split, examples):
            expect(False, fault)
    if splits.test is not None:
        expect(
            isinstance(splits.test, SealedTest), "the test is not sealed; wrap it in core.splits.SealedTest"
        )
        expect(again.test is not None and splits.test.id == again.test.id, "loaded again, another test comes")
        for fault in splits.test.check(lambda examples: _faults("test", examples)):
            expect(False, fault)


def _faults(split: str, examples: Sequence[Example]) -> list[str]:
    ids = [example.id for example in examples]
    found = [f"{split}: an id stands twice among {len(ids)} examples"] if len(set(ids)) < len(ids) else []
    for example in examples:
        what = f"{split}: example {example.id!r}"
        if example.split != split:
            found.append(f"{what} says it is of {example.split!r}")
        if not example.question.strip():
            found.append(f"{what} has no question")
        if example.choices and example.answer is not None and example.answer not in example.choices:
            found.append(f"{what} has the label {example.answer!r}, which is none of its choices")
    return found
