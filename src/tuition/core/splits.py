"""Train, valid, and a test split that can be read once, at the end, and by nothing that selects."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import TypeVar

from tuition.core.errors import DataError, some_of
from tuition.core.records import Example, content_id

__all__ = ["Labelling", "SealedTest", "Splits", "bare", "fingerprint", "once_a_split", "relabelled"]

Found = TypeVar("Found")
_SPLITS = 3

Labelling = Callable[[Sequence[Example]], Sequence[Example | None]]
"""Is given examples without their labels, and gives each back with a label of its own; None: left out."""


def fingerprint(example: Example) -> str:
    """Name a question by its content, so that repeats and overlaps can be seen without looking at it."""
    if not hasattr(example, "_name"):
        context, question, *choices = (
            " ".join(part.casefold().split()) for part in (example.context, example.question, *example.listed)
        )
        # As `content_id` has it, which writes a list of texts in three times as long.
        texts = ",".join(map(encode_basestring, [context, question, *sorted(choices)]))
        object.__setattr__(example, "_name", hashlib.sha256(f"[{texts}]".encode()).hexdigest())
    return example._name


def once_a_split(look: Callable[[tuple[Example, ...]], Found]) -> Callable[[Sequence[Example]], Found]:
    """Remember what a function finds in the last few splits: a run asks it again for every teacher.

    A split is told by its identity, for a tuple of examples never changes.
    """
    kept: dict[int, tuple[Sequence[Example], Found]] = {}

    @functools.wraps(look)
    def found(examples: Sequence[Example]) -> Found:
        examples = tuple(examples)  # the same one, if it was one
        if id(examples) not in kept:
            kept[id(examples)] = (examples, look(examples))
            for old in list(kept)[:-_SPLITS]:
                del kept[old]
        return kept[id(examples)][1]

    return found


def bare(example: Example) -> Example:
    """Take the label from an example, and the word of where it came from."""
    return dataclasses.replace(example, answer=None, label_source="")


def relabelled(
    examples: Sequence[Example], label: Labelling, *, replace: bool = False, first: int | None = None
) -> tuple[Example, ...]:
    """Have examples labelled by whoever must not see their labels."""
    kept = examples[:first]
    asked = [bare(example) for example in kept if replace or example.answer is None]
    given = list(label(asked)) if asked else []
    changed = [
        question.id
        for question, answer in zip(asked, given, strict=False)
        if answer is not None and bare(answer) != question
    ]
    if changed or len(given) != len(asked):
        raise DataError(
            f"a labeller was given {len(asked)} examples and gave back {len(given)}, {len(changed)} of them "
            f"with more than their label changed ({some_of(changed)}); it must label them one by one."
        )
    new = iter(given)
    whole = [next(new) if replace or example.answer is None else example for example in kept]
    return tuple(example for example in whole if example is not None)


class SealedTest:
    """The test split.

    It can be counted and compared by fingerprint, and its `content` is that of its questions, whatever their
    order, ids and labels; its examples come out once, through `open`. Whoever labels it sees its questions
    without their labels, through `relabelled`.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self.__examples = tuple(examples)
        self.__opened_by = ""
        self.fingerprints = frozenset(fingerprint(example) for example in examples)
        self.id = content_id([example.to_json() for example in examples])
        self.content = content_id(sorted(self.fingerprints))

    def __len__(self) -> int:
        return len(self.__examples)

    def __iter__(self) -> Iterator[Example]:
        raise DataError(
            "the test split is sealed: nothing may select, train or tune on it. It opens once, at the end."
        )

    def __getitem__(self, i: int) -> Example:
        return next(iter(self))

    def check(self, look: Callable[[Sequence[Example]], list[str]]) -> list[str]:
        """Let a check of the data's form read the sealed examples; only its findings come out."""
        return look(self.__examples)

    def in_form(self, form: Callable[[Example], Example]) -> SealedTest:
        """Seal the examples in the form that their task has, one by one; this seal opens no more."""
        self.__refuse_second()
        made = SealedTest([form(example) for example in self.__examples])
        self.__opened_by = "the form of its task, under a new seal"
        return made

    def relabelled(self, label: Labelling, *, replace: bool = False, first: int | None = None) -> SealedTest:
        """Have the sealed questions labelled; the old labels never leave, and this seal opens no more."""
        self.__refuse_second()
        made = SealedTest(relabelled(self.__examples, label, replace=replace, first=first))
        self.__opened_by = "whoever labelled it, under a new seal"
        return made

    def stood_in(
        self, choose: Callable[[Sequence[Example]], Sequence[Example]], *, label: Callable[[Example], str]
    ) -> SealedTest:
        """Seal some of the questions with made-up labels, where they have any; no label leaves this seal."""
        labelled = {example.id for example in self.__examples if example.answer is not None}
        chosen = choose([bare(example) for example in self.__examples])
        return SealedTest(
            [
                dataclasses.replace(item, answer=label(item), label_source="gold")
                if item.id in labelled
                else item
                for item in chosen
            ]
        )

    def open(self, reader: str) -> tuple[Example, ...]:
        """Break the seal, once."""
        self.__refuse_second()
        self.__opened_by = reader
        return self.__examples

    def __refuse_second(self) -> None:
        if self.__opened_by:
            raise DataError(
                f"the test split was read already, by {self.__opened_by!r}; it is read once, when a run ends."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """The examples of a task, divided."""

    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    test: SealedTest | None
    """None: the task has no test split; results then say so."""
