"""New questions, written by a teacher; what it says of their answers is not read.

Source: EvoKD (arXiv 2403.06414), known by its abstract and by summaries: a teacher writes easy and hard
questions, and labels them in calls of their own. Differs: the words of the prompt are ours.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tuition.annotation.asker import Asker
from tuition.annotation.prompts import one_block, question_block
from tuition.core.records import Example, Message, Request

__all__ = ["WRITE", "questions_in", "write_request"]

WRITE: Final = "write/1"
"""Name and version of the prompt that asks for new questions."""

_WRITE = (
    "Below are questions of one task{lacking}. Write {n} new questions of the same kind and form{wanted}. "
    "Each must be clear by itself and have one right answer. Answer none of them, and repeat none that is "
    "shown. "
    'Write each as one line of JSON, {{"question": "…"}}, with "choices" as a list of texts where the '
    "questions shown have options."
)
_HARD = ", which students get wrong who lack a skill", " that need the skill"
_EASY = "", ", no harder than these"
_TOLD = re.compile(
    r"\n[^\S\n]*(?:(?:right |correct )?answer|solution|explanation|options)\b.*", re.IGNORECASE | re.DOTALL
)
"""What a question ends before: it is not part of it, and may give the answer."""
_IN_LINE = re.compile(r"\b(?:the )?(?:right |correct )?answer(?: is\b|\s*[:=])", re.IGNORECASE)


def write_request(
    asker: Asker, like: Sequence[Example], *, skill: str, n: int, max_tokens: int, sample: int
) -> Request:
    """Ask for new questions that need a skill; without one, for easy ones."""
    lacking, wanted = _HARD if skill else _EASY
    told = [_WRITE.format(n=n, lacking=lacking, wanted=wanted), *map(question_block, like)]
    told += [f"Skill: {one_block(skill)}"] if skill else []
    message = Message(role="user", content="\n\n".join([*told, "New questions:"]))
    asked = asker.request((message,), role="write", prompt=WRITE, max_tokens=max_tokens)
    return dataclasses.replace(asked, sample=sample)


def questions_in(text: str, *, n: int) -> list[tuple[str, tuple[str, ...]]]:
    """Read the new questions and their options out of a reply, at most so many; nothing else of them.

    One that tells its own answer is left out.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    for one in _objects(text):
        asked, listed = one.get("question"), one.get("choices") or []
        if not isinstance(asked, str) or not isinstance(listed, list):
            continue
        question = one_block(_TOLD.sub("", asked.strip()))
        options = [str(item).strip() for item in listed if isinstance(item, str | int | float)]
        is_whole = len(listed) == len({*options} - {""}) != 1
        if question and is_whole and not _IN_LINE.search(question):
            found.append((question, tuple(options)))
    return found[:n]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Find the objects of a reply: one a line, or in a list; what is broken is repaired."""
    lines = [line[line.find("{") : line.rfind("}") + 1] for line in text.splitlines() if "{" in line]
    lines = [line for line in lines if '"question"' in line]
    whole = text[max(text.find("{"), 0) : text.rfind("}") + 1]
    # Of a reply that was cut off the last question is none.
    for part in lines or [f"[{whole}]"]:
        try:
            found = json.loads(part)
        except (json.JSONDecodeError, RecursionError):
            import json_repair

            try:
                found = json_repair.loads(part)
            except (ValueError, RecursionError):
                continue
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, dict):
                yield one
