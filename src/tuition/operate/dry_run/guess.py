"""How things turn out in a dry run: lengths, answers and faults are guessed, the same ones each time."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from tuition.core.budget import EXPECTED_SHARE, LETTERS_PER_TOKEN, LOW_SHARE
from tuition.core.protocols import FixedForm, Task
from tuition.core.records import Example, Json

__all__ = ["EXPECTED", "HIGH", "LONG", "LOW", "OPEN", "Guess", "Said", "hash_of"]

OPEN: Final = ("7", "8", "yes", "no", "x", "y")
"""Answers to open questions of which every kind of task reads two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """How replies, drafts and checks turn out in one dry run."""

    share: float
    """Of `max_tokens`, that a reply uses."""
    letters_per_token: float = LETTERS_PER_TOKEN
    """Of prompts."""
    lengths: Mapping[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    """Tokens of a reply by teacher and prompt, where they were measured; elsewhere `share` holds."""
    disagree: float = 0.0
    """Share of the questions of a round about which teachers and student give different answers, and in whose
    drafts a teacher finds a wrong step."""
    faulty: float = 0.0
    """Share of the other replies that end in a wrong answer, so that filters drop them."""
    faults: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """The same by teacher, where it was measured."""
    steps: int = 4
    """Of a student's draft; 0: it states an answer and explains nothing."""
    at_last: bool = False
    """Whether the wrong step is the last one, which most calls are made to find; else any of them."""
    is_cut: bool = False
    """Whether every reply is cut off, so that it is asked for longer."""
    learns: bool = True
    """Whether the student gets better and stays unsure, so that no stop rule holds."""


LOW: Final = Guess(share=LOW_SHARE, letters_per_token=6.0, steps=0, learns=False)
EXPECTED: Final = Guess(share=EXPECTED_SHARE, disagree=0.5)
LONG: Final = Guess(share=1.0, is_cut=True)
HIGH: Final = Guess(share=1.0, disagree=1.0, faulty=1.0, at_last=True, is_cut=True)


class Said:
    """What the stand-ins for student and teachers answer."""

    def __init__(self, guess: Guess, task: Task) -> None:
        self.guess = guess
        self.fits = 0
        """How often a student was trained."""
        self._task = task
        self._answers: dict[tuple[str, str], tuple[str, str]] = {}

    @property
    def skill(self) -> float:
        """The share of questions that the student answers rightly."""
        return min(1.0, 0.1 + 0.08 * self.fits) if self.guess.learns else 0.1

    def answers(self, example: Example) -> tuple[str, str]:
        """Give two answers that the task reads: what stands for the right one, and another."""
        place = (example.split, example.id)
        found = self._answers.get(place)
        if found is None:
            more = self._task.stand_ins if isinstance(self._task, FixedForm) else ()
            listed = filter(None, dict.fromkeys([example.answer or "", *example.choices, *more, *OPEN]))
            stated = ((one, f"The answer is {one.rstrip('.')}.") for one in listed)
            read = (one for one, text in stated if self._task.read(text, example) is not None)
            found = self._answers[place] = (*islice(read, 2), *OPEN)[:2]
        return found

    def is_disputed(self, example_id: str) -> bool:
        """Say whether teachers and student give different answers to a question of a round."""
        return self.falls(example_id, self.guess.disagree)

    def falls(self, place: str, share: float) -> bool:
        """Say whether something happens that happens in a share of the places."""
        return hash_of(place, "falls") % 1000 < 1000 * share


def hash_of(*parts: Json) -> int:
    """Make a number below 2⁴⁸ of anything that can be written, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=6).digest())
