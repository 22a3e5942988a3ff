"""Where a key comes from, and how it is kept from being shown: the environment, or a file named there."""

from __future__ import annotations

import functools
import json
import logging
import os
from pathlib import Path
from urllib.parse import quote

from tuition.core.errors import TeacherError
from tuition.teachers.config import TeacherConfig

__all__ = ["MASK", "Secret", "read_key"]

MASK = "***"
"""What stands where a key stood."""
_IN_FILE = "_FILE"
_LEAST = 8
"""Letters of a key that is masked; a shorter one guards nothing, and stands in many a text by chance."""
_LOG = logging.getLogger(__name__)


class Secret:
    """A key, or none, that prints as a mask and can be taken out of any text."""

    def __init__(self, value: str = "") -> None:
        """Keep the key.

        Args:
            value: Empty: the endpoint needs none. One below eight letters is masked in no text.
        """
        self._value = value
        as_json = json.dumps(value)[1:-1]
        forms = {value, as_json, as_json.replace("/", "\\/"), quote(value, safe="")}
        self._forms = sorted(forms, key=len, reverse=True) if len(value) >= _LEAST else []

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK!r})" if self._value else "Secret('')"

    def show(self) -> str:
        """Give the key itself, for the header it belongs in and nowhere else."""
        return self._value

    def hide(self, text: str) -> str:
        """Take the key out of a text.

        Args:
            text: Whatever came back, in which an endpoint may have repeated it: plain, as JSON, or quoted.
                One that holds a part of the key alone is not noticed: cut a text after this.

        Returns:
            The text with a mask in its place.
        """
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


def read_key(config: TeacherConfig) -> Secret:
    """Read a teacher's key.

    Args:
        config: `api_key_env` is NAME: the key is the variable NAME, or where that is not set the content of
            the file whose path is the variable NAME_FILE.

    Returns:
        The key; an empty one where the table names none. Of one that is too short to be masked there is a
        warning, once.

    Raises:
        TeacherError: Neither variable is set, the file cannot be read, or what is there is no key.
    """
    name = config.api_key_env
    if not name:
        return Secret()
    key, path = os.environ.get(name, "").strip(), os.environ.get(name + _IN_FILE, "").strip()
    if not key and path:
        place = f"the file that {name + _IN_FILE!r} names"
        key = _checked(_content(path, config), config, place=place)
    else:
        key = _checked(key, config, place=f"the environment variable {name!r}")
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


def _content(path: str, config: TeacherConfig) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise TeacherError(
            f"teacher {config.name!r} takes its key from the file {path!r}, which cannot be read: {why}. "
            f"{config.api_key_env + _IN_FILE!r} should hold the path of a file with the key and nothing else."
        ) from None


def _checked(key: str, config: TeacherConfig, *, place: str) -> str:
    if key and key.isascii() and key.isprintable():
        return key
    name = config.api_key_env
    found = "holds characters that no key has" if key else "is not set"
    if place.startswith("the file"):
        found = found.replace("is not set", "is empty")
    raise TeacherError(
        f"teacher {config.name!r} takes its key from {place}, which {found}. Set it, such as with: "
        f"export {name}=... or let {name}{_IN_FILE} hold the path of a file with the key."
    )
