"""Phrases: arithmetic told in story phrases, each of which means one operation. Knows no teacher.

Phrases come as often as Zipf's law with exponent 1.2 says, in the order of the list below:
the last ones are rare.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from random import Random

from tuition.playground.domain import PEOPLE, Domain, Problem, Solution, SolutionStep, draw_apart, words

__all__ = ["PHRASES", "Phrase", "PhrasePuzzle"]

_ZIPF = 1.2
_MOST = 99


@dataclass(frozen=True, slots=True)
class Phrase:
    """A way to say one operation."""

    text: str
    """As the story tells it, after a name."""
    short: str
    """As a rationale names it."""
    operation: str
    """One of `+ - * /`, give, up, down, undo, swap, last, lose."""
    amount: int = 0
    """The operation's number; 0 where it has none."""

    def work(self, value: int, start: int) -> tuple[str, int] | None:
        """The working and the result from what there is now and was at first; None: it is not in 0 to 99."""
        n = self.amount
        if self.operation in ("/", "give") and value % n:
            return None
        match self.operation:
            case "+":
                work = f"{value} + {n} =", value + n
            case "-":
                work = f"{value} - {n} =", value - n
            case "*":
                work = f"{value} * {n} =", value * n
            case "/":
                work = f"{value} / {n} =", value // n
            case "give":
                work = f"{value} / {n} = {value // n}, {value} - {value // n} =", value - value // n
            case "up":
                work = f"the next ten after {value} is", (value // 10 + 1) * 10
            case "down":
                work = f"the ten below {value} is", (value - 1) // 10 * 10
            case "undo":
                work = "back to", start
            case "swap":
                work = f"{value} turned round is", int(str(value)[::-1])
            case "last":
                work = f"the last digit of {value} is", value % 10
            case _:
                work = f"{value} - {value} =", 0
        return work if 0 <= work[1] <= _MOST else None


_PHRASES = (
    Phrase("gets a dozen more", "a dozen more", "+", 12),
    Phrase("loses a pair", "a pair less", "-", 2),
    Phrase("gives half away", "half away", "give", 2),
    Phrase("doubles the pile", "double", "*", 2),
    Phrase("gets half a dozen more", "half a dozen more", "+", 6),
    Phrase("rounds up to the next ten", "round up", "up"),
    Phrase("gives a third away", "a third away", "give", 3),
    Phrase("loses a dozen", "a dozen less", "-", 12),
    Phrase("finds one a day for a week", "a week more", "+", 7),
    Phrase("keeps only a third", "keep a third", "/", 3),
    Phrase("gets a score more", "a score more", "+", 20),
    Phrase("uses one a day for a week", "a week less", "-", 7),
    Phrase("undoes everything", "undo all", "undo"),
    Phrase("adds as many as a spider has legs", "spider legs more", "+", 8),
    Phrase("loses a score", "a score less", "-", 20),
    Phrase("triples the pile", "triple", "*", 3),
    Phrase("rounds down to the ten below", "round down", "down"),
    Phrase("gives a quarter away", "a quarter away", "give", 4),
    Phrase("adds as many as a hand has fingers", "fingers more", "+", 5),
    Phrase("drops as many as a spider has legs", "spider legs less", "-", 8),
    Phrase("gets a baker's dozen more", "a baker's dozen more", "+", 13),
    Phrase("keeps only a quarter", "keep a quarter", "/", 4),
    Phrase("drops as many as a hand has fingers", "fingers less", "-", 5),
    Phrase("turns the number round", "turn round", "swap"),
    Phrase("adds as many as a fortnight has days", "a fortnight more", "+", 14),
    Phrase("loses a baker's dozen", "a baker's dozen less", "-", 13),
    Phrase("gives a fifth away", "a fifth away", "give", 5),
    Phrase("adds as many as a cat has paws", "cat paws more", "+", 4),
    Phrase("keeps only the last digit", "last digit", "last"),
    Phrase("drops as many as a fortnight has days", "a fortnight less", "-", 14),
    Phrase("keeps only a fifth", "keep a fifth", "/", 5),
    Phrase("adds as many as a clover has leaves", "clover leaves more", "+", 3),
    Phrase("makes four times as many", "four times", "*", 4),
    Phrase("drops as many as a cat has paws", "cat paws less", "-", 4),
    Phrase("drops as many as a clover has leaves", "clover leaves less", "-", 3),
    Phrase("loses the whole lot", "all lost", "lose"),
)
_BY_TEXT = {phrase.text: phrase for phrase in _PHRASES}
_WEIGHTS = [1 / (i + 1) ** _ZIPF for i in range(len(_PHRASES))]
_THINGS = words(
    "apples beads books buttons cards coins eggs marbles nuts pears pens plums shells stamps stones"
)
_WORDINGS = (
    "{name} has {n} {things}. {name} {acts}. How many {things} does {name} have now?",
    "{name} starts with {n} {things}, and {acts}. How many {things} are there in the end?",
    "There are {n} {things} in a box. {name} {acts}. How many {things} are in the box now?",
    "With {n} {things} to begin with, {name} {acts}. What is the number of {things} then?",
)
_NUMBER = re.compile(r"\b(\d{1,2}) [a-z]+")
_PHRASE = re.compile("|".join(sorted(map(re.escape, _BY_TEXT), key=len, reverse=True)))


@dataclass(frozen=True, slots=True)
class PhrasePuzzle:
    """A story, understood."""

    start: int
    """From 0 to 99."""
    phrases: tuple[Phrase, ...]
    """In order."""
    topic: str = ""
    """Nothing must be known."""

    def solve(self, slip: Random | None = None) -> Solution:
        """Do one operation after the other; a slip gets the result of one wrong."""
        if slip is None:
            return self._follow(-1, 0) or Solution((SolutionStep("", "This has no whole number"),), "")
        for _ in range(20):
            wrong, off = slip.randrange(len(self.phrases)), slip.choice((-10, -2, -1, 1, 2, 10))
            solution = self._follow(wrong, off)
            if solution:
                return solution
        return self._follow(len(self.phrases) - 1, 1) or self.solve()

    def _follow(self, wrong: int, off: int) -> Solution | None:
        value = self.start
        steps = [SolutionStep("", f"Start with {value}")]
        for i, phrase in enumerate(self.phrases):
            work = phrase.work(value, self.start)
            if work is None:
                return None
            value = work[1] + (off if i == wrong else 0)
            if not 0 <= value <= _MOST:
                return None
            steps.append(SolutionStep(phrase.short, f"{work[0]} {value}"))
        return Solution(tuple(steps), str(value))

    @property
    def is_whole(self) -> bool:
        """Whether every result is a whole number from 0 to 99."""
        return self._follow(-1, 0) is not None


def _draw(rng: Random) -> Problem | None:
    chosen = tuple(rng.choices(_PHRASES, _WEIGHTS, k=rng.randint(1, 3)))
    # The start is drawn for the phrases, not the other way round, so that their frequencies stay Zipf's.
    puzzle = next(
        (p for p in (PhrasePuzzle(rng.randint(2, 95), chosen) for _ in range(60)) if p.is_whole), None
    )
    if puzzle is None:
        return None
    acts = ", then ".join(phrase.text for phrase in chosen)
    wording = rng.choice(_WORDINGS)
    question = wording.format(name=rng.choice(PEOPLE), n=puzzle.start, things=rng.choice(_THINGS), acts=acts)
    return Problem(question=question, answer=puzzle.solve().answer)


def _recognise(question: str) -> PhrasePuzzle | None:
    number = _NUMBER.search(question)
    chosen = tuple(_BY_TEXT[text] for text in _PHRASE.findall(question))
    if not number or not chosen:
        return None
    puzzle = PhrasePuzzle(int(number[1]), chosen)
    return puzzle if puzzle.is_whole else None


PHRASES = Domain(name="phrases", answer="number", make=partial(draw_apart, _draw), recognise=_recognise)
"""One to three operations below 100; a number."""
