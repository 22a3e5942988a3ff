"""Read examples from files: the recorded data's form and the user's own columns.

Grades nothing and asks nobody.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tuition.core.errors import ConfigError, DataError, nearest
from tuition.core.records import Example, Json, option_letter
from tuition.core.rows import read_rows, resolve_data
from tuition.core.splits import SealedTest, Splits, fingerprint
from tuition.tasks.answers import normalise
from tuition.tasks.check import Finding, finding, without_overlap
from tuition.tasks.columns import nested_names, nested_value
from tuition.tasks.config import TaskConfig

__all__ = ["FileSource", "read_examples", "read_label"]

_SHOWN = 3


class _BadRow(ValueError):
    """Why a row is no example; becomes part of a DataError or of a finding."""


class FileSource:
    """Examples from the files of a configuration."""

    config_type = TaskConfig
    """The table it reads."""

    def __init__(self, config: TaskConfig) -> None:
        """Remember where the examples lie; nothing is read yet.

        Args:
            config: Files and columns.
        """
        self.config = config
        self.findings: list[Finding] = []
        """What `load` left out, and why."""

    def load(self) -> Splits:
        """Read the files, take out overlaps, draw the validation share and the limits.

        Returns:
            Train, valid and a sealed test.

        Raises:
            ConfigError: No file is named.
            DataError: A file or a row cannot be used.
        """
        config = self.config
        if config.train is None and config.valid is None and config.test is None:
            raise ConfigError(
                "the task names no file; set train, valid or test, such as train = 'train.jsonl'"
            )
        self.findings = []
        test = self._read("test", config.test)
        valid = _limited(self._read("valid", config.valid), config.limit_valid, seed=config.seed)
        sealed = SealedTest(_limited(test, config.limit_test, seed=config.seed)) if config.test else None
        # overlap is judged against the whole test: what a limit leaves out today may be read by the next run
        whole = Splits(train=self._read("train", config.train), valid=valid, test=SealedTest(test))
        if config.drop_duplicates:
            whole = self._without_repeats(whole)
        if config.drop_overlap:
            whole, gone = without_overlap(whole)
            self.findings += gone
        train = whole.train
        if config.valid is None:
            train, drawn = _divided(train, config.valid_share, seed=config.seed)
            valid = _limited(drawn, config.limit_valid, seed=config.seed)
        train = _limited(train, config.limit_train, seed=config.seed)
        return Splits(train=train, valid=valid, test=sealed)

    def _read(self, split: str, path: str | None) -> tuple[Example, ...]:
        if path is None:
            return ()
        examples, faults = read_examples(resolve_data(path), self.config, split=split)
        words = f"rows were left out ({_told(faults)})"
        self.findings += finding("bad_row", split, tuple(faults), words=words)
        return examples

    def _without_repeats(self, splits: Splits) -> Splits:
        kept: dict[str, Example] = {}
        for example in splits.train:
            kept.setdefault(fingerprint(example), example)
        stay = {example.id for example in kept.values()}
        gone = [example.id for example in splits.train if example.id not in stay]
        self.findings += finding("duplicate_removed", "train", gone, words="repeats left training")
        return dataclasses.replace(splits, train=tuple(kept.values()))


def _limited(examples: Sequence[Example], limit: int | None, *, seed: int) -> tuple[Example, ...]:
    if limit is None or limit >= len(examples):
        return tuple(examples)
    chosen = set(random.Random(f"limit {seed}").sample(range(len(examples)), limit))
    return tuple(example for i, example in enumerate(examples) if i in chosen)


def _divided(
    examples: Sequence[Example], share: float, *, seed: int
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Set a share of the examples aside; repeats of a question stay together."""
    groups: dict[str, list[int]] = {}
    for i, example in enumerate(examples):
        groups.setdefault(fingerprint(example), []).append(i)
    order = list(groups.values())
    random.Random(f"valid {seed}").shuffle(order)
    wanted = round(share * len(examples))
    aside: set[int] = set()
    for group in order:
        if len(aside) + len(group) <= wanted:
            aside.update(group)
    train = tuple(example for i, example in enumerate(examples) if i not in aside)
    valid = tuple(dataclasses.replace(examples[i], split="valid") for i in sorted(aside))
    return train, valid


