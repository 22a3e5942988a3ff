"""Read examples from files, in the recorded data's form and in the user's own columns; list the sources."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tuition.core.errors import ConfigError, DataError, nearest
from tuition.core.plugins import Kind, check_whole, find, plugged
from tuition.core.records import Example, Json, written_turns
from tuition.core.rows import read_rows, resolve_data
from tuition.core.splits import SealedTest, Splits, fingerprint
from tuition.core.texts.personal import count
from tuition.tasks.check import Finding, check_near, finding, without_overlap
from tuition.tasks.columns import (
    nested_names,
    nested_value,
    read_options,
    read_text,
    read_turns,
)
from tuition.tasks.config import TaskConfig
from tuition.tasks.draw import limited, set_aside
from tuition.tasks.fields import fields_of, record_of_row
from tuition.tasks.labels import BadLabel, BadRow, Labelled, label_readings, read_label, with_point, yes_or_no
from tuition.tasks.personal import check_personal, mask_example

__all__ = [
    "SOURCE",
    "FileSource",
    "read_examples",
    "read_question",
    "source_type",
    "source_types",
]

_SHOWN = 3
_COMMA = re.compile(r"[-+]?\d+,(?:\d{1,2}|\d{4,})|[-+]?\d{1,3}(?:\.\d{3})+,\d+")
_AS_TEXT = "have a label with a decimal comma, which is read as a text; set decimal = ',' in [task.file]"
_ONE_FORM = ("label", "fields")
"""Kinds whose answers have one form in all questions."""
_FROM_1 = (
    "whole-number labels are read as counted from 0, and none is 0: counted from 1? Set label = 'index1' in "
    "[task] if so, 'index' if not"
)


class FileSource:
    """Examples from the files of a configuration."""

    config_type = TaskConfig
    """The table it reads."""

    def __init__(self, config: TaskConfig) -> None:
        """Remember where the examples lie; nothing is read yet."""
        self.config = config
        self.findings: list[Finding] = []
        """What `load` left out, and why."""

    def load(self) -> Splits:
        """Read the files, draw the shares and the limits, take out overlaps."""
        config = self.config
        if config.train is None and config.valid is None and config.test is None:
            raise ConfigError(
                "the task names no file; set train, valid or test, such as train = 'train.jsonl'"
            )
        self.findings = []
        examples = self._read({"train": config.train, "valid": config.valid, "test": config.test})
        test, seed, by_label = examples["test"], config.seed, config.draw == "by_label"
        if config.test_share:
            parts = set_aside(
                examples["train"], config.test_share, seed=seed, split="test", by_label=by_label
            )
            examples["train"], test = parts
        valid = limited(examples["valid"], config.limit_valid, seed=seed)
        asked = limited(test, config.limit_test, seed=seed)
        sealed = SealedTest(asked) if config.test or config.test_share else None
        # overlap is judged against the whole test: what a limit leaves out today may be read by the next run
        whole = Splits(train=examples["train"], valid=valid, test=SealedTest(test))
        if config.drop_duplicates:
            kept: dict[str, Example] = {}
            for example in whole.train:
                kept.setdefault(fingerprint(example), example)
            stay = {example.id for example in kept.values()}
            repeats = [example.id for example in whole.train if example.id not in stay]
            self.findings += finding("duplicate_removed", "train", repeats, words="repeats left training")
            whole = dataclasses.replace(whole, train=tuple(kept.values()))
        if config.drop_overlap:
            whole, gone = without_overlap(whole)
            self.findings += gone
        train = whole.train
        if config.valid is None:
            train, drawn = set_aside(train, config.valid_share, seed=seed, by_label=by_label)
            valid = limited(drawn, config.limit_valid, seed=seed)
        train = limited(train, config.limit_train, seed=seed)
        self.findings += check_near({"train": train, "valid": valid, "test": asked})
        return Splits(train=train, valid=valid, test=sealed)

    def _read(self, files: Mapping[str, str | None]) -> dict[str, tuple[Example, ...]]:
        """Read the examples of each split; what is wrong is told of all files at once."""
        tables: dict[str, _Table] = {}
        wrong: list[str] = []
        for split, path in files.items():
            try:
                if path is not None:
                    tables[split] = _table(resolve_data(path), self.config, split=split)
            except DataError as error:
                wrong.append(str(error))
        if wrong:
            # one file may be named twice
            raise DataError("\n".join(dict.fromkeys(wrong)))
        readings, unsure = _readings(tables.values(), self.config)
        examples: dict[str, tuple[Example, ...]] = dict.fromkeys(files, ())
        for split, table in tables.items():
            ids = [row.id for row in unsure if row.split == split]
            self.findings += finding("counted_from_1", split, ids, words=_FROM_1)
            try:
                examples[split], faults = _examples(table, self.config, readings=readings)
                self.findings += check_personal(examples[split], split, masks=self.config.mask)
                examples[split] = tuple(
                    mask_example(example, self.config.mask) for example in examples[split]
                )
            except DataError as error:
                wrong.append(str(error))
                continue
            words = f"rows were left out ({_told(faults)})"
            self.findings += finding("bad_row", split, tuple(faults), words=words)
            commas = [
                one.id for one in examples[split] if not one.choices and _COMMA.fullmatch(one.answer or "")
            ]
            self.findings += finding("decimal_comma", split, commas, words=_AS_TEXT)
        if wrong:
            raise DataError("\n".join(wrong))
        return examples


SOURCE = Kind(name="source", group="tuition.sources", needs=("config_type", "load"))
"""What a user's own source must have; it is a class that takes its table."""
_OWN = {"files": FileSource}


