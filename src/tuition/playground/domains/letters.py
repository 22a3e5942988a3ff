"""Letters: the last letters of spelled words, joined. Knows no teacher.

Words come spelled, so that a student whose tokens are longer than a letter can see them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from random import Random

from tuition.playground.domain import Domain, Problem, Solution, SolutionStep, draw_apart, listed, words

__all__ = ["LETTERS", "LetterPuzzle"]

_WORDS = words(
    """apple arm autumn barn basket bean bird blanket boat book bowl branch bread bridge brook bucket
    candle carpet cellar chair cheese cliff cloud coat comb corn cradle cup desk door drum feather fence
    field flag flute forest fork garden gate glove grass hammer harbour hat hill honey horse island
    jacket jar kettle kitchen knife ladder lamp leaf lemon letter lock map meadow milk mirror moon
    mountain nail nest night oak onion orchard oven paper pear pencil pepper piano pillow plum pocket
    pond queen rabbit rain ribbon ring river road rope saddle sail salt sand shelf shirt shoe silk
    silver sky snow soap song spoon star stone street string sugar summer table thread tiger tower tree
    trumpet valley village violin wagon wall water wheel wheat window winter wolf wood yard zebra"""
)
_WORDINGS = (
    "Take the last letter of each word and join them: {words}.",
    "Join the last letters of {words}.",
    "What do the last letters of {words} make?",
    "Here are some words: {words}. Write down the last letter of each.",
)
_SPELLED = re.compile(r"\b[a-z](?:-[a-z])+\b")


@dataclass(frozen=True, slots=True)
class LetterPuzzle:
    """A letter question, understood."""

    words: tuple[str, ...]
    """Spelled, such as `c-a-t`."""
    topic: str = ""
    """Nothing must be known."""

    def solve(self, slip: Random | None = None) -> Solution:
        """Collect the last letters, one word a step; a slip takes another letter of one word."""
        wrong = slip.randrange(len(self.words)) if slip else -1
        letters: list[str] = []
        steps: list[SolutionStep] = []
        for i, word in enumerate(self.words):
            letter = word[-3] if i == wrong else word[-1]
            letters.append(letter)
            steps.append(SolutionStep(f"The word {word} ends in {letter}", "-".join(letters)))
        return Solution(tuple(steps), "-".join(letters))


def _draw(rng: Random) -> Problem:
    spelled = tuple("-".join(word) for word in rng.sample(_WORDS, rng.randint(2, 4)))
    question = rng.choice(_WORDINGS).format(words=listed(spelled))
    return Problem(question=question, answer=LetterPuzzle(spelled).solve().answer, key=" ".join(spelled))


def _recognise(question: str) -> LetterPuzzle | None:
    spelled = tuple(_SPELLED.findall(question))
    return LetterPuzzle(spelled) if spelled and "last letter" in question else None


LETTERS = Domain(name="letters", answer="text", make=partial(draw_apart, _draw), recognise=_recognise)
"""Two to four words; a text such as `t-n-g`."""
