"""Personal data in texts, found by its form: e-mail addresses, phone numbers, payment cards, IBANs.

A form is no proof: names and addresses have none and stay, and a number of that form may be something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, get_args

__all__ = ["KINDS", "Kind", "count", "mask"]

Kind = Literal["iban", "card", "email", "phone"]
"""What can be found."""
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All of them, in the order in which they are looked for: a phone number may look like a part of an IBAN."""

_FORMS: dict[Kind, re.Pattern[str]] = {
    "iban": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.I | re.A),
    "card": re.compile(
        r"(?<![\d.])(?:[2-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{1,7}|3\d{3}([ -]?)\d{6}\2\d{5})(?![\d]|\.\d)", re.A
    ),
    "email": re.compile(r"(?<![\w.%+'-])[\w.%+'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{0,62}[^\W_]"),
    # A number in words or sums has neither the plus, the leading zero nor the brackets of a phone number.
    "phone": re.compile(
        r"(?<![\w.,+/-])(?:"
        r"(?:\+|00 ?)[1-9](?:[ ./()-]{0,3}\d){7,13}"
        r"|\(?0\d{2,4}\)?[ /-]{0,3}\d{3,4}(?:[ -]?\d){3,5}"
        r"|0[1-9](?:[ .-]\d\d){4}"
        r"|(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])\d{3}[-. ]\d{4}"
        r")(?![\d]|[.,]\d)",
        re.A,
    ),
}

_DIGITS = re.compile(r"\d(?:[^\w\n]{0,4}\d){6}", re.A)
_HINTS: dict[Kind, re.Pattern[str]] = {
    "iban": re.compile(r"\d\d(?<=\b[A-Z]{2}\d\d)", re.I | re.A),
    "card": _DIGITS,
    "email": re.compile("@"),
    "phone": _DIGITS,
}
"""What each form holds: a text without it is passed over in a fraction of the time."""


def mask(text: str, kinds: Iterable[Kind] = KINDS) -> str:
    """Put the name of its kind, such as `[email]`, in the place of each piece of personal data."""
    wanted = set(kinds)
    for kind in KINDS:
        if kind in wanted:
            places = list(_places(text, kind))
            for start, end in reversed(places):
                text = f"{text[:start]}[{kind}]{text[end:]}"
    return text


def count(text: str, kinds: Iterable[Kind] = KINDS) -> dict[Kind, int]:
    """Count the pieces of personal data in a text, of each kind that is there at all."""
    found: dict[Kind, int] = {}
    wanted = set(kinds)
    for kind in [kind for kind in KINDS if _HINTS[kind].search(text)]:
        # One kind is masked before the next is looked for, so that nothing counts twice.
        if n := sum(1 for _ in _places(text, kind)):
            text = mask(text, [kind])
            found |= {kind: n} if kind in wanted else {}
    return found


def _places(text: str, kind: Kind) -> Iterator[tuple[int, int]]:
    is_sound = _SOUND.get(kind)
    for match in _FORMS[kind].finditer(text) if _HINTS[kind].search(text) else ():
        start, end = match.span()
        # What follows an IBAN may look like one more group of it.
        while is_sound is not None and end > start and not is_sound(text[start:end]):
            end = start + text[start:end].rfind(" ") if kind == "iban" and " " in text[start:end] else start
        if end > start:
            yield start, end


def _is_iban(text: str) -> bool:
    letters = text.replace(" ", "").upper()
    if not 15 <= len(letters) <= 34:
        return False
    return int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    digits = [int(letter) for letter in text if letter.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_SOUND: dict[Kind, Callable[[str], bool]] = {"iban": _is_iban, "card": _is_card}
"""By kind, whether its check digits are right."""
