"""The parts of a domain of the playground: it makes problems from a seed, and solves them from their text.

Knows no teacher, no split beyond its size, and no single domain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from tuition.core.errors import DataError
from tuition.core.records import Json

__all__ = [
    "PEOPLE",
    "Domain",
    "Problem",
    "Puzzle",
    "Solution",
    "SolutionStep",
    "draw_apart",
    "listed",
    "words",
]


def words(text: str) -> tuple[str, ...]:
    """Cut a text at its blanks."""
    return tuple(text.split())


PEOPLE = words(
    """Ada Ben Cleo Dan Eva Finn Gina Hugo Ida Jan Kira Leo Mia Nils Ona Paul Rosa Sam Tina Uwe Vera Will
    Yara Zeno"""
)
"""First names for all domains."""

_TRIES_PER_PROBLEM = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One question with its answer."""

    question: str
    """All that a teacher may read, but for the choices."""
    answer: str
    """An option's text, a number, yes or no, or a string."""
    choices: tuple[str, ...] = ()
    """Option texts; empty for an open question."""
    record: str = ""
    """The answer as an object of fields, in JSON; empty: there is none."""
    key: str = ""
    """What two wordings of the same problem share; empty: the question's own text."""


@dataclass(frozen=True, slots=True)
class SolutionStep:
    """One step of a solution: a reason and its result."""

    why: str
    """A clause such as `a dozen more`; empty for a plain fact."""
    what: str
    """A clause such as `14 + 12 = 26`, without a full stop."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Steps to an answer."""

    steps: tuple[SolutionStep, ...]
    """In order; the last one holds the answer word for word."""
    answer: str
    """In the form of labels."""


class Puzzle(Protocol):
    """A question that a domain has understood."""

    @property
    def topic(self) -> str:
        """What one must know to solve it, such as a kind of animal; empty: nothing but how to reason."""

    def solve(self, slip: Random | None = None) -> Solution:
        """Reason from the question to the answer; `slip` draws one wrong step, from which the rest follows.

        With a slip the solution may, by luck, still end at the right answer.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One kind of question."""

    name: str
    """As it stands in configurations and in each example."""
    answer: str
    """Form of its answers: number, text, yes_no or choice."""
    make: Callable[[Random, Sequence[int]], list[list[Problem]]]
    """Makes one list a split, of the sizes given; no problem stands in two of them."""
    recognise: Callable[[str], Puzzle | None]
    """Understands a question from its text alone; None: it is none of this domain's."""
    told: Callable[[Puzzle, str], Puzzle] | None = None
    """Takes the labels or fields that a prompt names; None: its answers have a form of their own."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its answers may be and what each means; empty: they are no labels."""
    json_schema: Mapping[str, Json] = field(default_factory=dict)
    """The form of its records; empty: it has none."""


def draw_apart(
    draw: Callable[[Random], Problem | None], rng: Random, sizes: Sequence[int]
) -> list[list[Problem]]:
    """Draw problems for several splits so that none comes twice; a draw may give None."""
    wanted = sum(sizes)
    found: dict[str, Problem] = {}
    for _ in range(wanted * _TRIES_PER_PROBLEM):
        if len(found) == wanted:
            break
        problem = draw(rng)
        if problem:
            found.setdefault((problem.key or problem.question).casefold(), problem)
    if len(found) < wanted:
        raise DataError(
            f"only {len(found)} different problems were found, {wanted} were asked for; ask for fewer."
        )
    problems = list(found.values())
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [problems[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def listed(words: Sequence[str]) -> str:
    """Write words as an English list, such as `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
