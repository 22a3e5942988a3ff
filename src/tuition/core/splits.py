"""Train, valid, and a test split that can be read once, at the end, and by nothing that selects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tuition.core.errors import DataError
from tuition.core.records import Example, content_id

__all__ = ["SealedTest", "Splits", "fingerprint"]


def fingerprint(example: Example) -> str:
    """Name a question by its content, so that repeats and overlaps can be seen without looking at it.

    Args:
        example: The question.

    Returns:
        The same for equal question, context and choices, whatever their case, blanks and order of choices.
    """
    context, question, *choices = (
        " ".join(part.casefold().split()) for part in (example.context, example.question, *example.choices)
    )
    return content_id([context, question, *sorted(choices)])


class SealedTest:
    """The test split.

    It can be counted and compared by fingerprint; its examples come out once, through `open`.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        """Seal the examples.

        Args:
            examples: The test split.
        """
        self.__examples = tuple(examples)
        self.__opened_by = ""
        self.fingerprints = frozenset(fingerprint(example) for example in examples)
        self.id = content_id([example.to_json() for example in examples])

    def __len__(self) -> int:
        return len(self.__examples)

    def __iter__(self) -> Iterator[Example]:
        raise DataError(
            "the test split is sealed: nothing may select, train or tune on it. It opens once, at the end."
        )

    def __getitem__(self, i: int) -> Example:
        return next(iter(self))

    def check(self, look: Callable[[Sequence[Example]], list[str]]) -> list[str]:
        """Let a check of the data's form read the sealed examples; only its findings come out.

        Args:
            look: Reads the examples and gives sentences.

        Returns:
            The sentences.
        """
        return look(self.__examples)

    def open(self, reader: str) -> tuple[Example, ...]:
        """Break the seal, once.

        Args:
            reader: Who reads, for the error of whoever comes second.

        Returns:
            The test examples.

        Raises:
            DataError: The seal is broken already.
        """
        if self.__opened_by:
            raise DataError(
                f"the test split was read already, by {self.__opened_by!r}; it is read once, when a run ends."
            )
        self.__opened_by = reader
        return self.__examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """The examples of a task, divided."""

    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    test: SealedTest | None
    """None: the task has no test split; results then say so."""
