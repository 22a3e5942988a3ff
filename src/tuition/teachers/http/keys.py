"""Where a key comes from, and how it is kept from being shown: the environment, or a file named there."""

from __future__ import annotations

import base64
import functools
import itertools
import json
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tuition.core.errors import TeacherError
from tuition.teachers.config import TeacherConfig

__all__ = ["MASK", "Secret", "read_key"]

MASK = "***"
"""What stands where a key stood."""
_LEAST = 8
"""Letters of a key that is masked; a shorter one guards nothing, and stands in many a text by chance."""
_PART = 12
"""Letters in a row that are masked where they stand without the rest of the key."""
_BYTES = ("%{:02x}", "%{:02X}", "{:02x}", "{:02X}", "\\u{:04x}", "\\u{:04X}", "\\x{:02x}")
"""How a form writes each byte."""
_URL_SAFE = str.maketrans("+/", "-_")
_LOG = logging.getLogger(__name__)


class Secret:
    """A key, or none, that prints as a mask and can be taken out of any text."""

    def __init__(self, value: str = "") -> None:
        """Keep the key; empty: the endpoint needs none. One below eight letters is masked in no text."""
        self._value = value
        forms = _forms(value) if len(value) >= _LEAST else {}
        # A text is searched in pieces of this size, one behind the other. A part of the key of twice the
        # size, less one, holds a whole piece wherever it begins.
        self._size = (min(forms.values(), default=1) + 1) // 2
        self._piece = re.compile(f"(?s).{{{self._size}}}")
        self._places: dict[str, list[_Place]] = {}
        for form, least in forms.items():
            for start in range(len(form) - self._size + 1):
                piece = form[start : start + self._size]
                self._places.setdefault(piece, []).append(_Place(form, start, least))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK!r})" if self._value else "Secret('')"

    def show(self) -> str:
        """Give the key itself, for the header it belongs in and nowhere else."""
        return self._value

    def hide(self, text: str) -> str:
        """Put a mask in the place of the key.

        An endpoint may have repeated it, or twelve letters of it in a row: plain, in other case, reversed, or
        as JSON, a URL, base64 or hexadecimal digits. Fewer letters are not noticed, so cut a text after this.
        """
        pieces = self._piece.findall(text)
        if self._places.keys().isdisjoint(pieces):
            return text
        found = [
            around
            for number, piece in enumerate(pieces)
            for place in self._places.get(piece, ())
            if (around := place.around(number * self._size, text))
        ]
        kept, end = [], 0
        for first, behind in sorted(found):
            if first > end or not kept:
                kept += [text[end:first], MASK]
            end = max(end, behind)
        return "".join(kept) + text[end:]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece of a few letters stands in one form of the key."""

    form: str
    start: int
    least: int
    """Length of a part that is masked."""

    def around(self, at: int, text: str) -> tuple[int, int] | None:
        """The ends of the part of the form in which a piece of the text lies; None: it is too short."""
        before, behind = text[max(0, at - self.start) : at], text[at : at + len(self.form) - self.start]
        left = _equal(reversed(before), reversed(self.form[: self.start]))
        right = _equal(behind, self.form[self.start :])
        return (at - left, at + right) if left + right >= self.least else None


def _equal(one: Iterable[str], other: Iterable[str]) -> int:
    """Count the letters at the beginning that are equal."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _forms(key: str) -> dict[str, int]:
    """Write a key in each form that is looked for, with the least length of twelve of its letters in it."""
    as_json, raw = json.dumps(key)[1:-1], key.encode()
    written = {key, key.lower(), key.upper(), key[::-1], as_json, as_json.replace("/", "\\/")}
    for quoted in (quote(key), quote(key, safe="")):
        written |= {quoted, re.sub("%..", lambda found: found[0].lower(), quoted)}
    written |= {"".join(form.format(byte) for byte in raw) for form in _BYTES}
    forms = {form: min(len(form), _PART * (len(form) // len(key))) for form in written}
    for before in range(3):
        # What stands before the key moves it by 0, 1 or 2 bytes; the digits at its ends hold neighbours too.
        whole = base64.b64encode(bytes(before) + raw).decode()
        inner = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        for form in (inner, inner.translate(_URL_SAFE)):
            forms[form] = min(len(form), (_PART - 1) * 8 // 6)
    return forms


def read_key(config: TeacherConfig) -> Secret:
    """Read a teacher's key; an empty one where its table names none.

    `api_key_env` is NAME: the key is the variable NAME, or where that is not set the content of the file
    whose path is the variable NAME_FILE. A key that is too short to be masked is warned of once.
    """
    name, in_file = config.api_key_env, config.api_key_env + "_FILE"
    if not name:
        return Secret()
    place, missing = f"the environment variable {name!r}", "is not set"
    key, path = os.environ.get(name, "").strip(), os.environ.get(in_file, "").strip()
    if not key and path:
        place, missing = f"the file that {in_file!r} names", "is empty"
        try:
            key = Path(path).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            # The path itself is not told: it may be the key, put there by mistake.
            raise TeacherError(
                f"teacher {config.name!r} takes its key from {place}, which cannot be read: {why}. The "
                "variable should hold the path of a file with the key and nothing else."
            ) from None
    if not (key and key.isascii() and key.isprintable()):
        found = "holds characters that no key has" if key else missing
        raise TeacherError(
            f"teacher {config.name!r} takes its key from {place}, which {found}. Set it, such as with: "
            f"export {name}=... or let {in_file} hold the path of a file with the key."
        )
    if len(key) < _LEAST:
        _warn(name)
    return Secret(key)


@functools.cache
def _warn(name: str) -> None:
    _LOG.warning(
        "The key in %r has fewer than %d letters and is masked in no text, for it may stand in any by "
        "chance. If the server needs no key, leave api_key_env out.",
        *(name, _LEAST),
    )
