"""A teacher's hypotheses about a student's errors, and each of them applied to one question.

A hypothesis is a sentence that is true or false of a question. Whether it is true of one is asked in a call
that shows neither the label nor the student's answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tuition.annotation.asker import Asker
from tuition.annotation.prompts import answer_line, one_block, question_block
from tuition.core.records import Example, Message, Reply, Request

__all__ = [
    "APPLIES",
    "DIAGNOSE",
    "MOST_LETTERS",
    "Seen",
    "applies_requests",
    "diagnose_request",
    "hypotheses_of",
    "is_true_of",
]

DIAGNOSE: Final = "diagnose/1"
"""Name and version of the prompt that asks for hypotheses."""
APPLIES: Final = "applies/1"
"""Name and version of the prompt that asks whether a hypothesis is true of a question."""
MOST_LETTERS: Final = 300
"""Of a hypothesis, so that the cost of applying it is bounded before it is known."""

_DIAGNOSE = (
    "Below are questions that a student has answered, and whether each answer was right. Find what the "
    "questions with a wrong answer have in common and those with a right answer do not. Write at most {n} "
    "statements about a question, one a line, each behind `Hypothesis:`. A statement must be decidable from "
    "the text of a question alone."
)
_APPLIES = (
    "Below are a question and a statement about it. Decide whether the statement is true of the question. Do "
    "not answer the question. End with one sentence of the form: The statement is true. Or: The statement is "
    "false."
)
_HYPOTHESIS = re.compile(
    r"^\W*(?:\d+[.)]\s*)?hypothesis(?:\s*\d+)?\W*:\W*(\S.*)$", re.MULTILINE | re.IGNORECASE
)
_SAID = re.compile(r"statement is\W+(not\W+)?(true|false)\b", re.IGNORECASE)
_BARE = re.compile(r"\A()(true|false)\W*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One answer of the student."""

    example: Example
    answer: str
    """As it is shown to a teacher."""
    is_right: bool


def diagnose_request(asker: Asker, seen: Sequence[Seen], *, n: int) -> Request:
    """Ask what the questions have in common that a student gets wrong."""
    blocks = [
        f"{question_block(one.example)}{answer_line(one.example)}\nStudent: {one_block(one.answer)}\n"
        f"Outcome: {'right' if one.is_right else 'wrong'}"
        for one in seen
    ]
    text = "\n\n".join([_DIAGNOSE.format(n=n), *blocks, "Hypotheses:"])
    return asker.request((Message(role="user", content=text),), role="diagnose", prompt=DIAGNOSE)


def hypotheses_of(text: str, *, n: int) -> list[str]:
    """Read the statements out of a reply, at most so many, each once; one that is too long is none."""
    found = dict.fromkeys(" ".join(one.split()) for one in _HYPOTHESIS.findall(text))
    return [one for one in found if len(one) <= MOST_LETTERS][:n]


def applies_requests(asker: Asker, hypothesis: str, examples: Sequence[Example]) -> list[Request]:
    """Ask of each question whether a statement is true of it."""
    asked = f"Statement: {one_block(hypothesis)}\nTrue or false:"
    return [
        asker.request(
            (Message(role="user", content=f"{_APPLIES}\n\n{question_block(example)}\n{asked}"),),
            role="diagnose",
            prompt=APPLIES,
            example_id=example.id,
        )
        for example in examples
    ]


def is_true_of(reply: Reply) -> bool | None:
    """Read whether the statement is true; None: a failure, or unreadable."""
    if reply.failure is not None:
        return None
    said = _SAID.findall(reply.text) or _BARE.findall(reply.text.strip())
    return (said[-1][1].casefold() == "true") != bool(said[-1][0]) if said else None
