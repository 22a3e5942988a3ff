"""Texts that stand for replies in a dry run, in the form that the reader of each prompt accepts."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Final

from tuition.annotation.invent.skills import MISSES, NEEDS, SKILLS
from tuition.annotation.invent.write import WRITE
from tuition.annotation.prompts import JUDGE, role_of
from tuition.annotation.revise.prompts import CLEAR, JUDGE_STEP, LOCATE

__all__ = ["filler", "hidden_letters", "is_verdict", "stand_in_text"]

_TEXT: Final = """
    lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod tempor incididunt labore dolore magna
    aliqua enim minim veniam quis nostrud exercitation ullamco laboris nisi aliquip commodo consequat duis
    aute irure reprehenderit voluptate velit esse cillum fugiat nulla pariatur excepteur sint occaecat
"""
_WORDS: Final = _TEXT.split()
"""Words that no reader takes for an answer, a verdict or a step's number."""
_LINE_WORDS: Final = 8
_MARK: Final = "zzq"
"""How the word begins that holds a number, written in two letters: digits would be read as answers."""
_DIGITS: Final = str.maketrans("01", "jk")
_LETTERS: Final = str.maketrans("jk", "01")
_HIDDEN: Final = re.compile(rf"\b{_MARK}([jk]+)\b")
_ASKED = re.compile(r"Verdict on step (\d+):\s*$")
_STEP = re.compile(r"^Step \d+:", re.M)
_LISTED = re.compile(r"^- (.+)$", re.M)
_HOW_MANY = re.compile(r"(?:at most|Write) (\d+)\b")


def filler(letters: int, seed: str, *, steps: int = 0) -> str:
    """Write a text that says nothing and stands for one of so many letters, in so many steps.

    It is short, so that reading it costs little: each line ends in a word that holds the number of letters
    that the line stands for beyond its own (see `hidden_letters`).
    """
    draw = Random(seed)
    lines: list[str] = []
    for _ in range(max(1, steps)):
        words = " ".join(draw.choices(_WORDS, k=_LINE_WORDS)).capitalize()
        more = max(0, letters // max(1, steps) - len(words))
        lines.append(f"{words} {_MARK}{more:b}.".translate(_DIGITS))
    return "\n".join(lines)


def hidden_letters(text: str) -> int:
    """Count the letters that the lines of `filler` in a text stand for beyond their own."""
    return sum(int(found.translate(_LETTERS), 2) for found in _HIDDEN.findall(text))


def is_verdict(prompt: str) -> bool:
    """Say whether a prompt asks for a verdict alone, and for no answer to the question."""
    return role_of(prompt) in map(role_of, (JUDGE, JUDGE_STEP, LOCATE))


def stand_in_text(prompt: str, asked: str, *, answer: str, letters: int, wrong_step: int, seed: str) -> str:
    """Write a reply of so many letters, more or less; equal seeds give equal words.

    A verdict calls the step of that number, from 1, the first wrong one; 0: none is wrong.
    """
    # A user's own prompt may write steps in another way: those of a stand-in student have a mark each.
    steps = len(_STEP.findall(asked)) or len(_HIDDEN.findall(asked))
    k = min(wrong_step, steps)
    role = role_of(prompt)
    if role == role_of(JUDGE):
        return f"{filler(letters - 30, seed)} The best explanation is 1.".strip()
    if role == role_of(JUDGE_STEP):
        found = _ASKED.search(asked)
        step = int(found[1]) if found else max(1, steps)
        return f"Step {step} is {'wrong' if step == wrong_step else 'right'}."
    if role == role_of(LOCATE):
        return f"The first wrong step is {k}." if k else "No step is wrong."
    if role == role_of(CLEAR):
        own = filler(letters, seed, steps=1).splitlines() if k else []
        return json.dumps({"first_wrong_step": k or None, "corrected_steps": own, "answer": answer})
    if role in map(role_of, (SKILLS, NEEDS, MISSES, WRITE)):
        return _invented(role, asked, letters=letters, seed=seed)
    closing = f"The answer is {answer.rstrip('.')}."
    return f"{filler(letters - len(closing), seed)}\n{closing}"


def _invented(role: str, asked: str, *, letters: int, seed: str) -> str:
    """Name every skill that there may be, or write as many questions as are wanted."""
    if role in (role_of(NEEDS), role_of(MISSES)):
        return "\n".join(f"Skill: {skill}" for skill in _LISTED.findall(asked))
    found = _HOW_MANY.search(asked)
    n = int(found[1]) if found else 1
    if role == role_of(SKILLS):
        return "\n".join(f"Skill: {filler(0, f'skill {i}')}" for i in range(n))
    return "\n".join(json.dumps({"question": filler(letters // n, f"{seed}/{i}")}) for i in range(n))
