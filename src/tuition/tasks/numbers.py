r"""Read a number out of text, and compare numbers exactly. Knows no label.

A number may have a sign, thousands, decimals, a currency or a unit, be a fraction (`3/4`, `1 1/2`,
`\frac{3}{4}`) or a per cent, whose sign is dropped. Dates, times, powers and ranges are no numbers. The order
of reading is that of `answers`; within a conclusion the value after the last `=` counts, else the number it
begins with, else the only one it holds.
"""

from __future__ import annotations

import re
from fractions import Fraction

from tuition.core.steps import before_spill
from tuition.tasks.conclusion import WRAPPING, conclusion, is_cut, last_sentence

__all__ = ["is_same_number", "parse_bare_number", "parse_number", "plain_number", "read_number"]

_LONGEST = 40
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,2})?|\.\d+"
_NUMBER = re.compile(
    rf"(?<![\w/:.^#])(?P<sign>[-+](?=\s?[$€£¥.\d]))?\s?[$€£¥]?\s?(?P<minus>-)?"
    rf"(?:(?P<whole>\d+)\s+(?=\d+/))?(?P<value>{_DIGITS})(?:\s?/\s?(?P<below>\d+))?(?![\d^]|[/:]\d|,\d|\.\d|-[A-Za-z]|\s\d{{3}}\b)"
)
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")
_LATEX = str.maketrans({"−": "-", "–": "-", "\u00a0": " ", "\u202f": " "})
_HEDGE = re.compile(
    r"^(?:\W*\b(?:about|approximately|exactly|only|just|roughly|simply)\b)?[^\w.$€£¥+-]*", re.IGNORECASE
)
_GOES_ON = re.compile(
    r"^\s*(?:[+*×÷^=<>/·]|-\s*\$?\d|\\(?:times|cdot|div|sqrt|pi)|(?:or|and|to|x)\s+[$€£¥]?\d)"
)
_EQUALS = re.compile(r"[=≈]")
_UNSURE = re.compile(r"\b(?:or|and)\s+[$€£¥]?\d|,? which |^[^(]*\)|^[\d.,]+\s+[A-Za-z]+\s+\d", re.IGNORECASE)
"""After the last number of an equation: another beside it, a rounding, a closing bracket, a second unit."""
_NO_CONCLUSION = re.compile(
    r"\b(?:not|none|neither|cannot|can't|isn't|unknown|undetermined|undefined"
    r"|multipl\w+|divid\w+|subtract\w*|add(?:s|ed|ing)?|sum|product|calculat\w+|find"
    r"|determine|need to|per ?cent of)\b"
    r"|%\s+of\b|\d\s*[*+×÷]|[*+×÷]\s*\$?\d|\s[-/]\s*\$?\d",
    re.IGNORECASE,
)
_SIGN_AFTER = re.compile(r"^(?:\s*%|\s?[$€£¥])?$")
_UNIT = re.compile(r"^(?:\s*%|\s?[$€£¥])?\s*(?:[^\W\d]+[\w/.²³-]*\s*){0,3}[.!]?$")


def parse_number(text: str) -> Fraction | None:
    """Take a text that is a number, with or without its unit, as its exact value.

    Args:
        text: Such as "1,234.50", "$5", "3/4", "-2", "12 apples", "50%".

    Returns:
        The value; None where the text is anything else.
    """
    if len(text) > 2 * _LONGEST:
        return None
    cleaned = _clean(text).strip(WRAPPING.replace("$", "")).rstrip(".")
    found = _NUMBER.match(cleaned)
    return _value(found) if found and _UNIT.match(cleaned[found.end() :]) else None


def parse_bare_number(text: str) -> Fraction | None:
    """Take a text that is a number and nothing else, so that no word of it is lost.

    Args:
        text: Such as "1,234.50", "$5", "3/4", "50%"; not "12 apples", "12a" or "7 May".

    Returns:
        The value; None where the text is anything else.
    """
    cleaned = _clean(text).strip(WRAPPING.replace("$", "")).rstrip(".")
    found = _NUMBER.match(cleaned)
    is_bare = found is not None and _SIGN_AFTER.match(cleaned[found.end() :])
    return parse_number(text) if is_bare else None


