"""The kinds of task: each reads an answer out of text and grades it. Knows no file and no teacher.

The version of a kind is that of its reader: it changes whenever the same text could be read or graded
differently.
"""

from __future__ import annotations

from tuition.core.errors import DataError
from tuition.core.records import Example, Grade
from tuition.tasks.answers import normalise, read_string, read_yes_no
from tuition.tasks.conclusion import WRAPPING
from tuition.tasks.numbers import is_same_number, parse_bare_number, parse_number, read_number
from tuition.tasks.options import read_option

__all__ = ["FreeText", "Mixed", "MultipleChoice", "Number", "YesNo"]

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
