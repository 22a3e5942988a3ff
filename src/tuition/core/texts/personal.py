"""Find personal data in texts by their form: e-mail addresses, phone and card numbers, IBANs.

Names and addresses have no form of their own and are not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Literal

__all__ = ["PERSONAL", "Personal", "masked", "personal_in"]

Personal = Literal["email", "iban", "card", "phone"]
"""Kinds of personal data that have a form."""

PERSONAL: dict[Personal, str] = {
    "email": "e-mail addresses",
    "iban": "account numbers (IBAN)",
    "card": "card numbers",
    "phone": "phone numbers",
}
"""Each kind and what it is called; looked for in this order, so that a card is no phone."""

_FORMS: dict[Personal, re.Pattern[str]] = {
    "email": re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?!\w)"),
    "iban": re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"),
    "card": re.compile(r"(?<![\w+])[2-6]\d{3}(?:[ -]?\d){9,15}(?!\w)"),
    # with a country's code; with brackets or marks as in North America; with a 0 and a gap, and no date
    "phone": re.compile(
        r"(?<![\w+])(?<!\d[ -])(?:\+[1-9]|00[1-9]\d?(?=[ /-]))(?:[ ./()-]{0,3}\d){7,14}(?!\w)"
        r"|(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}(?![\w.-])"
        r"|(?<![\w.,/-])(?<!\d[ -])(?!\d{1,2}[./-]\d{1,2}[./-]\d)\(?0\d{1,5}\)?[ /-]{1,3}"
        r"(?=(?:[ /-]?\d){6,12}(?![\w/:]))\d(?:[ /-]?\d)+"
    ),
}


def masked(text: str, kinds: Collection[Personal] = tuple(PERSONAL)) -> str:
    """Put a placeholder, such as [EMAIL], in the place of personal data."""
    for kind in PERSONAL:
        if kind in kinds:
            text = _FORMS[kind].sub(lambda found, kind=kind: _mask(found[0], kind), text)
    return text


def personal_in(text: str) -> list[Personal]:
    """List the kinds of personal data that stand in a text."""
    found: list[Personal] = []
    for kind in PERSONAL:
        without = masked(text, (kind,))
        found += [kind] * (without != text)
        text = without
    return found


def _mask(found: str, kind: Personal) -> str:
    """Mask what passes the check of its kind: the whole, or as many of its groups as do."""
    is_one = _CHECKS.get(kind)
    for end in (len(found), *(gap.start() for gap in reversed(list(re.finditer("[ -]", found))))):
        if is_one is None or is_one(re.sub("[ -]", "", found[:end])):
            return f"[{kind.upper()}]{found[end:]}"
    return found


def _is_card(digits: str) -> bool:
    """Luhn's sum: every second digit from the right counts double."""
    doubled = [int(digit) * (1 + i % 2) for i, digit in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and sum(sum(divmod(n, 10)) for n in doubled) % 10 == 0


def _is_iban(account: str) -> bool:
    """ISO 13616: the first four letters moved behind, letters as numbers from 10, the rest by 97 is 1."""
    moved = account[4:] + account[:4]
    return 15 <= len(account) <= 34 and int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


_CHECKS: dict[Personal, Callable[[str], bool]] = {"card": _is_card, "iban": _is_iban}