def source_types() -> dict[str, Any]:
    """List the kinds of sources."""
    return {name: source_type(name) for name in (*_OWN, *plugged(SOURCE))}


def source_type(name: str) -> Any:
    """Find a kind of source."""
    found = find(SOURCE, name, _OWN)
    check_whole(SOURCE, found, name)
    return found


def read_examples(
    path: Path, config: TaskConfig, *, split: str
) -> tuple[tuple[Example, ...], dict[str, str]]:
    """Read the examples of one file."""
    table = _table(path, config, split=split)
    return _examples(table, config, readings=_readings([table], config)[0])


class _Row(NamedTuple):
    """A row as it was read; the value of its label is explained by the labels of all rows."""

    id: str
    asked: Example | BadRow
    value: Json
    marks: Sequence[str]
    """What the file itself calls the options."""


class _Table(NamedTuple):
    path: Path
    split: str
    rows: list[_Row]


def _table(path: Path, config: TaskConfig, *, split: str) -> _Table:
    """Read a file that must have the columns that are named, row by row: no row stays in memory as it is."""
    # The name of a data set may have dots, and behind it stands the split.
    stem = path.name.replace(":", "-") if ":" in path.name else path.name.split(".")[0]
    fields = {one.name: one for one in fields_of(config.json_schema)} if config.json_schema else {}
    absent = [(config.question_column, "question_column")]
    if config.answer_column:
        absent.append((config.answer_column, "answer_column"))
    # beside question and answer, what the user named
    for field in ("id_column", "messages_column", "context_column", "domain_column", "choices_column"):
        names = getattr(config, field)
        is_named = names != TaskConfig.model_fields[field].default or (
            field == "choices_column" and config.kind == "multiple_choice" and not config.choices
        )
        if is_named:
            absent += [(name, field) for name in ((names,) if isinstance(names, str) else names) if name]
    form, needless = config.file, set()
    rows: list[_Row] = []
    for i, row in enumerate(read_rows(path, delimiter=form.delimiter or "", sheet=form.sheet), start=1):
        if row and not any(cell != "" for cell in row.values()):
            # spreadsheets write empty rows behind the last one
            continue
        absent = [one for one in absent if not (one[0] in row or nested_value(row, one[0]) is not None)]
        if nested_value(row, config.messages_column) is not None:
            needless.add("question_column")
        if not fields.keys().isdisjoint(row):
            needless.add("answer_column")
        id = nested_value(row, config.id_column)
        id = f"{stem}-{i}" if id in (None, "") else str(id)
        value = nested_value(row, config.answer_column)
        if isinstance(value, list) and config.kind != "fields" and len(set(map(repr, value))) == 1:
            # a list of one label, or the same one of each annotator
            value = value[0]
        marks: tuple[str, ...] = ()
        try:
            marks = read_options(row, config)[1]
            asked = read_question(
                row, config, id=id, domain=read_text(row, config.domain_column), split=split
            )
            if config.kind == "fields":
                value = record_of_row(value, row, tuple(fields.values()))
        except BadRow as fault:
            asked = fault
        rows.append(_Row(id, asked, value, marks))
    if not rows:
        raise DataError(f"{str(path)!r} holds no row; expected at least one question")
    if missing := [one for one in absent if one[1] not in needless]:
        again = read_rows(path, delimiter=form.delimiter or "", sheet=form.sheet)
        found = list(dict.fromkeys(name for row in again for name in nested_names(row)))
        faults = [f"{name!r} ({field}){nearest(name, found)}" for name, field in missing]
        raise DataError(
            f"{str(path)!r} has no column {', '.join(faults)}. Found: {', '.join(found)}. "
            "Name the columns in the configuration of the task; answer_column = '' where nothing is labelled"
        )
    return _Table(path, split, rows)


