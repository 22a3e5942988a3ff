"""Where the steps of an explanation leave the right solution, in the wording of any style.

Knows solutions and texts; knows no teacher.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tuition.playground.domain import Solution, SolutionStep

__all__ = ["first_wrong", "occurrences", "plain", "steps_reached"]

_LEAD = re.compile(
    r"\W*(?:step )?(?:\d{1,2}[.)] )?\W*"
    r"(?:(?:first|note|given|fact|so|then|and|we know this|it is known)\b\W*)*$"
)
"""What may stand before a statement: a number, an arrow, and the words of a wording."""
_LINK = re.compile(r"\W*(?:(?:makes|then|giving|and so|that leads to|so|okay|well|right|is|gives)\b\W*)*$")
"""What may stand between a reason and its result."""
_REST = re.compile(r"\W*(?:(?:okay|well|right)\b\W*)*$")
"""What may stand behind a statement."""


def first_wrong(solution: Solution, steps: Sequence[str]) -> int | None:
    """Find the 0-based first step that is not in a solution, at its place.

    A step may hold several of the solution's; one that the text leaves out is no fault where the next one
    names a reason that the solution gives once, and neither is one that is said again in full. Everything
    else that is said is wrong. The number of steps: all are right and the last one is missing; None: every
    step is right and none is missing.
    """
    place = 0
    for i, step in enumerate(steps):
        after = _after(solution, step, place)
        if after is None:
            return i
        place = after
    return None if place >= len(solution.steps) else len(steps)


def steps_reached(solution: Solution, steps: Sequence[str]) -> int | None:
    """How many steps of a solution the steps of a text give; None: the text is not its beginning."""
    place = 0
    for step in steps:
        after = _after(solution, step, place)
        if after is None:
            return None
        place = after
    return place


def _after(solution: Solution, step: str, place: int) -> int | None:
    """The place in a solution behind one step of a text that begins at a place; None: it leaves it."""
    rest = plain(step)
    if not rest:
        return place
    reached = place
    while not _REST.fullmatch(rest):
        found = _next(solution, rest, reached)
        if found is None:
            return None
        reached, rest = max(found[0] + 1, reached), rest[found[1] :]
    return reached


def _next(solution: Solution, words: str, place: int) -> tuple[int, int] | None:
    """Which step of a solution a text begins with, and where in the text it ends."""
    if place < len(solution.steps):
        end = _end_of(solution.steps[place], words)
        if end is not None:
            return place, end
    reasons = [step.why for step in solution.steps]
    # A result alone, or a reason given twice, may be a wrong step that equals a later right one.
    told = (
        (i, _end_in_full(step, words))
        for i, step in enumerate(solution.steps)
        if not step.why or reasons.count(step.why) == 1
    )
    return next(((i, end) for i, end in told if end is not None), None)


def plain(text: str) -> str:
    """A text in lower case, with single blanks."""
    return " ".join(text.casefold().split())


def _end_of(step: SolutionStep, words: str) -> int | None:
    """Where a step ends that a text begins with, reason and result or the result alone; None: it does not."""
    full = _end_in_full(step, words)
    return _end_behind(plain(step.what), words, 0, between=_LEAD) if full is None else full


def _end_in_full(step: SolutionStep, words: str) -> int | None:
    """The same, where a reason must be given if there is one."""
    what = plain(step.what)
    if not step.why:
        return _end_behind(what, words, 0, between=_LEAD)
    reason = _end_behind(plain(step.why), words, 0, between=_LEAD)
    return None if reason is None else _end_behind(what, words, reason, between=_LINK)


def _end_behind(part: str, words: str, place: int, *, between: re.Pattern[str]) -> int | None:
    """Where a part ends before which there are no words but those of `between`; None: it is not there."""
    found = occurrences(part, words, place)
    return next((end for start, end in found if between.fullmatch(words[place:start])), None)


def occurrences(part: str, words: str, place: int, *, stop: int | None = None) -> Iterator[tuple[int, int]]:
    """Where a part begins and ends in a text, between two places, each time as whole words."""
    start = words.find(part, place, stop)
    while start >= 0:
        end = start + len(part)
        if not words[max(start - 1, 0) : start].isalnum() and not words[end : end + 1].isalnum():
            yield start, end
        start = words.find(part, start + 1, stop)
