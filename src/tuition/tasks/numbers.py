"""Read a number out of text, and compare numbers exactly. Knows no label.

What is no plain number has no value, and no part of it is taken for one: see `quantities`. Within a
conclusion the number it begins with counts, else the value after its last `=`, else the only one it holds.
"""

from __future__ import annotations

import re
from fractions import Fraction

from tuition.core.texts.claims import is_asserted
from tuition.core.texts.steps import own_words
from tuition.tasks.conclusion import WRAPPING, is_cut, marks
from tuition.tasks.equations import has_equation, solved
from tuition.tasks.quantities import Quantity, clean, quantities, reads_on, scaled
from tuition.tasks.unmarked import only, stated

__all__ = ["is_same_number", "parse_bare_number", "parse_number", "plain_number", "read_number"]

_LONGEST = 80
_REACH = 600
"""A conclusion that is longer is none."""
_HEDGE = re.compile(
    r"(?i)(?:\W*\b(?:about|approximately|exactly|only|just|roughly|simply|equal to|so|hence|thus|therefore"
    r"|still|indeed|actually|minus|negative|plus|USD|EUR|GBP|INR|CHF|Rs|the number|a total of)\b)*[^\w|]*"
)
_SIGN_AFTER = re.compile(r"\s*(?:%|[$€£¥₹])?\s*")
_LIST_MARK = re.compile(r"[\s*_]*\n[\s*_]*\d{1,2}[.)][ \t]+\S|[ \t*_]*\d{1,2}[.)][ \t]+[$€£*]*-?\d")
"""Behind a mark: "1. 42" may be the first item of a list, or the answer and the beginning of a sentence."""
_STYLED = re.compile(r"\\(?:text|mathrm|mbox)\s*\{")
_MATHS = re.compile(r"[\\^_√±|]")
_ANNOUNCES = re.compile(r"(?i)\b(?:is|are|equals?|answer|result|total)\b[\s:*_=]*\Z")
_EXPLAINS = re.compile(r"(?i)\W*(?:explanation|because|reason(?:ing)?|solution)\b")
_LIST_ITEM = re.compile(r"[.)]\s*$")
_TO_SOLVE = re.compile(r"[^=]*(?:\d[A-Za-z]|\b[A-Za-z]\s*[-+*/^²³])[^=]*=\s*0[\s.$]*")
_UNIT = re.compile(
    r"[\s)\]}$]*(?:[%°]|[$€£¥₹])?\s*(?:[^\W\d]+[\w/.²³^{}-]*\s*){0,4}(?:\([^()\d]{1,30}\)\s*)?[.,;!]?"
)


def parse_number(text: str) -> Fraction | None:
    """Take a text that is a number, with or without its unit, as its exact value."""
    parted = _parted(text)
    return parted[0] if parted and _UNIT.fullmatch(parted[1]) else None


def parse_bare_number(text: str) -> Fraction | None:
    """Take a text that is a number and nothing else, so that no word of it is lost."""
    parted = _parted(text)
    is_bare = parted and _SIGN_AFTER.fullmatch(parted[1]) and not any(map(str.isalpha, clean(text)))
    return parted[0] if parted and is_bare else None


def plain_number(value: Fraction) -> str:
    """Write a number in the form of labels."""
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
    """
    if left == right or (left.denominator == 1 and right.denominator == 1):
        return left == right
    return abs(left - right) * 1_000_000 <= max(abs(left), abs(right))


def read_number(text: str) -> str | None:
    """Read the number that a text concludes. None: empty, cut, ambiguous, or no number."""
    body = own_words(text)
    mark = next(marks(body), None)
    if mark is not None:
        tail = clean(mark.tail[:_REACH])
        has_words = _STYLED.search(body, mark.start, mark.start + _REACH) is not None
        if mark.is_whole:
            value = _boxed(tail, has_words=has_words)
        else:
            value = None if _LIST_MARK.match(body, mark.start) else _announced(tail)
    else:
        value = parse_number(body) if is_asserted(body) else None
        if value is None and not is_cut(body, needs_final_mark=False):
            value = stated(body)
        value = _alone(body) if value is None else value
    return None if value is None else plain_number(value)


def _alone(body: str) -> Fraction | None:
    """Take the number of a line of its own, below what announces it or above what explains it."""
    *before, last = [line for line in body.splitlines() if line.strip()] or [""]
    if before and _ANNOUNCES.search(before[-1]):
        return parse_number(last)
    first, _, rest = body.partition("\n")
    value = None if _LIST_ITEM.search(first) else parse_number(first)
    is_explained = _EXPLAINS.match(rest) or value in {found.value for found in quantities(clean(rest))}
    return value if is_explained and stated(rest) in (None, value) else None


def _parted(text: str) -> tuple[Fraction, str] | None:
    """Part a text into the number it begins with and what stands behind it."""
    if len(text) > _LONGEST:
        return None
    cleaned = re.sub(r"(?<!\.)\.\Z", "", clean(text).strip(WRAPPING))
    first = _leading(cleaned, quantities(cleaned))
    if first is None or first.value is None:
        return None
    value, rest = scaled(first.value, cleaned[first.end :])
    return None if reads_on(rest) or rest.startswith("!") else (value, rest)


def _leading(tail: str, found: list[Quantity]) -> Quantity | None:
    is_leading = found and _HEDGE.fullmatch(tail, 0, found[0].start)
    return found[0] if is_leading else None


def _boxed(tail: str, *, has_words: bool) -> Fraction | None:
    """Read the inside of a box, a tag or an entry: a number with its unit, an equation, or a sentence."""
    if has_equation(tail):
        return None if _TO_SOLVE.fullmatch(tail) else solved(tail)
    first = _leading(tail, quantities(tail))
    if first is None:
        return None if _MATHS.search(tail) else only(tail)
    if first.value is None:
        return None
    value, rest = scaled(first.value, tail[first.end :])
    is_part = rest.startswith("!") or reads_on(rest, is_maths=not has_words)
    return value if _UNIT.fullmatch(rest) and not is_part else None


def _announced(tail: str) -> Fraction | None:
    """Read what a conclusion mark announces: it was meant as the answer, so its first word counts."""
    first = _leading(tail, quantities(tail))
    if first is not None and first.value is not None:
        value, rest = scaled(first.value, tail[first.end :])
        if not reads_on(rest):
            return value
    if has_equation(tail):
        return solved(tail)
    return None if first is not None else only(tail)
