"""Read labels as files have them: an option's text, letter or position, a number, a text.

One row seldom says how its label is meant: 2 may be the option "2" or the third one. All labels of a task
together usually do; where they do not, they are refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tuition.core.errors import DataError
from tuition.core.records import Json, option_letter
from tuition.core.texts.thoughts import thought_apart
from tuition.tasks.answers import normalise
from tuition.tasks.conclusion import marks, plain

__all__ = ["BadLabel", "BadRow", "Labelled", "label_readings", "read_label", "with_point", "yes_or_no"]

_FEW = 20
"""So few whole-number labels may lack a 0 by chance: they count from 0, and a finding says so."""
_LETTERED = re.compile(r"\W*[A-Za-z]{1,2}\W*")
_LEADING = re.compile(r"\s*\(?([A-Za-z])[).:]\s*(?=\S)")
_WORKED = "####"
"""Stands before the answer of a worked solution, even where that has other marks."""
_SENTENCE = re.compile(r"[.!?]\s|\n")
_TRUTHS = {"true": "yes", "t": "yes", "y": "yes", "1": "yes", "false": "no", "f": "no", "n": "no", "0": "no"}
_WITH_COMMA = re.compile(r"\s*([-+]?)(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d+))?\s*")
_WITH_POINT = re.compile(r"\s*[-+]?\d*\.\d+\s*")
_WAYS = "text, letter, index (counted from 0) or index1 (counted from 1)"


class BadRow(ValueError):
    """Why a row is no example; becomes part of a DataError or of a finding."""


class BadLabel(BadRow):
    """The label is at fault: leaving such rows out could hide that all labels are misread."""


class Labelled(NamedTuple):
    """The label of one row with choices."""

    path: str
    split: str
    id: str
    value: Json
    choices: tuple[str, ...]


def read_label(
    value: Json,
    choices: tuple[str, ...],
    *,
    how: str = "auto",
    readings: Mapping[str, Sequence[str]] | None = None,
) -> str | None:
    """Read a label as it stands in a file. None: there is none."""
    if value is None or not str(value).strip():
        return None
    if isinstance(value, list | dict):
        raise BadRow(f"has a {type(value).__name__} as answer; expected a text or a number")
    if not choices:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return _final(str(value))
    hows: Sequence[str] = (how,)
    if how == "auto":
        form = _form(value)
        hows = (readings or {}).get(form, _FORMS[form])
    found = _read(value, choices, hows=hows)
    if len(set(found.values())) > 1:
        raise BadLabel(f"has the answer {value!r}, which {_meanings(found, choices)}")
    if not found:
        raise BadLabel(f"has the answer {value!r}, which is none of its choices: {' | '.join(choices)}")
    return choices[next(iter(found.values()))]


def _final(label: str) -> str:
    """The answer of a label that is a whole worked solution, as in GSM8K, MATH and replies of teachers."""
    said, thought = thought_apart(label)
    _, sign, final = said.rpartition(_WORKED)
    mark = None if sign else next(marks(said), None)
    if mark and (mark.is_whole or thought or _SENTENCE.search(said, 0, mark.place)):
        final = plain(mark.tail)
    elif not sign and not thought:
        return label
    final = final.strip().removesuffix(".")
    return final if final and "\n" not in final else label


def _read(value: Json, choices: tuple[str, ...], *, hows: Sequence[str]) -> dict[str, int]:
    """Read a label in several ways; those that make no option of it are absent."""
    found = {how: _position(value, choices, how) for how in hows}
    return {how: i for how, i in found.items() if i is not None}


def _position(value: Json, choices: tuple[str, ...], how: str) -> int | None:
    text = str(value)
    if how == "text":
        if text in choices:
            return choices.index(text)
        names = (
            [text, "yes" if value else "no"] if isinstance(value, bool) else [text, text.removesuffix(".0")]
        )
        alike = [
            i
            for i, choice in enumerate(choices)
            if _unlettered(choice, i) in [_unlettered(name, i) for name in names]
        ]
        return alike[0] if len(alike) == 1 else None
    if how == "letter":
        letter = text.strip().strip("().").lower()
        return next((i for i in range(len(choices)) if option_letter(i) == letter), None)
    number = _whole(value)
    i = -1 if number is None else number - (how == "index1")
    return i if 0 <= i < len(choices) else None


def _unlettered(text: str, i: int) -> str:
    """The plain form of a text without the letter of option i before it, as in `B. a dog`."""
    found = _LEADING.match(text)
    return normalise(text[found.end() :] if found and found[1].lower() == option_letter(i) else text)


def _meanings(found: Mapping[str, int], choices: tuple[str, ...]) -> str:
    return " and ".join(f"is {choices[i]!r} as {how}" for how, i in found.items())


def _whole(value: Json) -> int | None:
    # a column of whole numbers with a gap in it becomes one of decimals
    text = "" if isinstance(value, bool) else str(value).strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


_FORMS = {"text": ("text",), "letter": ("text", "letter"), "number": ("text", "index"), "digits": ("text",)}
"""What a label can be by its form. Digits in a text, as in a CSV, are no position unless the task says so."""


def _form(value: Json) -> str:
    if _whole(value) is not None:
        return "digits" if isinstance(value, str) else "number"
    return "letter" if _LETTERED.fullmatch(str(value)) else "text"


def label_readings(labels: Iterable[Labelled]) -> tuple[dict[str, tuple[str, ...]], list[Labelled]]:
    """Find out from all labels of a task how letters and whole numbers are meant.

    A reading counts where it makes an option of every label of its form, those apart that none makes one of.
    """
    readings: dict[str, tuple[str, ...]] = {}
    unsure: list[Labelled] = []
    # a text is an option's text, whatever the others are
    by_form: dict[str, list[Labelled]] = {"letter": [], "number": [], "digits": []}
    for row in labels:
        by_form.get(_form(row.value), []).append(row)
    for form, rows in by_form.items():
        hows = _FORMS[form]
        if form in ("number", "digits"):
            is_from_1 = not any(_whole(row.value) == 0 for row in rows)
            hows = ("text", "index", "index1") if is_from_1 else ("text", "index")
        found = [(row, each) for row in rows if (each := _read(row.value, row.choices, hows=hows))]
        whole = tuple(how for how in hows if found and all(how in each for _, each in found))
        if "text" in whole:
            # counted from 1, and an option's text each time: too much of a chance
            whole = tuple(how for how in whole if how != "index1")
        elif "index1" in whole:
            if "index" not in whole or form == "digits" or len(found) >= _FEW:
                first, numbers = found[0][0], [_whole(row.value) or 0 for row, _ in found]
                raise DataError(
                    f"{first.path!r}: {len(found)} labels are whole numbers that run {min(numbers)}…"
                    f"{max(numbers)}, never 0 (first {first.value!r} of {first.id!r}, beside "
                    f"{' | '.join(first.choices)}): counted from 1? Set label = 'index1' in [task] where "
                    "they are, label = 'index' where they are counted from 0."
                )
            unsure, whole = [row for row, _ in found], ("index",)
        elif form == "digits" and found:
            _refuse(found, f"{len(found)} labels are whole numbers in text, and not all are an option's text")
        readings[form] = whole or hows
        kept = [(row, {how: i for how, i in each.items() if how in readings[form]}) for row, each in found]
        if rivals := [(row, each) for row, each in kept if len(set(each.values())) > 1]:
            _refuse(rivals, f"{len(rivals)} labels can be read in two ways")
    return readings, unsure


def _refuse(found: Sequence[tuple[Labelled, Mapping[str, int]]], what: str) -> None:
    first, each = found[0]
    raise DataError(
        f"{first.path!r}: {what}. The first, {first.value!r} of {first.id!r}, "
        f"{_meanings(each, first.choices)}. Set label in [task] to what the labels are: {_WAYS}."
    )


def with_point(label: str) -> str:
    """Write a label that has a decimal comma with a point; one that is no number stays."""
    if found := _WITH_COMMA.fullmatch(label):
        sign, whole, decimals = found.groups()
        return f"{sign}{whole.replace('.', '')}{(decimals and f'.{decimals}') or ''}"
    if _WITH_POINT.fullmatch(label):
        raise BadLabel(
            f"has the label {label!r}, which has a decimal point; decimal = ',' says that none has"
        )
    return label


def yes_or_no(label: str) -> str:
    """Write a label that is true, false, 1 or 0 as the yes or no that it stands for; another one stays."""
    return _TRUTHS.get(normalise(label).removesuffix(".0"), label)
