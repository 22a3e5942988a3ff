"""Guess how a file of examples is meant: its columns, its labels, the kind of its task, each with the reason.

A guess is what `[task]` will say; whoever wrote the file corrects it. Asks nobody.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from tuition.core.errors import DataError, nearest
from tuition.core.records import Json
from tuition.core.rows import read_rows, resolve_data
from tuition.tasks.answers import normalise
from tuition.tasks.columns import nested_names, nested_value, read_options
from tuition.tasks.config import TaskConfig
from tuition.tasks.labels import BadRow, read_label, with_point
from tuition.tasks.numbers import parse_bare_number

__all__ = ["GUESSERS", "Guess", "Labels", "Reading", "guess", "siblings"]

_QUESTION = (
    *("question", "question_stem", "question.stem", "query", "prompt", "instruction", "input", "text"),
    *("ticket", "message", "body", "sentence", "review", "comment", "request", "utterance", "description"),
    *("content", "frage", "anfrage", "nachricht", "beschreibung", "title", "subject"),
)
_ANSWER = (
    *("answer", "answerkey", "label", "labels", "category", "class", "gold", "target", "intent", "sentiment"),
    *("output", "response", "solution", "completion", "antwort", "kategorie", "klasse", "loesung", "lösung"),
    *("ergebnis", "topic", "queue", "department", "rating", "score", "priority"),
)
_CHOICES = ("choices", "options", "choices.text", "options.text", "question.choices.text", "optionen")
_CONTEXT = ("context", "passage", "paragraph", "document", "background", "kontext")
_IDS = ("id", "uid", "uuid", "key", "nr", "no", "number", "ticket_id", "row_id", "question_id", "index")
_OPTION = re.compile(r"(?i)(option|choice|answer|opt|sol|ending)?[ _-]?([a-h]|[0-8])")
_MOST_LABELS, _LEAST_EACH, _LABEL_LENGTH = 50, 3, 60
"""Of a fixed set: different labels, rows a label on average, letters of one."""
_LONGEST = 80
"""Letters of a free text that can be graded, as the middle label has."""
_BOOLEANS = {"true", "false", "yes", "no"}
_FEWEST = 20
"""Rows that can be divided into training, validation and test at all."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labels of a file, as those who guess a kind see them."""

    texts: tuple[str, ...]
    """As texts, those that are there; of a worked solution its answer."""
    options: tuple[tuple[str, ...], ...]
    """The options of the row of each."""
    has_options: bool
    """Whether the file has a column of options, or several."""
    records: tuple[Mapping[str, Json], ...] = ()
    """The objects that are labels, or those made of the columns of a record; empty: a label is none."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read a file's labels: a kind of task, what `[task]` must say for it, and why."""

    kind: str
    why: str
    keys: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What `[task]` would say of a file, with a reason for each key."""

    path: str
    rows: int
    columns: tuple[str, ...]
    """All columns, those inside others by their dotted names."""
    question: str
    answer: str
    """Column of labels; empty: there is none."""
    kind: str
    task: dict[str, Json]
    """Every key but the shares, with its value."""
    why: dict[str, str]
    """By key, those inside the table `file` by `file.decimal`."""
    unlabelled: int


def _by_records(labels: Labels) -> Reading | None:
    if len(labels.records) <= len(labels.texts):
        return None
    schema: dict[str, Json] = {"type": "object", "properties": _properties(labels.records)}
    names = list(dict.fromkeys(name for record in labels.records for name in record))
    schema["required"] = [name for name in names if all(one.get(name) is not None for one in labels.records)]
    why = f"every label is a record of {', '.join(names)}"
    return Reading(kind="fields", why=why, keys={"json_schema": schema})


def _properties(records: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Guess the type of each field: numbers, yes and no, lists of texts, texts, of a few or of any."""
    found: dict[str, Json] = {}
    for name in dict.fromkeys(name for record in records for name in record):
        values = [value for record in records if (value := record.get(name)) is not None]
        texts = [str(value).strip() for value in values]
        if values and all(isinstance(value, list) for value in values):
            found[name] = {"type": "array", "items": {"type": "string"}}
        elif all(isinstance(value, bool) for value in values) or {*map(normalise, texts)} <= _BOOLEANS:
            found[name] = {"type": "boolean"}
        elif all(parse_bare_number(text) is not None for text in texts):
            is_whole = all(re.fullmatch(r"[-+]?\d+", text) for text in texts)
            found[name] = {"type": "integer" if is_whole else "number"}
        else:
            few = {"enum": sorted(set(texts))} if _is_a_set(texts) else {}
            found[name] = {"type": "string", **few}
    return found


