"""Passages that a student reads beside a question: found by the question, or in training by the rationale."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tuition.annotation import without_closing
from tuition.core.config import Section
from tuition.core.errors import DataError, some_of
from tuition.core.records import Example, Target
from tuition.core.rows import read_rows, resolve_data
from tuition.core.splits import Splits
from tuition.core.texts.passages import Passages
from tuition.playground.domains.knowledge import sentences

__all__ = ["KnowledgeConfig", "RankedKnowledge", "informed", "passages_of", "taught", "with_passages"]

PLAYGROUND = "playground:"


class KnowledgeConfig(Section):
    """Passages that stand in a question's context.

    Source: KARD (arXiv 2305.18395), for those that the rationale finds; the rest is common practice.
    """

    files: tuple[str, ...] = ()
    """Files of passages: `.txt`, one a line, or rows (.jsonl, .csv, …); `playground:` are the facts of the
    domain `knowledge`. Empty: nothing is looked up."""
    column: str = "text"
    """Column of the passages."""
    k: Annotated[int, Field(ge=1)] = 1
    """Passages for each question."""
    by: Literal["question", "rationale"] = "question"
    """What finds them. `question`: everywhere, so that teachers read them too; `rationale`: in training the
    text that is learnt, which no teacher reads beside a passage; validation and test by the question."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits whose questions get their passages as they are loaded."""
        return ("train", "valid", "test") if self.by == "question" else ("valid", "test")


class RankedKnowledge(KnowledgeConfig):
    """Passages that are found by the rationale in training, and by a trained ranker from the question."""

    by: Literal["question", "rationale"] = "rationale"
    """What finds them in training."""

    @property
    def splits(self) -> tuple[str, ...]:
        """None: the ranker is not trained yet."""
        return ()


def passages_of(config: KnowledgeConfig) -> Passages:
    """Read and index the passages; those of the same files once a process."""
    return _indexed(config.files, config.column)


@lru_cache(2)
def _indexed(files: tuple[str, ...], column: str) -> Passages:
    found = Passages(text for file in files for text in _texts(file, column) if text.strip())
    if not found.texts:
        raise DataError(f"no passage was found in {some_of(files)}: rows need a column {column!r}.")
    return found


def _texts(file: str, column: str) -> Iterator[str]:
    if file == PLAYGROUND:
        yield from sentences()
    elif file.endswith(".txt"):
        with Path(resolve_data(file)).open(encoding="utf-8") as lines:
            yield from map(str.strip, lines)
    else:
        yield from (str(row.get(column) or "") for row in read_rows(resolve_data(file)))


def with_passages(example: Example, found: Sequence[str]) -> Example:
    """Put passages before the context of a question."""
    context = "\n".join([*found, example.context] if example.context else found)
    return dataclasses.replace(example, context=context)


def _told(example: Example, config: KnowledgeConfig, *, query: str = "") -> Example:
    """Give a question the passages that a text finds; by default its own."""
    passages = passages_of(config)
    found = passages.find(query or example.question, config.k)
    return with_passages(example, [passages.texts[i] for i in found])


def informed(splits: Splits, config: KnowledgeConfig) -> Splits:
    """Give questions their passages as they are loaded; a passage that gives a test away is refused."""
    if not config.files:
        return splits
    _refuse_leaks(splits, passages_of(config))
    give = {split: split in config.splits for split in ("train", "valid", "test")}
    train, valid = (
        tuple(_told(item, config) if give[split] else item for item in examples)
        for split, examples in (("train", splits.train), ("valid", splits.valid))
    )
    test = splits.test and splits.test.in_form(lambda item: _told(item, config) if give["test"] else item)
    return dataclasses.replace(splits, train=train, valid=valid, test=test)


def _refuse_leaks(splits: Splits, passages: Passages) -> None:
    """Refuse passages that hold a question of validation or test, word for word, with its answer."""

    def leaks(examples: Sequence[Example]) -> list[str]:
        return [
            item.id for item in examples if item.answer and passages.holding(item.question, [item.answer])
        ]

    found = {"valid": leaks(splits.valid), "test": splits.test.check(leaks) if splits.test else []}
    wrong = [f"{len(ids)} questions of {split} ({some_of(ids)})" for split, ids in found.items() if ids]
    if wrong:
        raise DataError(
            f"[knowledge] passages hold {' and '.join(wrong)} together with their answers; take these "
            "passages out, for they would give the test away."
        )


def taught(targets: Iterable[Target], config: KnowledgeConfig) -> list[Target]:
    """Give what is learnt the passages that it is learnt from: those that the rationale finds."""
    if not config.files or config.by != "rationale":
        return list(targets)
    return [
        dataclasses.replace(
            target,
            example=_told(
                target.example,
                config,
                query="" if target.objective == "answer" else without_closing(target.output),
            ),
        )
        for target in targets
    ]
