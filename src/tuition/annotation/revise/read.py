"""Read what a teacher says about a student's steps. Guesses nothing: what cannot be read is None."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tuition.core.steps import before_spill

__all__ = ["Revision", "read_location", "read_revision", "read_suffix", "read_verdict"]

_EDGE = r"\b"
_SAID = re.compile(_EDGE + r"is\s+(not\s+)?(right|correct|wrong|incorrect)\b", re.I)
_OF_A_STEP = re.compile(r"\bstep \d+\s+is\b", re.I)
_WRONG_STEP = re.compile(r"\bstep (\d+) is (?:the first wrong (?:step|one)|wrong|incorrect)\b", re.I)
_BARE = re.compile(r"^\W*(?:step \d+\W+)?(yes|no|right|correct|wrong|incorrect)\b(?=\W|$)", re.I)
_GOOD = frozenset({"yes", "right", "correct"})
_FIRST = re.compile(
    r"\bfirst wrong step(?: is|:)(?: step)?(?: number)? ?\D{0,3}(\d+)|\b(no step is wrong)\b"
    r"|\b((?:all|every) steps? (?:is|are) (?:right|correct))\b"
    r"|^\W*(?:step )?(\d+)\W*$|^\W*(none|null|no)\W*$",
    re.I,
)
_LABEL = re.compile(r"^[ \t]*(?:corrected )?step \d+\s*:[ \t]*", re.I | re.M)
_NOTHING = frozenset({"", "null", "none"})


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

    Args:
        text: A teacher's reply, such as `Step 2 is wrong.`; a reply that only begins with yes or no counts.
        step: Number of the step that was asked about, from 1.

    Returns:
        What is said last of this very step; where it is not named, the verdict stated last. None: none can
        be read, or only other steps are judged.
    """
    body = before_spill(text)
    of_step = re.compile(rf"\bstep {step}\s+{_SAID.pattern.removeprefix(_EDGE)}", re.I)
    said = list(of_step.finditer(body))
    if not said and not _OF_A_STEP.search(body):
        said = list(_SAID.finditer(body))
    if said:
        return (said[-1][2].lower() in _GOOD) != bool(said[-1][1])
    bare = _BARE.match(body)
    return bare[1].lower() in _GOOD if bare else None


def read_location(text: str, steps: int) -> int | None:
    """Read which step is the first wrong one.

    Args:
        text: A teacher's reply, such as `The first wrong step is 2.`
        steps: How many there are.

    Returns:
        The 0-based index; the number of steps where none is wrong; None: unreadable, or no such step.
    """
    body = before_spill(text).strip()
    found, named = list(_FIRST.finditer(body)), _WRONG_STEP.search(body)
    if not found and named is None:
        return None
    number = named[1] if not found and named is not None else found[-1][1] or found[-1][4]
    if number is None:
        return steps
    return int(number) - 1 if 1 <= int(number) <= steps else None


def read_suffix(text: str) -> str:
    """Read the steps that a teacher wrote, without the labels that the prompt had put before the others.

    Args:
        text: A teacher's reply.

    Returns:
        The text without `Step 2:` at the beginning of a line.
    """
    return _LABEL.sub("", text).strip()


def read_revision(text: str, steps: int) -> Revision | None:
    """Read a reply that should be one JSON object; what is broken is repaired first.

    Args:
        text: A teacher's reply.
        steps: How many the student's explanation has.

    Returns:
        What it says. None: no object with the three entries can be found, the number is none of a step (nor
        of the one behind the last), or a wrong step comes without its correction.
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
        return json.loads(text), False
    except (json.JSONDecodeError, RecursionError):
        import json_repair

    try:
        found = json_repair.loads(text[text.find("{") :]) if "{" in text else None
    except (ValueError, RecursionError):
        return None, True
    # With more than one object in a text the last is meant.
    objects = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return (objects[-1] if objects else found), True


def _number(value: object) -> int | None:
    """The step's number; 0: no step is wrong; None: unreadable."""
    if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING):
        return 0
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value > 0 else None
    match = re.fullmatch(r"(?:step )?(\d{1,6})", value.strip(), re.I) if isinstance(value, str) else None
    return int(match[1]) if match and int(match[1]) else None


def _plain(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value).strip() if isinstance(value, str) or is_number else ""