def read_examples(
    path: Path, config: TaskConfig, *, split: str
) -> tuple[tuple[Example, ...], dict[str, str]]:
    """Read the examples of one file.

    Args:
        path: The file.
        config: Its columns; how labels are named; whether bad rows are left out.
        split: Written into the examples.

    Returns:
        The examples, and the rows left out: id or row number, and why. None are left out unless
        `config.drop_bad_rows`.

    Raises:
        DataError: The file cannot be read, holds no row, lacks a column, or has rows that are no examples.
    """
    rows = list(read_rows(path))
    if not rows:
        raise DataError(f"{str(path)!r} holds no row; expected at least one question")
    _check_columns(path, rows, config)
    examples: dict[str, Example] = {}
    faults: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        id = _id_of(path, row, number=number, config=config)
        try:
            if id in examples:
                raise _BadRow("repeats the id of an earlier row")
            examples[id] = _example(row, config, id=id, split=split)
        except _BadRow as fault:
            faults[f"{id}" if id not in examples else f"row {number}"] = f"row {number} (id {id!r}) {fault}"
    if faults and not config.drop_bad_rows:
        raise DataError(
            f"{str(path)!r}: {len(faults)} of {len(rows)} rows cannot be used: {_told(faults)}. "
            "Mend them, or set drop_bad_rows = true to leave them out"
        )
    return tuple(examples.values()), faults


