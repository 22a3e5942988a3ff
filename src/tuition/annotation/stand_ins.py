"""Texts that stand for replies in a dry run, in the form that the reader of each prompt accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from tuition.annotation.prompts import JUDGE
from tuition.annotation.revise.prompts import CLEAR, JUDGE_STEP, LOCATE

__all__ = ["StandIn", "filler", "stand_in_text"]

_TEXT: Final = """
    lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod tempor incididunt labore dolore magna
    aliqua enim minim veniam quis nostrud exercitation ullamco laboris nisi aliquip commodo consequat duis
    aute irure reprehenderit voluptate velit esse cillum fugiat nulla pariatur excepteur sint occaecat
"""
_WORDS: Final = _TEXT.split()
"""Words that no reader takes for an answer, a verdict or a step's number."""
_SENTENCE_WORDS: Final = 12
_LEAST_LETTERS: Final = 40
"""Of an explanation that no check calls empty."""
_ASKED = re.compile(r"Verdict on step (\d+):\s*$")
_STEP = re.compile(r"^Step \d+:", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """What a text is to say, and how long it is to be."""

    answer: str
    """What it concludes."""
    letters: int
    """Its length, more or less."""
    wrong_step: int = 0
    """Number, from 1, of the step that a verdict calls the first wrong one; 0: none is wrong."""
    seed: str = ""
    """Equal seeds give equal words."""

    @property
    def closing(self) -> str:
        """The sentence that states the answer."""
        return f"The answer is {self.answer.rstrip('.')}."


def filler(letters: int, seed: str, *, steps: int = 0) -> str:
    """Write sentences that say nothing, each in a line of its own; `steps` of them, or as long a text."""
    draw = Random(seed)
    words = max(steps, letters // 7)
    lines = steps or -(-words // _SENTENCE_WORDS)
    sizes = [words // lines + (i < words % lines) for i in range(lines)] if lines else []
    return "\n".join(f"{' '.join(draw.choices(_WORDS, k=size)).capitalize()}." for size in sizes)


def stand_in_text(prompt: str, asked: str, wanted: StandIn) -> str:
    """Write a reply to a prompt."""
    return _VERDICTS.get(prompt, _explained)(asked, wanted)


def _explained(_: str, wanted: StandIn) -> str:
    body = filler(max(_LEAST_LETTERS, wanted.letters - len(wanted.closing)), wanted.seed)
    return f"{body}\n{wanted.closing}"


def _judged(_: str, wanted: StandIn) -> str:
    return f"{filler(wanted.letters - 30, wanted.seed)} The best explanation is 1.".strip()


def _step_judged(asked: str, wanted: StandIn) -> str:
    found = _ASKED.search(asked)
    k = int(found[1]) if found else 1
    return f"Step {k} is {'wrong' if k == wanted.wrong_step else 'right'}."


def _located(asked: str, wanted: StandIn) -> str:
    k = min(wanted.wrong_step, len(_STEP.findall(asked)))
    return f"The first wrong step is {k}." if k else "No step is wrong."


def _cleared(asked: str, wanted: StandIn) -> str:
    k = min(wanted.wrong_step, len(_STEP.findall(asked)))
    steps = filler(wanted.letters, wanted.seed, steps=1).splitlines() if k else []
    return json.dumps({"first_wrong_step": k or None, "corrected_steps": steps, "answer": wanted.answer})


_VERDICTS: Final[Mapping[str, Callable[[str, StandIn], str]]] = {
    JUDGE: _judged,
    JUDGE_STEP: _step_judged,
    LOCATE: _located,
    CLEAR: _cleared,
}
"""By prompt, where the reply is no explanation with an answer behind it."""
