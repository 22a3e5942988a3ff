"""How things turn out in a dry run: lengths, answers and faults are guessed, the same ones each time."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tuition.core.budget import EXPECTED_SHARE, LETTERS_PER_TOKEN, LOW_SHARE
from tuition.core.records import Json

__all__ = ["EXPECTED", "HIGH", "LONG", "LOW", "Guess", "hash_of"]


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


def hash_of(*parts: Json) -> int:
    """Make a number below 2⁴⁸ of anything that can be written, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=6).digest())
