"""What skills the questions of a task take, which of them a question needs, and which a wrong text lacks.

Source: STAT (arXiv 2510.10023), known by its abstract: a teacher names skills, and says which ones a
student's texts do not show. Differs: the words of all three prompts are ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tuition.annotation.asker import Asker
from tuition.annotation.prompts import answer_line, one_block, question_block
from tuition.core.records import Example, Message, Request
from tuition.core.texts.nearest import words

__all__ = [
    "MISSES",
    "NEEDS",
    "SKILLS",
    "misses_request",
    "named_of",
    "needs_request",
    "skills_of",
    "skills_request",
]

SKILLS: Final = "skills/1"
"""Name and version of the prompt that asks what skills there are."""
NEEDS: Final = "needs/1"
"""Name and version of the prompt that asks which of them a question needs."""
MISSES: Final = "misses/1"
"""Name and version of the prompt that asks which of them a student's wrong text lacks."""

_MOST_LETTERS = 120
"""Of a skill: a few words."""
_SKILLS = (
    "Below are questions of one task. Name the skills that answering them takes, at most {n}: each in a few "
    "words, none within another, and so that a question needs one or two of them. Write one a line, each "
    "behind `Skill:`."
)
_NEEDS = (
    "Below are a list of skills and a question. Say which skills of the list answering the question needs. "
    "Do not answer the question. Write one a line, each behind `Skill:`, in the words of the list."
)
_MISSES = (
    "Below are a list of skills, and a question with its right answer and what a student wrote about it, who "
    "came to another answer. Say which skills of the list the student's text lacks or applies wrongly. Write "
    "one a line, each behind `Skill:`, in the words of the list."
)
_SKILL = re.compile(r"^\W*(?:\d+[.)]\s*)?skill(?:\s*\d+)?\W*:\W*(\S.*?)[\s.]*$", re.MULTILINE | re.IGNORECASE)


def skills_request(asker: Asker, examples: Sequence[Example], *, n: int) -> Request:
    """Ask what skills some questions of a task take."""
    text = "\n\n".join([_SKILLS.format(n=n), *map(question_block, examples), "Skills:"])
    return _request(asker, text, prompt=SKILLS)


def needs_request(asker: Asker, skills: Sequence[str], example: Example) -> Request:
    """Ask which skills a question needs."""
    text = f"{_NEEDS}\n\n{_listed(skills)}\n\n{question_block(example)}\nNeeded skills:"
    return _request(asker, text, prompt=NEEDS, example_id=example.id)


def misses_request(asker: Asker, skills: Sequence[str], example: Example, *, said: str) -> Request:
    """Ask which skills the student lacks who wrote a text about a question."""
    asked = f"{question_block(example)}{answer_line(example)}\nStudent: {one_block(said) or '?'}"
    text = f"{_MISSES}\n\n{_listed(skills)}\n\n{asked}\nMissing skills:"
    return _request(asker, text, prompt=MISSES, example_id=example.id)


def skills_of(text: str, *, n: int) -> list[str]:
    """Read the skills out of a reply, at most so many, each once; one that is too long is none."""
    found: dict[str, str] = {}
    for one in _SKILL.findall(text):
        found.setdefault(" ".join(words(one)), " ".join(one.split()))
    return [one for one in found.values() if len(one) <= _MOST_LETTERS][:n]


def named_of(text: str, skills: Sequence[str]) -> list[str]:
    """Read which skills of a list a reply names; what is not of the list is left out."""
    known = {" ".join(words(one)): one for one in skills}
    said = (" ".join(words(one)) for one in _SKILL.findall(text))
    return list(dict.fromkeys(known[one] for one in said if one in known))


def _listed(skills: Sequence[str]) -> str:
    return "\n".join(["Skills of the list:", *(f"- {skill}" for skill in skills)])


def _request(asker: Asker, text: str, *, prompt: str, example_id: str = "") -> Request:
    message = Message(role="user", content=text)
    return asker.request((message,), role="diagnose", prompt=prompt, example_id=example_id)
