"""Prompts by name and version: what a teacher is shown. A changed wording is a new version.

The form is a contract: one user message, a short instruction, then blocks apart by a blank line. A block has
the lines `Question:`, `Options:` with one option a line where there are choices, `Answer:` where it is shown,
and `Explanation:`. The last block is the question asked, ending with `Explanation:`; those before it are
demonstrations.
Text of examples is joined in as data and never read as a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tuition.core.records import Example, Message, option_letter

__all__ = ["PROMPTS", "Prompt"]

_BLANK_LINES = re.compile(r"\s*\n(?:[ \t]*\r?\n)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One way to put a question to a teacher."""

    name: str
    """Name and version, such as `rationale/1`."""
    instruction: str
    """The first paragraph."""
    is_forced: bool
    """Whether the gold answer is shown and only the explanation asked for."""

    def render(self, example: Example, demonstrations: Sequence[Example] = ()) -> tuple[Message, ...]:
        """Write the messages of one question.

        Args:
            example: What is asked; its answer is shown where the prompt is forced.
            demonstrations: Labelled examples to show first.

        Returns:
            One user message.
        """
        shown = [_demonstration(item, is_forced=self.is_forced) for item in demonstrations]
        asked = _question(example) + (_answer(example) if self.is_forced else "") + "\nExplanation:"
        return (Message(role="user", content="\n\n".join([self.instruction, *shown, asked])),)


def _demonstration(example: Example, *, is_forced: bool) -> str:
    if is_forced:
        return _question(example) + _answer(example)
    return f"{_question(example)}\nExplanation: The answer is {_one_block(example.answer or '').rstrip('.')}."


def _question(example: Example) -> str:
    text = _one_block("\n".join(part for part in (example.context, example.question) if part.strip()))
    options = "".join(
        f"\n({option_letter(i)}) {_one_block(choice)}" for i, choice in enumerate(example.choices)
    )
    return f"Question: {text}" + (f"\nOptions:{options}" if options else "")


def _answer(example: Example) -> str:
    return f"\nAnswer: {_one_block(example.answer or '')}"


def _one_block(text: str) -> str:
    """Blank lines part blocks, so that none may stand inside one."""
    return _BLANK_LINES.sub("\n", text.strip())


_RATIONALE = Prompt(
    name="rationale/1",
    instruction=(
        "Below are questions with their right answers. For the last question, explain in a few sentences why "
        "its answer is right. Write the explanation only."
    ),
    is_forced=True,
)
_SOLVE = Prompt(
    name="solve/1",
    instruction=(
        "Answer the last question. Reason step by step, then end with one sentence of the form: "
        "The answer is X."
    ),
    is_forced=False,
)

PROMPTS: Final[Mapping[str, Prompt]] = {prompt.name: prompt for prompt in (_RATIONALE, _SOLVE)}
"""Every prompt by its name and version."""
