"""The kinds of task: each reads an answer out of text and grades it. Knows no file and no teacher.

A kind's version changes whenever the same text could be read or graded differently.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tuition.core.errors import DataError, MissingExtra
from tuition.core.records import Example, Grade
from tuition.core.texts.steps import own_words
from tuition.tasks.answers import normalise, read_string, read_yes_no
from tuition.tasks.conclusion import WRAPPING, is_cut, last_sentence, marks
from tuition.tasks.numbers import is_same_number, parse_bare_number, parse_number, plain_number, read_number
from tuition.tasks.options import read_option

__all__ = ["FreeText", "Math", "Mixed", "MultipleChoice", "Number", "YesNo"]

_VERSION = "3"


def _graded(is_right: bool) -> Grade:
    return Grade.RIGHT if is_right else Grade.WRONG


def _label(example: Example) -> str:
    if example.answer is None:
        raise DataError(f"example {example.id!r} has no label, so nothing can be graded against it")
    return example.answer


def _bare(text: str) -> str:
    # an answer of marks alone, such as "!" or ".", keeps them
    return normalise(text) or text.strip(WRAPPING) or text.strip()


class MultipleChoice:
    """Pick one of the example's options."""

    name = "multiple_choice"
    version = _VERSION

    def read(self, text: str, example: Example) -> str | None:
        """Read the option that a text concludes. None: unreadable."""
        return read_option(text, example.choices)

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Compare with the label, whatever case and outer marks."""
        label = _label(example)
        if answer is None:
            return Grade.UNREADABLE
        # two options may differ in case or marks alone, so that an exact option is compared exactly
        if answer in example.choices and label in example.choices:
            return _graded(answer == label)
        name = normalise(answer)
        if len({choice for choice in example.choices if normalise(choice) == name}) > 1:
            return Grade.UNREADABLE
        return _graded(name == normalise(label))


class Number:
    """Give a number."""

    name = "number"
    version = _VERSION

    def read(self, text: str, example: Example) -> str | None:
        """Read the number that a text concludes. None: unreadable."""
        return read_number(text)

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Compare as exact numbers; 1,200 and 1200.0 are the same."""
        label = parse_number(_label(example))
        if label is None:
            raise DataError(
                f"example {example.id!r} has the label {example.answer!r}, which is no number; "
                "use kind = 'mixed'"
            )
        value = None if answer is None else parse_number(answer)
        return Grade.UNREADABLE if value is None else _graded(is_same_number(value, label))


class YesNo:
    """Say yes or no."""

    name = "yes_no"
    version = _VERSION

    def read(self, text: str, example: Example) -> str | None:
        """Read whether a text concludes yes or no. None: unreadable."""
        return read_yes_no(text)

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Compare with the label."""
        label = normalise(_label(example))
        is_readable = answer is not None and normalise(answer) in ("yes", "no")
        return _graded(normalise(answer or "") == label) if is_readable else Grade.UNREADABLE


class FreeText:
    """Give a short string, such as a name, a date or a formula."""

    name = "free_text"
    version = _VERSION

    def read(self, text: str, example: Example) -> str | None:
        """Read the short string that a text concludes. None: unreadable."""
        return read_string(text)

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Compare with the label, whatever case, blanks and outer marks; numbers as numbers."""
        label = _label(example)
        if answer is None or not answer.strip():
            return Grade.UNREADABLE
        left, right = parse_bare_number(answer), parse_bare_number(label)
        if left is not None and right is not None:
            return _graded(is_same_number(left, right))
        return _graded(_bare(answer) == _bare(label))


class Mixed:
    """Read each example by its own kind.

    Choices make it multiple choice; else the form of its label, never its value, decides between yes/no,
    number and free text. A label is a number where it is nothing else: "7 May" and "12 apples" are free text.
    """

    name = "mixed"
    version = _VERSION

    def read(self, text: str, example: Example) -> str | None:
        """Read the answer in the way of the example's kind. None: unreadable."""
        return self.kind_of(example).read(text, example)

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Grade in the way of the example's kind."""
        return self.kind_of(example).grade(answer, example)

    def kind_of(self, example: Example) -> MultipleChoice | Number | YesNo | FreeText:
        """Say which kind an example is."""
        if example.choices:
            return MultipleChoice()
        if example.answer is not None and normalise(example.answer) in ("yes", "no"):
            return YesNo()
        if example.answer is not None and parse_bare_number(example.answer) is not None:
            return Number()
        return FreeText()


# ---- mathematics ----

