"""Tracking: three people swap what they hold; who ends with what? Knows no teacher."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from random import Random

from tuition.playground.domain import PEOPLE, Domain, Problem, Solution, SolutionStep, draw_apart, words

__all__ = ["TRACKING", "TrackingPuzzle"]

_OBJECTS = words("ball book cup drum flag hat key kite lamp map ring rope shell spoon")
_START = "{0} has the {3}, {1} has the {4} and {2} has the {5}."
_WORDINGS = (
    ("{a} and {b} swap.", "What does {who} have at the end?"),
    ("{a} swaps with {b}.", "What does {who} hold now?"),
    ("Then {a} and {b} swap.", "Which thing ends with {who}?"),
)
_HOLDS = re.compile(r"\b([A-Z][a-z]+) has the ([a-z]+)\b")
_SWAP = re.compile(r"\b([A-Z][a-z]+) (?:and|swaps with) ([A-Z][a-z]+)\b")
_WHO = re.compile(r"(?:does|ends with) ([A-Z][a-z]+)\b[^.]*\?")


@dataclass(frozen=True, slots=True)
class TrackingPuzzle:
    """A question of who has what, understood."""

    holds: tuple[tuple[str, str], ...]
    """Person and object, at first."""
    swaps: tuple[tuple[str, str], ...]
    """Who swaps with whom, in order."""
    who: str
    """Whose object is asked for."""
    topic: str = ""
    """Nothing must be known."""

    def solve(self, slip: Random | None = None) -> Solution:
        """Write after each swap who has what; after a slip two objects are with the wrong people."""
        wrong = slip.randrange(len(self.swaps)) if slip else -1
        held = dict(self.holds)
        steps: list[SolutionStep] = []
        for i, (a, b) in enumerate(self.swaps):
            held[a], held[b] = held[b], held[a]
            if slip and i == wrong:
                x, y = slip.sample(sorted(held), 2)
                held[x], held[y] = held[y], held[x]
            state = ", ".join(f"{name} {thing}" for name, thing in held.items())
            steps.append(SolutionStep(f"{a} and {b} swap", state))
        answer = held[self.who]
        return Solution((*steps, SolutionStep("", f"{self.who} ends with the {answer}")), answer)


def _draw(rng: Random) -> Problem:
    names, objects = rng.sample(PEOPLE, 3), rng.sample(_OBJECTS, 3)
    swaps = tuple(tuple(rng.sample(names, 2)) for _ in range(rng.randint(1, 4)))
    puzzle = TrackingPuzzle(
        tuple(zip(names, objects, strict=True)), tuple((a, b) for a, b in swaps), rng.choice(names)
    )
    swap, ask = rng.choice(_WORDINGS)
    told = [swap.format(a=a, b=b) for a, b in puzzle.swaps]
    question = " ".join([_START.format(*names, *objects), *told, ask.format(who=puzzle.who)])
    choices = tuple(rng.sample(objects, 3))
    return Problem(question=question, answer=puzzle.solve().answer, choices=choices)


def _recognise(question: str) -> TrackingPuzzle | None:
    holds = tuple(_HOLDS.findall(question))
    names = {name for name, _ in holds}
    swaps = tuple((a, b) for a, b in _SWAP.findall(question) if {a, b} <= names)
    who = _WHO.search(question)
    if not swaps or not who or who[1] not in names or len(names) != len(holds):
        return None
    return TrackingPuzzle(holds, swaps, who[1])


TRACKING = Domain(name="tracking", answer="choice", make=partial(draw_apart, _draw), recognise=_recognise)
"""Three people, one to four swaps; a choice of three objects."""