def plain_number(value: Fraction) -> str:
    """Write a number in the form of labels.

    Args:
        value: Any number.

    Returns:
        An integer or a decimal where that is exact, else a fraction in lowest terms: "42", "0.9", "2/3".
    """
    rest, digits = value.denominator, 0
    while rest % 2 == 0 or rest % 5 == 0:
        rest //= 10 if rest % 10 == 0 else 2 if rest % 2 == 0 else 5
        digits += 1
    if rest > 1:
        return f"{value.numerator}/{value.denominator}"
    if digits == 0:
        return str(value.numerator)
    body = str(abs(int(value * 10**digits))).rjust(digits + 1, "0")
    return f"{'-' if value < 0 else ''}{body[:-digits]}.{body[-digits:]}"


def is_same_number(left: Fraction, right: Fraction) -> bool:
    """Say whether two numbers count as the same answer.

    Integers are compared exactly; where one has decimals or is a fraction, a relative
    difference of 1e-6 is forgiven, so that 0.666667 is two thirds.

    Args:
        left: The one.
        right: The other.

    Returns:
        Whether they are the same.
    """
    if left == right or (left.denominator == 1 and right.denominator == 1):
        return left == right
    return abs(left - right) * 1_000_000 <= max(abs(left), abs(right))


def read_number(text: str) -> str | None:
    """Read the number that a text concludes.

    Args:
        text: What a teacher or a student wrote.

    Returns:
        As `plain_number` writes it. None: empty, cut, ambiguous, or no number.
    """
    body = before_spill(text).strip()
    tail = conclusion(body)
    if tail is not None:
        value = _announced(_clean(tail))
    else:
        value = parse_number(body)
        if value is None and not is_cut(body, needs_final_mark=False):
            value = _stated(_clean(last_sentence(body)))
    return None if value is None else plain_number(value)


def _clean(text: str) -> str:
    text = text.translate(_LATEX)
    if "\\" in text:
        text = _FRACTION.sub(r" \1/\2", text)
        text = text.replace("\\$", "$").replace("\\%", "%").replace("{,}", ",").replace("\\!", "")
    return text


def _value(found: re.Match[str]) -> Fraction | None:
    if len(found.group()) > _LONGEST or (found["below"] and int(found["below"]) == 0):
        return None
    value = Fraction(found["value"].replace(",", ""))
    if found["below"]:
        value /= int(found["below"])
    if found["whole"]:
        value += int(found["whole"])
    is_negative = (found["sign"] == "-") != (found["minus"] is not None)
    return -value if is_negative else value


def _values(text: str) -> list[Fraction | None]:
    return [_value(found) for found in _NUMBER.finditer(text)]


def _announced(tail: str) -> Fraction | None:
    """Read what a conclusion mark announces: it was meant as the answer, so its first word counts."""
    if _EQUALS.search(tail):
        return _after_equals(tail)
    start = _HEDGE.match(tail)
    place = start.end() if start else 0
    found = _NUMBER.match(tail, place)
    if found:
        return None if _GOES_ON.match(tail[found.end() :]) else _value(found)
    return _only(tail)


def _stated(sentence: str) -> Fraction | None:
    """Read a sentence without a mark: only an equation, or the single number of a finished one, is sure."""
    if _EQUALS.search(sentence):
        return _after_equals(sentence)
    return None if is_cut(sentence) else _only(sentence)


def _after_equals(text: str) -> Fraction | None:
    rest = _EQUALS.split(text)[-1].lstrip(" \t*_(\\")
    found = _NUMBER.match(rest)
    return None if not found or _GOES_ON.match(rest[found.end() :]) or _UNSURE.search(rest) else _value(found)


def _only(text: str) -> Fraction | None:
    """Take the one number of a sentence that neither denies, nor tells how to calculate, nor calculates."""
    if _NO_CONCLUSION.search(text):
        return None
    values = set(_values(text))
    return values.pop() if len(values) == 1 else None
