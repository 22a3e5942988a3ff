"""Dates: days and weeks on or back from a date, inside one year or over its end. Knows no teacher.

No question crosses the end of February, so that leap years never matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from random import Random

from tuition.playground.domain import Domain, Problem, Solution, SolutionStep, draw_apart, words

__all__ = ["DATES", "MONTHS", "MONTH_DAYS", "DatePuzzle"]

MONTHS = words("January February March April May June July August September October November December")
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LENGTHS = dict(zip(MONTHS, MONTH_DAYS, strict=True))
_WORDINGS = (
    ("Today is {date}. Which date is {span} from now?", "Today is {date}. Which date was {span} ago?"),
    ("It is {date}. What is the date in {span}?", "It is {date}. What was the date {span} ago?"),
    (
        "A ship sails on {date} and lands {span} later. On which date?",
        "A ship lands on {date}. It sailed {span} before. On which date?",
    ),
    ("Which date comes {span} after {date}?", "Which date comes {span} before {date}?"),
)
_DATE = re.compile(rf"\b({'|'.join(MONTHS)}) (\d{{1,2}})\b")
_SPAN = re.compile(r"\b(\d{1,2}) (day|week)s?\b")
_BACK = re.compile(r"\b(?:ago|before)\b")


@dataclass(frozen=True, slots=True)
class DatePuzzle:
    """A date question, understood."""

    month: str
    """English name."""
    day: int
    """From 1."""
    count: int
    """How many units, at least 1."""
    unit: str
    """day or week."""
    is_back: bool
    """Whether one counts towards the past."""
    topic: str = ""
    """Nothing must be known."""

    def solve(self, slip: Random | None = None) -> Solution:
        """Count the days, then look at the end of the month; a slip gets the sum wrong."""
        off = slip.choice((-2, -1, 1, 2)) if slip else 0
        days = self.count * 7 if self.unit == "week" else self.count
        span = f"{self.count} {self.unit}{'s' if self.count > 1 else ''}"
        weeks = [SolutionStep(span, f"{self.count} * 7 = {days} days")] if self.unit == "week" else []
        steps, answer = self._back(days, off) if self.is_back else self._on(days, off)
        return Solution((*weeks, *steps), answer)

    def _on(self, days: int, off: int) -> tuple[list[SolutionStep], str]:
        length = _LENGTHS[self.month]
        day = max(1, self.day + days + off)
        steps = [SolutionStep(f"Count on from {self.month} {self.day}", f"{self.day} + {days} = {day}")]
        if day <= length:
            answer = f"{self.month} {day}"
            return [*steps, SolutionStep(f"{self.month} has {length} days", answer)], answer
        answer = f"{_neighbour(self.month, 1)} {day - length}"
        over = SolutionStep(f"{self.month} has {length} days", f"{day} - {length} = {day - length}")
        return [*steps, over, SolutionStep("The next month", answer)], answer

    def _back(self, days: int, off: int) -> tuple[list[SolutionStep], str]:
        if days < self.day:
            day = min(_LENGTHS[self.month], max(1, self.day - days + off))
            answer = f"{self.month} {day}"
            step = SolutionStep(f"Count back from {self.month} {self.day}", f"{self.day} - {days} = {day}")
            return [step, SolutionStep("The month stays", answer)], answer
        month = _neighbour(self.month, -1)
        left = max(0, days - self.day + off)
        answer = f"{month} {_LENGTHS[month] - left}"
        return [
            SolutionStep(
                f"Count back from {self.month} {self.day}", f"{days} - {self.day} = {left} days left"
            ),
            SolutionStep(
                f"{month} has {_LENGTHS[month]} days",
                f"{_LENGTHS[month]} - {left} = {_LENGTHS[month] - left}",
            ),
            SolutionStep("The month before", answer),
        ], answer


def _neighbour(month: str, by: int) -> str:
    return MONTHS[(MONTHS.index(month) + by) % 12]


def _is_plain(puzzle: DatePuzzle) -> bool:
    month, _, day = puzzle.solve().answer.partition(" ")
    is_leap_matter = month != puzzle.month and "February" in (puzzle.month if not puzzle.is_back else month)
    return not is_leap_matter and 1 <= int(day) <= _LENGTHS[month]


def _draw(rng: Random) -> Problem | None:
    month = rng.choice(MONTHS)
    unit = rng.choice(("day", "day", "day", "week"))
    count = rng.randint(1, 4) if unit == "week" else rng.randint(2, 28)
    puzzle = DatePuzzle(month, rng.randint(1, _LENGTHS[month]), count, unit, rng.random() < 0.4)
    if not _is_plain(puzzle):
        return None
    wording = rng.choice(_WORDINGS)[puzzle.is_back]
    date = f"{month} {puzzle.day}"
    span = f"{count} {unit}{'s' if count > 1 else ''}"
    question = wording.format(date=date, span=span)
    return Problem(question=question, answer=puzzle.solve().answer, key=f"{date} {span} {puzzle.is_back}")


def _recognise(question: str) -> DatePuzzle | None:
    date, span = _DATE.search(question), _SPAN.search(question)
    if not date or not span or not 1 <= int(date[2]) <= _LENGTHS[date[1]] or int(span[1]) < 1:
        return None
    puzzle = DatePuzzle(date[1], int(date[2]), int(span[1]), span[2], bool(_BACK.search(question)))
    return puzzle if _is_plain(puzzle) else None


DATES = Domain(name="dates", answer="text", make=partial(draw_apart, _draw), recognise=_recognise)
"""One to 28 days, or up to four weeks; a text such as `March 24`."""