def _by_options(labels: Labels) -> Reading | None:
    if not labels.has_options:
        return None
    texts = [text.strip() for text in labels.texts]
    is_text = all(text in options for text, options in zip(texts, labels.options, strict=True))
    why = "each row has its options"
    if texts and not is_text and all(text.isascii() and text.isdigit() for text in texts):
        label, first = ("index", 0) if "0" in texts else ("index1", 1)
        why = f"{why}; labels count them from {first}"
        return Reading(kind="multiple_choice", why=why, keys={"label": label})
    return Reading(kind="multiple_choice", why=why)


def _by_words(labels: Labels) -> Reading | None:
    if not labels.texts or not {normalise(text) for text in labels.texts} <= {"yes", "no"}:
        return None
    return Reading(kind="yes_no", why="every label is yes or no")


def _by_numbers(labels: Labels) -> Reading | None:
    if not labels.texts:
        return None
    if all(parse_bare_number(text) is not None for text in labels.texts):
        return Reading(kind="number", why="every label is a number")
    try:
        numbers = [parse_bare_number(with_point(text)) for text in labels.texts]
    except BadRow:
        return None
    if None in numbers:
        return None
    why = "every label is a number with a decimal comma"
    return Reading(kind="number", why=why, keys={"file": {"decimal": ","}})


def _by_a_fixed_set(labels: Labels) -> Reading | None:
    counts = Counter(text.strip() for text in labels.texts)
    if not _is_a_set(labels.texts):
        return None
    [(first, n)] = counts.most_common(1)
    why = f"{len(counts)} labels stand in {len(labels.texts)} rows, {first!r} in {n}"
    names: dict[str, str] = {}
    # of spellings that differ by case and outer marks alone, the commonest stands for all
    for name, _ in counts.most_common():
        names.setdefault(normalise(name) or name, name)
    if len(names) < 2:
        return None
    return Reading(kind="label", why=why, keys={"labels": dict.fromkeys(sorted(names.values()), "")})


def _is_a_set(texts: Sequence[str]) -> bool:
    names = {text.strip() for text in texts}
    is_few = 2 <= len(names) <= _MOST_LABELS and len(texts) >= _LEAST_EACH * len(names)
    return is_few and max(map(len, names)) <= _LABEL_LENGTH


def _by_length(labels: Labels) -> Reading | None:
    lengths = [len(text) for text in labels.texts] or [0]
    if median(lengths) > _LONGEST or any("\n" in text.strip() for text in labels.texts):
        return None
    return Reading(kind="free_text", why="labels are short texts" if labels.texts else "there are no labels")


GUESSERS: list[Callable[[Labels], Reading | None]] = [
    _by_records,
    _by_options,
    _by_words,
    _by_numbers,
    _by_a_fixed_set,
    _by_length,
]
"""Asked in this order; the first that knows the labels says their kind."""


def guess(path: str, *, question: str = "", answer: str | None = None, kind: str = "") -> Guess:
    """Guess how a file is meant; what is given is no guess. An empty answer: nothing is labelled."""
    rows = list(read_rows(resolve_data(path)))
    columns = tuple(dict.fromkeys(name for row in rows for name in nested_names(row)))
    if len(rows) < _FEWEST:
        raise DataError(
            f"{path!r} holds {len(rows)} rows; training, validation and test want {_FEWEST} at the least"
        )
    for column in filter(None, (question, answer)):
        if column not in columns:
            raise DataError(
                f"{path!r} has no column {column!r}{nearest(column, columns) or '.'} Found: "
                f"{', '.join(columns)}"
            )
    task: dict[str, Json] = {}
    why: dict[str, str] = {}
    options = _option_columns(columns)
    free = [name for name in columns if name not in (*options, question, answer)]
    record: list[str] = []
    if answer is None:
        answer, why["answer_column"], record = _answer_of(rows, free)
    free = [name for name in free if name != answer]
    if not question:
        question, why["question_column"] = _question_of(rows, free)
    free = [name for name in free if name != question]
    task |= {"question_column": question, "answer_column": answer}
    if options:
        task["choices_column"] = options[0] if len(options) == 1 else options
        why["choices_column"] = "the options, by name"
    if (context := _named(free, _CONTEXT)) not in ("", "context"):
        task["context_column"], why["context_column"] = context, "read before the question"
    task["id_column"], why["id_column"] = _id_of(rows, free)
    labels = _labels(rows, answer or record, options)
    readings = [found for by in GUESSERS if (found := by(labels)) and kind in ("", found.kind)]
    if not readings and not kind:
        raise DataError(
            f"the labels of {path!r} in column {answer!r} are long texts, which no kind of task grades. "
            "Name a column of short answers, or none, so that teachers give them: --answer ''."
        )
    chosen = {"choices": sorted(set(labels.texts)), "label": "text"} if kind == "multiple_choice" else {}
    reading = readings[0] if readings else Reading(kind=kind, why="as you said", keys=chosen)
    if empty := sum(not str(nested_value(row, question) or "").strip() for row in rows):
        task["drop_bad_rows"], why["drop_bad_rows"] = True, f"{empty} rows have no question"
    return Guess(
        path=path,
        rows=len(rows),
        columns=columns,
        question=question,
        answer=answer,
        kind=reading.kind,
        task={"kind": reading.kind, **task, **reading.keys},
        why={"kind": reading.why, **why},
        unlabelled=len(rows) - len(labels.texts) - len(labels.records),
    )


