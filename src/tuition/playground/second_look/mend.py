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
    """Word a solution from where kept steps have come to; of a foreign text, from the step of that number.

    Args:
        solution: The program's own.
        kept: The first steps of a text, in the wording of any style.
        style: How to word the rest.
        sample: Which of the style's wordings.

    Returns:
        One text a step, at least one; numbered behind the kept ones where the style has numbers.
    """
    reached = steps_reached(solution, kept)
    begin = min(len(kept) if reached is None else reached, len(solution.steps) - 1)
    rest = Solution(solution.steps[begin:], solution.answer)
    return tell(rest, style, sample, first=len(kept) + 1)


def in_json(first_wrong: int | None, steps: Sequence[str], answer: str) -> str:
    """Write a reply in one object.

    Args:
        first_wrong: 0-based; None: no step is wrong.
        steps: From the first wrong one on.
        answer: To the question.

    Returns:
        JSON, the step's number counted from 1.
    """
    number = None if first_wrong is None else first_wrong + 1
    return json.dumps(
        {"first_wrong_step": number, "corrected_steps": list(steps), "answer": answer}, ensure_ascii=False
    )


def broken(text: str, rng: Random) -> str:
    """Write JSON as models now and then do.

    Args:
        text: JSON.
        rng: Draws what is wrong with it.

    Returns:
        With a sentence and a fence around it; with a comma too many; without its last brace; or cut after
        three fifths, so that nobody can read an answer from it.
    """
    match rng.randrange(4):
        case 0:
            return f"Here is my review.\n```json\n{text}\n```"
        case 1:
            return f"{text[:-1]},}}"
        case 2:
            return text[:-1]
        case _:
            return text[: len(text) * 3 // 5]
