"""Read what a teacher says about a student's steps. Guesses nothing: what cannot be read is None."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tuition.annotation.revise.said import what_is_said
from tuition.core.texts.steps import before_spill

__all__ = ["Revision", "read_location", "read_revision", "read_suffix", "read_verdict"]

_ALONE = re.compile(r"\W*(?:step )?(\d{1,6})\W*|\W*(none|null|no|nothing|n/a)\W*", re.I)
_LABEL = re.compile(r"^[ \t]*(?:corrected )?step \d+\s*:[ \t]*", re.I | re.M)
_NOTHING = frozenset({"", "null", "none", "no", "no step", "nothing", "n/a"})


@dataclass(frozen=True, slots=True)
class Revision:
    """What a reply in one JSON object says."""

    first_wrong: int | None
    """0-based; None: no step is wrong."""
    steps: tuple[str, ...]
    """The corrected step and those that follow; empty where no step is wrong."""
    answer: str
    """In the teacher's words, not yet read by the task."""
    is_repaired: bool
    """Whether the text was no JSON as it came."""


def read_verdict(text: str, *, step: int) -> bool | None:
    """Read whether a step is right.

    None: there is none, they differ, or something is called wrong beside a step that is right.
    """
    said = what_is_said(before_spill(text))
    wrong = said.wrong | said.first
    found = {True} if step in said.right or said.is_all else set[bool]()
    found |= {False} if step in wrong else set()
    if not (said.right or wrong):
        found |= said.unnamed
    found |= said.bare
    if len(found) != 1 or (True in found and (said.has_fault or False in said.unnamed)):
        return None
    return found.pop()


def read_location(text: str, steps: int) -> int | None:
    """Read which step is the first wrong one.

    Returns:
        The 0-based index; the number of steps where none is wrong; None: unreadable, no such step, or the
        statements do not go together.
    """
    body = before_spill(text).strip()
    if alone := _ALONE.fullmatch(body):
        number = steps + 1 if alone[2] else int(alone[1])
        return number - 1 if 1 <= number <= steps or alone[2] else None
    said = what_is_said(body)
    named = said.first or said.wrong
    if named:
        first = min(named)
        is_one = len(said.first) <= 1 and first == min(said.first | said.wrong) and first not in said.right
        return first - 1 if is_one and not said.is_all and 1 <= first <= steps else None
    is_all = said.is_all or said.right >= set(range(1, steps + 1))
    return steps if is_all and not said.has_fault and False not in said.unnamed else None


def read_suffix(text: str) -> str:
    """Read the steps that a teacher wrote, without the labels that the prompt had put before the others."""
    return _LABEL.sub("", text).strip()


def read_revision(text: str, steps: int) -> Revision | None:
    """Read a reply that should be one JSON object; what is broken is repaired first.

    None: no object with the three entries can be found, the number is none of a step (nor of the one
    behind the last), or a wrong step comes without its correction.
    """
    found, is_repaired = _object(text)
    if not isinstance(found, dict) or not {"first_wrong_step", "corrected_steps", "answer"} <= found.keys():
        return None
    number, answer = _number(found["first_wrong_step"]), _plain(found["answer"])
    written = found["corrected_steps"]
    # One text in the place of a list, and null in the place of an empty one, are read as they are meant.
    listed = [written] if isinstance(written, str) else written or []
    if number is None or not answer or not isinstance(listed, list):
        return None
    if not 0 <= number <= steps + 1 or not all(isinstance(step, str) for step in listed):
        return None
    corrected = tuple(step for step in map(read_suffix, listed) if step)
    if number and not corrected:
        return None
    return Revision(number - 1 if number else None, corrected if number else (), answer, is_repaired)


def _object(text: str) -> tuple[object, bool]:
    """The object in a text, and whether it had to be repaired."""
    try:
        return _last(json.loads(text)), False
    except (json.JSONDecodeError, RecursionError):
        import json_repair

    try:
        return _last(json_repair.loads(text[text.find("{") :])) if "{" in text else None, True
    except (ValueError, RecursionError):
        return None, True


def _last(found: object) -> object:
    """The last object of a list: with more than one in a text the last is meant."""
    objects = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return objects[-1] if objects else found


def _number(value: object) -> int | None:
    """The step's number; 0: no step is wrong; None: unreadable."""
    if value is None or (isinstance(value, str) and value.strip(" .").lower() in _NOTHING):
        return 0
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return value if value > 0 else None
    match = (
        re.fullmatch(r"(?:step )?(\d{1,6})(?:\.0+)?", value.strip(), re.I) if isinstance(value, str) else None
    )
    return int(match[1]) if match and int(match[1]) else None


def _plain(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value).strip() if isinstance(value, str) or is_number else ""