def _readings(
    tables: Iterable[_Table], config: TaskConfig
) -> tuple[dict[str, tuple[str, ...]], list[Labelled]]:
    """Find out how the labels of all files are meant, where the configuration does not say it."""
    if config.label != "auto" or config.kind in _ONE_FORM:
        return {}, []
    # what the file itself calls its options needs no reading
    return label_readings(
        Labelled(str(table.path), table.split, row.id, row.value, row.asked.choices)
        for table in tables
        for row in table.rows
        if isinstance(row.asked, Example)
        and row.asked.choices
        and row.value not in (None, "")
        and not isinstance(row.value, list | dict)
        and str(row.value) not in row.marks
    )


def _examples(
    table: _Table, config: TaskConfig, *, readings: Mapping[str, Sequence[str]]
) -> tuple[tuple[Example, ...], dict[str, str]]:
    examples: dict[str, Example] = {}
    faults: dict[str, str] = {}
    bad_labels, n = 0, len(table.rows)
    table.rows.reverse()
    for number in range(1, n + 1):
        # each row goes as its example comes
        row = table.rows.pop()
        try:
            if row.id in examples:
                raise BadRow("repeats the id of an earlier row")
            examples[row.id] = _example(row, config, readings=readings)
        except BadRow as fault:
            bad_labels += isinstance(fault, BadLabel)
            place = row.id if row.id not in examples else f"row {number}"
            faults[place] = f"row {number} (id {row.id!r}) {fault}"
    if faults and not config.drop_bad_rows:
        # rows whose label does not fit may be the sign that all labels are misread
        way_out = "set drop_bad_rows = true to leave them out"
        way_out = "set label in [task] to what the labels are" if bad_labels else way_out
        raise DataError(
            f"{str(table.path)!r}: {len(faults)} of {n} rows cannot be used: {_told(faults)}. "
            f"Mend them, or {way_out}"
        )
    return tuple(examples.values()), faults


def _told(faults: Mapping[str, str]) -> str:
    rest = len(faults) - _SHOWN
    return "; ".join(list(faults.values())[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")


def _example(row: _Row, config: TaskConfig, *, readings: Mapping[str, Sequence[str]]) -> Example:
    if isinstance(row.asked, BadRow):
        raise row.asked
    choices, value = row.asked.choices, row.value
    if config.file.decimal == "," and isinstance(value, str) and not choices:
        value = with_point(value)
    if config.kind == "fields":
        answer = value
    elif config.label in ("auto", "letter") and len(row.marks) == len(choices) and str(value) in row.marks:
        answer = choices[row.marks.index(str(value))]
    else:
        answer = read_label(value, choices, how=config.label, readings=readings)
        answer = yes_or_no(answer) if answer and config.kind == "yes_no" else answer
    return dataclasses.replace(row.asked, answer=answer)


def read_question(
    row: Mapping[str, Json], config: TaskConfig, *, id: str, domain: str = "", split: str = ""
) -> Example:
    """Read question, choices and context of a row, and no label; a row without a question is a BadRow."""
    question, messages = read_text(row, config.question_column), ()
    if not question.strip():
        messages = read_turns(nested_value(row, config.messages_column), config.messages_column)
        question = (
            written_turns(messages) if len(messages) > 1 else "".join(turn.content for turn in messages)
        )
    if not question.strip():
        raise BadRow("has an empty question")
    if config.mask and count(id, config.mask):
        raise BadRow(
            "has personal data as its id, which is stored; name another id_column, or '' for row numbers"
        )
    choices = read_options(row, config)[0]
    if config.kind in _ONE_FORM:
        # positions count within the labels; names are compared once the set is known
        choices = tuple(config.labels or ()) if config.label in ("index", "index1") else ()
    if config.kind == "multiple_choice" and len(choices) < 2:
        raise BadRow(f"has {len(choices)} choices; multiple choice needs two or more")
    if not all(map(str.strip, choices)):
        raise BadRow("has an empty choice")
    context = nested_value(row, config.context_column)
    if isinstance(context, list) and all(isinstance(part, str) for part in context):
        context = "\n".join(map(str, context))
    else:
        context = read_text(row, config.context_column)
    return Example(
        id=id,
        question=question,
        choices=choices,
        context=context,
        domain=domain,
        split=split,
        messages=messages if len(messages) > 1 else (),
    )
