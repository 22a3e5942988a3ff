"""How a teacher program explains a student's errors and writes questions: by the domains of questions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container
from random import Random
from typing import Final

from tuition.playground.domains import DOMAINS
from tuition.playground.second_look import read_prompt
from tuition.playground.world import recognise

__all__ = ["diagnosis", "new_questions"]

_OF: Final = "The question is of the domain"
_STATEMENT = re.compile(rf"^Statement: {_OF} (\w+)", re.MULTILINE)
_SKILL: Final = "Skill: reasoning about"
_ASKED_SKILL = re.compile(rf"^{_SKILL} (\w+)", re.MULTILINE)
_HOW_MANY = re.compile(r"Write (\d+) new questions")


def diagnosis(text: str) -> str | None:
    """Write hypotheses or skills, or say which are true of a question; None: the prompt asks for neither."""
    blocks = [block for block in text.split("\n\n") if block.startswith("Question:")]
    of = {block: domain for block in blocks if (domain := _domain(block))}
    asked = Counter(of.values())
    if text.endswith("\nHypotheses:"):
        wrong = Counter(domain for block, domain in of.items() if block.endswith("Outcome: wrong"))
        worst = sorted(wrong, key=lambda name: (-wrong[name] / asked[name], name))
        return "\n".join(f"Hypothesis: {_OF} {name}." for name in worst) or "I see no pattern."
    if text.endswith("\nTrue or false:"):
        named = _STATEMENT.search(text)
        is_true = named is not None and named[1] == _domain(text.partition("\nStatement:")[0])
        return f"The statement is {'true' if is_true else 'false'}."
    if text.endswith(("\nSkills:", "\nNeeded skills:", "\nMissing skills:")):
        return "\n".join(f"{_SKILL} {name}." for name in sorted(asked)) or "I know of none."
    return None


def new_questions(text: str, *, knows: Container[str], seed: str) -> str | None:
    """Write questions of the domain that a skill names, or of those shown; None: it is asked for none."""
    if not text.endswith("\nNew questions:"):
        return None
    named, n = _ASKED_SKILL.search(text), _HOW_MANY.search(text)
    shown = dict.fromkeys(_domain(block) for block in text.split("\n\n") if block.startswith("Question:"))
    names = [name for name in ([named[1]] if named else shown) if name in DOMAINS and name in knows]
    if not names:
        return "I cannot write such questions."
    rng = Random(f"{seed}/{text}")
    rows = []
    for i in range(int(n[1]) if n else 1):
        [[problem]] = DOMAINS[names[i % len(names)]].make(rng, [1])
        rows.append({"question": problem.question, "choices": problem.choices})
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def _domain(block: str) -> str:
    found = recognise(read_prompt(block.partition("\nNeeded skills:")[0]).question)
    return found[0].name if found else ""
