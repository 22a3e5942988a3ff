"""What the last block of a prompt says and asks for, read from its text alone. Knows no prompt's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Prompted", "Wanted", "read_prompt"]

Wanted = Literal[
    "explanation",
    "answer",
    "conclusion",
    "best",
    "verdict",
    "location",
    "revision",
    "json",
    "final",
    "repair",
]
"""What a prompt asks for."""

_ENDINGS: Final[dict[str, Wanted]] = {
    "Conclusion": "conclusion",
    "Best": "best",
    "Verdict on step": "verdict",
    "Corrected from step": "revision",
    "First wrong step": "location",
    "Final answer": "final",
    "JSON": "json",
    "Repaired": "repair",
}
"""How a prompt with texts to look at ends, and what that asks for."""
_WANTED = re.compile(rf"\n({'|'.join(_ENDINGS)})(?: (\d+))?:\s*$")
_ANSWER_ALONE = re.compile(r"\nAnswer:\s*$")
_END = re.compile(
    r"\n(?:Options|Answer Choices|Answer|Stated answer|Step \d+|Explanation(?: \d+)?"
    rf"|(?:{'|'.join(_ENDINGS)})(?: \d+)?):"
)
_EXPLANATION = re.compile(r"^Explanation(?: \d+)?:", re.MULTILINE)
_STEP = re.compile(r"^Step \d+: *(.*)$", re.MULTILINE)
_OPTION = re.compile(r"^\(([a-z])\) (.+)$", re.MULTILINE)
_ANSWER = re.compile(r"^Answer: *(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prompted:
    """What the last block of a prompt says."""

    question: str
    """Its text, the context included."""
    choices: tuple[str, ...] = ()
    """Option texts; empty where there are none."""
    answer: str | None = None
    """The answer that is shown; None: the teacher must find it."""
    explanations: tuple[str, ...] = ()
    """Texts to look at; empty: the teacher writes one itself, or looks at steps."""
    wanted: Wanted = "explanation"
    """What the prompt ends with, and so asks for."""
    steps: tuple[str, ...] = ()
    """Steps to look at, without their labels; a revision goes on behind all of them but the last."""


def read_prompt(text: str) -> Prompted:
    """Read the last question of a prompt.

    A prompt has blocks of `Question:`, perhaps `Options:`, `Answer:`, `Explanation:`, the last of which may
    end with `Answer:`; or one block with explanations, or with steps in lines behind `Step 1:` and so on, and
    a line at its end that says what is wanted, such as `Best:`. A text without `Question:` is a question.
    """
    asked = _WANTED.search(text)
    block = text[: asked.start() + 1].partition("Question:")[2] if asked else text.rpartition("Question:")[2]
    end = _END.search(block)
    rest = block[end.start() :] if end else ""
    first_step = _STEP.search(rest)
    head, *explanations = _EXPLANATION.split(rest[: first_step.start()] if first_step else rest)
    answer = _ANSWER.search(head)
    is_bare = _ANSWER_ALONE.search(text) is not None
    return Prompted(
        question=block[: end.start() if end else None].strip() if "Question:" in text else text.strip(),
        choices=tuple(match[2].strip() for match in _OPTION.finditer(head)),
        answer=answer[1].strip() if answer else None,
        explanations=tuple(part.strip() for part in explanations) if asked else (),
        wanted=_ENDINGS[asked[1]] if asked else "answer" if is_bare else "explanation",
        steps=tuple(match[1].strip() for match in _STEP.finditer(rest)) if asked else (),
    )
