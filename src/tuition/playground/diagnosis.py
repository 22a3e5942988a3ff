"""How a teacher program explains a student's errors: by the domains that the questions belong to."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from tuition.playground.second_look import read_prompt
from tuition.playground.world import recognise

__all__ = ["diagnosis"]

_OF: Final = "The question is of the domain"
_STATEMENT = re.compile(rf"^Statement: {_OF} (\w+)", re.MULTILINE)


def diagnosis(text: str) -> str | None:
    """Write hypotheses, or say whether one is true of a question; None: the prompt asks for neither."""
    if text.endswith("\nHypotheses:"):
        blocks = [block for block in text.split("\n\n") if block.startswith("Question:")]
        of = {block: domain for block in blocks if (domain := _domain(block))}
        wrong = Counter(domain for block, domain in of.items() if block.endswith("Outcome: wrong"))
        asked = Counter(of.values())
        worst = sorted(wrong, key=lambda name: (-wrong[name] / asked[name], name))
        return "\n".join(f"Hypothesis: {_OF} {name}." for name in worst) or "I see no pattern."
    if text.endswith("\nTrue or false:"):
        named = _STATEMENT.search(text)
        is_true = named is not None and named[1] == _domain(text.partition("\nStatement:")[0])
        return f"The statement is {'true' if is_true else 'false'}."
    return None


def _domain(block: str) -> str:
    found = recognise(read_prompt(block).question)
    return found[0].name if found else ""
