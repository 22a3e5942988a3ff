"""Coins: people flip a coin or leave it; does it still lie as it did? Knows no teacher."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from random import Random

from tuition.playground.domain import PEOPLE, Domain, Problem, Solution, SolutionStep, draw_apart

__all__ = ["COINS", "CoinPuzzle"]

_OTHER = {"heads": "tails", "tails": "heads"}
_WORDINGS = (
    ("A coin lies {side} up.", "{name} flips it.", "{name} does not flip it.", "Is it still {side} up?"),
    (
        "A coin is {side} up.",
        "{name} flips the coin.",
        "{name} does not flip the coin.",
        "Is it still {side} up?",
    ),
    (
        "The coin shows {side}.",
        "{name} flips it over.",
        "{name} leaves it alone.",
        "Does it still show {side}?",
    ),
    ("There is a coin, {side} up.", "{name} flips it.", "{name} just looks.", "Is it still {side} up now?"),
)
_SIDE = re.compile(r"coin (?:lies|is|shows) (heads|tails)|a coin, (heads|tails) up")
_MOVE = re.compile(r"\b([A-Z][a-z]+) (flips|does not flip|leaves it alone|just looks)\b")


@dataclass(frozen=True, slots=True)
class CoinPuzzle:
    """A coin question, understood."""

    side: str
    """How the coin lies at first: heads or tails."""
    moves: tuple[tuple[str, bool], ...]
    """Who comes, and whether they flip."""
    topic: str = ""
    """Nothing must be known."""

    def solve(self, slip: Random | None = None) -> Solution:
        """Follow the coin from person to person; a slip follows one of them wrongly."""
        wrong = slip.randrange(len(self.moves)) if slip else -1
        side = self.side
        steps = [SolutionStep("", f"Start with {side}")]
        for i, (name, flips) in enumerate(self.moves):
            side = _OTHER[side] if flips != (i == wrong) else side
            steps.append(SolutionStep(f"{name} flips" if flips else f"{name} does not flip", side))
        answer = "yes" if side == self.side else "no"
        return Solution((*steps, SolutionStep(f"It ends {side} up", answer)), answer)


def _draw(rng: Random) -> Problem:
    start, flip, leave, ask = rng.choice(_WORDINGS)
    side = rng.choice(("heads", "tails"))
    moves = tuple((name, rng.random() < 0.5) for name in rng.sample(PEOPLE, rng.randint(3, 6)))
    told = [(flip if flips else leave).format(name=name) for name, flips in moves]
    question = " ".join([start.format(side=side), *told, ask.format(side=side)])
    return Problem(question=question, answer=CoinPuzzle(side, moves).solve().answer)


def _recognise(question: str) -> CoinPuzzle | None:
    start = _SIDE.search(question)
    moves = tuple((name, act == "flips") for name, act in _MOVE.findall(question))
    return CoinPuzzle(start[1] or start[2], moves) if start and moves else None


COINS = Domain(name="coins", answer="yes_no", make=partial(draw_apart, _draw), recognise=_recognise)
"""Three to six people; yes or no."""
