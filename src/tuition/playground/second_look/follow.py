"""How a teacher program reads an explanation: how far a solution stands in it, and what it leads to.

Knows solutions and texts; knows no profile and no prompt.
"""

from __future__ import annotations

from random import Random

from tuition.playground.domain import Puzzle, Solution, SolutionStep
from tuition.playground.second_look.check import occurrences, plain

__all__ = ["led_to", "steps_followed"]

_GAP = 25
"""Letters that may stand between two parts of the same wording, such as `; that leads to `."""
_BARE_GAP = 5
"""The same where a wording leaves the reason out and results follow each other, such as `;` and an arrow."""
_SLIPS = 200


def steps_followed(solution: Solution, text: str) -> int:
    """Count the steps that an explanation makes, from the first on, before it leaves a solution."""
    words, place = plain(text), 0
    for count, step in enumerate(solution.steps):
        end = _end_of(step, words, place)
        if end is None:
            return count
        place = end
    return len(solution.steps)


def led_to(puzzle: Puzzle, text: str, rng: Random) -> str:
    """Find the answer that an explanation's own steps lead to, right or wrong; empty: none was found.

    The explanation is compared with the right solution, then with solutions that have one wrong step, first
    whole, then without the last step: that may state what does not follow.
    """
    right = puzzle.solve()
    if steps_followed(right, text) == len(right.steps):
        return right.answer
    slips = [puzzle.solve(rng) for _ in range(_SLIPS)]
    for left_out in (0, 1):
        for slip in slips:
            if steps_followed(slip, text) >= max(1, len(slip.steps) - left_out):
                return slip.answer
    return ""


def _end_of(step: SolutionStep, words: str, place: int) -> int | None:
    """Where a step ends that begins near a place; None: it does not stand there."""
    why, what = plain(step.why), plain(step.what)
    bare = _find(what, words, place, gap=_BARE_GAP if why else _GAP)
    reason = _find(why, words, place, gap=_GAP) if why else None
    # A result may hold the words of its reason, so that a wording without reasons seems to give one.
    full = None if reason is None else _find(what, words, reason, gap=_GAP)
    return bare if full is None else full


def _find(part: str, words: str, place: int, *, gap: int) -> int | None:
    return next((end for _, end in occurrences(part, words, place, stop=place + gap + len(part))), None)