def _named(columns: Sequence[str], names: Sequence[str]) -> str:
    """The column of the first of these names that a file has; empty: it has none."""
    by_name = {column.casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), "")


def _question_of(rows: Sequence[Mapping[str, Json]], columns: Sequence[str]) -> tuple[str, str]:
    if found := _named(columns, _QUESTION):
        return found, "by its name"
    lengths = {
        name: fmean(
            len(value) * any(map(str.isalpha, value))
            if isinstance(value := nested_value(row, name), str)
            else 0
            for row in rows
        )
        for name in columns
    }
    if not any(lengths.values()):
        raise DataError(
            f"no column holds texts to ask about; found: {', '.join(columns)}. Name one with --question."
        )
    return max(lengths, key=lengths.__getitem__), "the column of the longest texts"


def _answer_of(rows: Sequence[Mapping[str, Json]], columns: Sequence[str]) -> tuple[str, str, list[str]]:
    """The column of labels, why, and the columns of a record where several look like one."""
    if found := _named(columns, _ANSWER):
        return found, "by its name", []
    for name in columns:
        if any(isinstance(_as_record(row.get(name.partition(".")[0])), Mapping) for row in rows):
            return name.partition(".")[0], "it holds objects", []
    texts = {
        name: [str(value) for row in rows if (value := nested_value(row, name)) not in (None, "")]
        for name in columns
    }
    repeats = [name for name in columns if _is_a_set(texts[name])]
    if len(repeats) > 1:
        said = f"{', '.join(repeats)} repeat a few texts each: a field each; --answer NAME takes one alone"
        return "", said, repeats
    if repeats:
        [found] = repeats
        n = len({text.strip() for text in texts[found]})
        return found, f"the only column whose texts repeat: {n} different ones", []
    return "", "no column looks like labels; teachers give them", []


def _as_record(value: Json) -> Json:
    """An object that stands in a cell as JSON, as the object that it is."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def _option_columns(columns: Sequence[str]) -> list[str]:
    """The column that holds the options, or the columns that hold one each; none: empty."""
    if found := _named(columns, _CHOICES):
        return [found]
    groups: dict[str, list[str]] = {}
    for column in columns:
        if found := _OPTION.fullmatch(column):
            groups.setdefault((found[1] or "").casefold(), []).append(column)
    return next((group for group in groups.values() if len(group) > 1), [])


def _id_of(rows: Sequence[Mapping[str, Json]], columns: Sequence[str]) -> tuple[str, str]:
    name = _named(columns, _IDS)
    values = [nested_value(row, name) for row in rows] if name else []
    if name and None not in values and "" not in values and len(set(map(str, values))) == len(rows):
        return name, "unique in every row"
    return "", f"{name!r} is not unique, so rows are numbered" if name else "rows are numbered"


def _labels(rows: Sequence[Mapping[str, Json]], answer: str | list[str], columns: Sequence[str]) -> Labels:
    """The labels of a column, or of the columns of a record."""
    config = TaskConfig(choices_column=columns[0] if len(columns) == 1 else tuple(columns))
    texts: list[str] = []
    options: list[tuple[str, ...]] = []
    records: list[Mapping[str, Json]] = []
    for row in rows:
        if isinstance(answer, list):
            value: Json = {name: row.get(name) or None for name in answer}
        else:
            value = _as_record(nested_value(row, answer)) if answer else None
        if isinstance(value, dict):
            records += [value] if any(one is not None for one in value.values()) else []
            continue
        with contextlib.suppress(BadRow):
            if (text := read_label(value, ())) is not None:
                options.append(read_options(row, config)[0])
                texts.append(text)
    return Labels(
        texts=tuple(texts), options=tuple(options), has_options=bool(columns), records=tuple(records)
    )


def siblings(path: str) -> dict[str, str]:
    """Find the files of the other splits beside one that is called train."""
    file = Path(path)
    found: dict[str, str] = {}
    for split, names in {"valid": ("valid", "validation", "val", "dev"), "test": ("test",)}.items():
        for name in names:
            other = file.with_name(file.name.replace("train", name))
            if "train" in file.name and other.is_file():
                found.setdefault(split, str(other))
    return found
