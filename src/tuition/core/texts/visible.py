"""Make characters visible that would command a terminal or turn a line of text around.

Texts come from endpoints, files and names that nobody checked. Prints and pages pass here.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["visible", "visible_in"]

_CONTROLS = re.compile(
    r"\r(?!\n)"  # alone it writes over the line that stands there
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 without tab and line ends, DEL, C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of direction
    r"\ud800-\udfff]"  # half a character, which no terminal and no file in UTF-8 can hold
)


def visible(text: str) -> str:
    r"""Replace each control character by its escape; tabs and line ends stay."""
    # JSON has no \x, and escapes what is below a space itself.
    return _CONTROLS.sub(
        lambda found: rf"\x{ord(found[0]):02x}" if found[0] < " " else rf"\u{ord(found[0]):04x}", text
    )


def visible_in(value: Any, *, most: int | None = None) -> Any:
    """Make the control characters of every text in a JSON value visible, and cut what is too long."""
    if isinstance(value, str):
        more = f" … ({len(value) - most:,} more letters stand in the run folder)" if most else ""
        return visible(value if most is None or len(value) <= most else value[:most] + more)
    if isinstance(value, dict):
        return {visible(key): visible_in(item, most=most) for key, item in value.items()}
    return [visible_in(item, most=most) for item in value] if isinstance(value, list | tuple) else value