def _told(faults: Mapping[str, str]) -> str:
    rest = len(faults) - _SHOWN
    return "; ".join(list(faults.values())[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")


def _check_columns(path: Path, rows: Sequence[Mapping[str, Json]], config: TaskConfig) -> None:
    missing = [
        (field, name)
        for field, name in _wanted(config)
        if not any(name in row or nested_value(row, name) is not None for row in rows)
    ]
    if missing:
        found = list(dict.fromkeys(name for row in rows for name in nested_names(row)))
        faults = [f"{name!r} ({field}){nearest(name, found)}" for field, name in missing]
        raise DataError(
            f"{str(path)!r} has no column {', '.join(faults)}. Found: {', '.join(found)}. "
            "Name the columns in the configuration of the task; answer_column = '' where nothing is labelled"
        )


def _wanted(config: TaskConfig) -> Iterator[tuple[str, str]]:
    """Give the columns a file must have: question and answer, and whatever the user named."""
    yield "question_column", config.question_column
    if config.answer_column:
        yield "answer_column", config.answer_column
    for field in ("id_column", "context_column", "domain_column", "choices_column"):
        names = getattr(config, field)
        is_named = names != TaskConfig.model_fields[field].default or (
            field == "choices_column" and config.kind == "multiple_choice"
        )
        for name in (names,) if isinstance(names, str) else names:
            if is_named and name:
                yield field, name


def _id_of(path: Path, row: Mapping[str, Json], *, number: int, config: TaskConfig) -> str:
    value = nested_value(row, config.id_column)
    # The name of a data set may have dots, and behind it stands the split.
    stem = path.name.replace(":", "-") if ":" in path.name else path.name.split(".")[0]
    return f"{stem}-{number}" if value is None or value == "" else str(value)


def _example(row: Mapping[str, Json], config: TaskConfig, *, id: str, split: str) -> Example:
    question = _text(row, config.question_column)
    if not question.strip():
        raise _BadRow("has an empty question")
    choices = _choices(row, config.choices_column)
    if config.kind == "multiple_choice" and len(choices) < 2:
        raise _BadRow(f"has {len(choices)} choices; multiple choice needs two or more")
    if any(not choice.strip() for choice in choices):
        raise _BadRow("has an empty choice")
    return Example(
        id=id,
        question=question,
        choices=choices,
        context=_context(row, config.context_column),
        answer=_answer(row, choices, config=config),
        domain=_text(row, config.domain_column),
        split=split,
    )


def _text(row: Mapping[str, Json], column: str) -> str:
    value = nested_value(row, column)
    if isinstance(value, list | dict):
        raise _BadRow(
            f"has a {type(value).__name__} in column {column!r}; expected a text{_inside(value, column)}"
        )
    return "" if value is None else str(value)


def _context(row: Mapping[str, Json], column: str) -> str:
    """A context may come in paragraphs."""
    value = nested_value(row, column)
    is_parted = isinstance(value, list) and all(isinstance(part, str) for part in value)
    return "\n".join(str(part) for part in value) if is_parted else _text(row, column)


def _inside(value: Json, column: str) -> str:
    """Offer the names of what lies inside a column."""
    names = nested_names({column: value})
    return f", such as {names[0]!r}" if names != [column] else ""


def _choices(row: Mapping[str, Json], columns: str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(columns, tuple):
        texts = (_text(row, column) for column in columns)
        # questions with fewer options leave the last columns empty
        return tuple(text for text in texts if text.strip())
    value = nested_value(row, columns) if columns else None
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return tuple("" if item is None else str(item) for item in value)
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split("|")) if value.strip() else ()
    if value is not None:
        kind = f"list of {type(value[0]).__name__}" if isinstance(value, list) else type(value).__name__
        raise _BadRow(
            f"has a {kind} in column {columns!r}; expected a list of texts, or a text split at '|'"
            f"{_inside(value, columns)}"
        )
    return ()


def _answer(row: Mapping[str, Json], choices: tuple[str, ...], *, config: TaskConfig) -> str | None:
    value = nested_value(row, config.answer_column)
    marks = _marks(row, config.choices_column)
    if config.label in ("auto", "letter") and len(marks) == len(choices) and str(value) in marks:
        return choices[marks.index(str(value))]
    return read_label(value, choices, how=config.label)


def _marks(row: Mapping[str, Json], columns: str | tuple[str, ...]) -> list[str]:
    """What the file itself calls the options, where it keeps that beside their texts."""
    if isinstance(columns, tuple) or "." not in columns or columns in row:
        return []
    value = nested_value(row, f"{columns.rpartition('.')[0]}.label")
    marks = [str(mark) for mark in value] if isinstance(value, list) else []
    return marks if len(set(marks)) == len(marks) else []


def read_label(value: Json, choices: tuple[str, ...], *, how: str = "auto") -> str | None:
    """Read a label as it stands in a file.

    Args:
        value: An option's text, letter or position, a number, a text; None or empty: there is none.
        choices: Of the question; empty for an open one.
        how: As `label` in the task's configuration.

    Returns:
        The label in the form of examples; None: there is none.

    Raises:
        ValueError: It is none of the choices, or no plain value.
    """
    if value is None or value == "":
        return None
    if isinstance(value, list | dict):
        raise _BadRow(f"has a {type(value).__name__} as answer; expected a text or a number")
    if not choices:
        return ("yes" if value else "no") if isinstance(value, bool) else str(value)
    readers = {"text": (_by_text,), "letter": (_by_letter,), "index": (_by_index,)}
    for reader in readers.get(how, (_by_text, _by_letter, _by_integer)):
        i = reader(value, choices)
        if i is not None:
            return choices[i]
    shown = " | ".join(choices)
    raise _BadRow(f"has the answer {value!r}, which is none of its choices: {shown}")


def _by_text(value: Json, choices: tuple[str, ...]) -> int | None:
    text = str(value)
    if text in choices:
        return choices.index(text)
    alike = [i for i, choice in enumerate(choices) if normalise(choice) == normalise(text)]
    return alike[0] if len(alike) == 1 else None


def _by_letter(value: Json, choices: tuple[str, ...]) -> int | None:
    letter = str(value).strip().strip("().").lower()
    letters = [option_letter(i) for i in range(len(choices))]
    return letters.index(letter) if letter in letters else None


def _by_index(value: Json, choices: tuple[str, ...]) -> int | None:
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and int(text) < len(choices) else None


def _by_integer(value: Json, choices: tuple[str, ...]) -> int | None:
    # "1" in a CSV could be counted from 0 or from 1, so a text is an index only where the configuration says
    # so
    return _by_index(value, choices) if isinstance(value, int) and not isinstance(value, bool) else None
