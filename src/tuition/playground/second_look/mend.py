"""How a teacher program words the rest of an explanation, and its replies in one JSON object.

Knows solutions, styles and texts; knows no profile.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

from tuition.playground.domain import Solution
from tuition.playground.second_look.check import steps_reached
from tuition.playground.styles import Style, tell

__all__ = ["broken", "continued", "in_json"]


def continued(solution: Solution, kept: Sequence[str], *, style: Style, sample: int) -> tuple[str, ...]:
    """Word the rest of a solution behind kept steps; where these are not its own, by their number."""
    reached = steps_reached(solution, kept)
    begin = min(len(kept) if reached is None else reached, len(solution.steps) - 1)
    rest = Solution(solution.steps[begin:], solution.answer)
    return tell(rest, style, sample, first=len(kept) + 1)


def in_json(first_wrong: int | None, steps: Sequence[str], answer: str) -> str:
    """Write a reply in one object; the first wrong step is counted from 1 in it, null where there is none."""
    number = None if first_wrong is None else first_wrong + 1
    return json.dumps(
        {"first_wrong_step": number, "corrected_steps": list(steps), "answer": answer}, ensure_ascii=False
    )


def broken(text: str, rng: Random) -> str:
    """Break JSON as models now and then do: a sentence and a fence, a comma, no last brace, or a cut."""
    match rng.randrange(4):
        case 0:
            return f"Here is my review.\n```json\n{text}\n```"
        case 1:
            return f"{text[:-1]},}}"
        case 2:
            return text[:-1]
        case _:
            return text[: len(text) * 3 // 5]