_LONGEST = 200
_SHORTEST = 2
_MOST_BRACKETS = 16
_LARGEST_POWER = 10_000
_FRAGMENT = re.compile(r"(?s)\$\$?([^$]+)\$\$?|\\\(((?:(?!\\[()]).)+)\\\)|\\\[((?:(?!\\[\[\]]).)+)\\\]")
_ENDS_IN = re.compile(
    r"(?s)(?:\b(?:is|equals?|equal to|get|gives|yields|obtain)\b(?: us)?|=)[\s:*]*"
    r"(\$\$?[^$]+\$\$?|\\\((?:(?!\\[()]).)+\\\)|\\\[(?:(?!\\[\[\]]).)+\\\])[\s.*]*$"
)
_NO_RESULT = re.compile(
    r"(?i)^\W*(?:where|note|we can (?:verify|check)|for example|let|since)\b|\b(?:not|cannot|when|if"
    r"|modulo|congruent|such that)\b|n't\b"
)
_EQUATION = re.compile(r"(?s)^[^=<>]{1,80}=(?P<right>[^=<>]+)$|^.*=(?P<last>[^=<>]+)$")
_WORD = re.compile(
    r"(?<![\\A-Za-z])(?!(?:sqrt|sin|cos|tan|log|ln|pi|inf|infinity|mod|or|and|cm|degrees)\b)[A-Za-z]{3,}"
)
_COMMAND = re.compile(r"\\(?:text\w*|mathrm|mbox|operatorname|math[bs]f)\s*\{[^{}]*\}")
_DELIMITER = re.compile(r"\\\\?[()\[\]]")
_ROOT = re.compile(r"√\s*(?:\(([^()]*)\)|(\d+))|\bsqrt\s*\(([^()]*)\)")
_POWER = re.compile(r"\^\s*\{?\s*-?(\d+)|\*\*\s*(\d+)")
_COSTLY = re.compile(
    r"\\(?:int|sum|prod|lim|p?mod|bmod|equiv)(?![A-Za-z])|\^\s*\{[^{}]*\^|\d{3,}\s*!|!\s*!|\)\s*!"
    r"|\\d?binom\s*\{?\s*\d{4}"
)


class Math:
    """Give a number or an expression, such as a root, an interval or a polynomial."""

    name = "math"
    version = "1"

    def __init__(self) -> None:
        """Look for math-verify."""
        try:
            import math_verify  # noqa: F401
        except ImportError:
            raise MissingExtra("math_verify", "math") from None
        # it warns at each call that its time limit, which needs the main thread, is off
        logging.getLogger("math_verify").setLevel(logging.ERROR)

    def read(self, text: str, example: Example) -> str | None:
        """Read the number, else the mathematics that a text concludes. None: unreadable."""
        number = read_number(text)
        if number is not None:
            return number
        said = _concluded(own_words(text))
        return said if said is not None and _parsed(said) else None

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Compare as mathematics: equal values, equal sets, equal polynomials."""
        from math_verify import verify

        label = _label(example)
        left, right = (None if side is None else parse_number(side) for side in (answer, label))
        if right is None and not _parsed(label):
            raise DataError(
                f"example {example.id!r} has the label {label!r}, which math-verify cannot parse; "
                "use kind = 'mixed'"
            )
        if answer is None or (left is None and not _parsed(answer)):
            return Grade.UNREADABLE
        if left is not None and right is not None:
            return _graded(is_same_number(left, right))
        gold = list(_parsed(label if right is None else plain_number(right)))
        said = list(_parsed(answer if left is None else plain_number(left)))
        return _graded(verify(gold, said, timeout_seconds=None))


@lru_cache(maxsize=4096)
def _parsed(said: str) -> Sequence[Any]:
    """Parse an expression that cannot run away: there is no time limit, which would need the main thread."""
    from math_verify import parse

    bare = _COMMAND.sub("", said)
    powers = math.prod(max(1, int((found[1] or found[2])[:6])) for found in _POWER.finditer(said))
    is_short = len(said) <= _LONGEST and max(map(said.count, "({[")) <= _MOST_BRACKETS
    is_safe = is_short and powers <= _LARGEST_POWER and not _COSTLY.search(said)
    if not is_safe or not said.strip() or _WORD.search(bare):
        return ()
    inside = _ROOT.sub(
        lambda found: rf"\sqrt{{{next(filter(None, found.groups()))}}}", said.strip().strip("$")
    )
    # 0 is no limit
    return tuple(parse(f"${inside}$", parsing_timeout=0, fallback_mode="no_fallback"))


def _concluded(body: str) -> str | None:
    """Find the mathematics behind the last mark of a text, else at the end of its last sentence."""
    mark = next(marks(body), None)
    if mark is not None:
        is_open = not mark.tail or _NO_RESULT.search(_FRAGMENT.sub("", mark.tail))
        return None if is_open else _right_side(_fragment(mark.tail))
    if is_cut(body, needs_final_mark=False):
        return None
    sentence = last_sentence(body)
    if sentence == body and not _WORD.search(_COMMAND.sub("", body)):
        return _right_side(_fragment(body))
    found = None if _NO_RESULT.search(sentence) else _ENDS_IN.search(sentence)
    return _right_side(_fragment(found[1])) if found else None


def _fragment(tail: str) -> str:
    """Take the one fragment of mathematics of a tail, else the tail."""
    found = [next(filter(None, groups)) for groups in _FRAGMENT.findall(tail)]
    return found[0] if len(found) == 1 else tail


def _right_side(said: str) -> str | None:
    said = _DELIMITER.sub("", said).strip().strip("*_` ").rstrip(".,").strip("$ ")
    found = _EQUATION.match(said)
    right = ((found["right"] or found["last"]) if found else said).strip()
    # a letter alone names what was sought
    return None if len(right) < _SHORTEST or "$" in right else right
