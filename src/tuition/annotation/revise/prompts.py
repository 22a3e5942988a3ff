"""Prompts about a student's steps, by name and version. A changed wording is a new version.

The form goes on from `annotation.prompts`: one user message, an instruction, one block. The block has the
question, perhaps the answer, then each step in a line of its own behind `Step 1:`, `Step 2:` and so on; it
ends with what is wanted: `Verdict on step 2:`, `Corrected from step 2:`, `Final answer:` (behind a line
`Stated answer:`), `First wrong step:`, `JSON:` or `Repaired:`. The prompt that asks for an answer alone has
demonstrations like any other, and its last block ends with `Answer:`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tuition.annotation.prompts import VERIFY, answer_line, asked_messages, one_block, question_block, role_of
from tuition.annotation.revise.config import RevisionConfig
from tuition.core.records import Example, Json, Message

__all__ = [
    "ANSWER",
    "CLEAR",
    "CONFIRM",
    "JUDGE_STEP",
    "LOCATE",
    "REPAIR",
    "REVISE",
    "ROLES",
    "answer_messages",
    "is_short",
    "parameters_of",
    "step_messages",
]

ANSWER: Final = "answer/1"
"""Asks for the answer and nothing else."""
JUDGE_STEP: Final = "judge_step/1"
"""Asks whether one step is right."""
REVISE: Final = "revise/1"
"""Asks for the explanation from its first wrong step on."""
CONFIRM: Final = "confirm/1"
"""Asks for the answer behind steps that are right."""
LOCATE: Final = "locate/1"
"""Asks for the first wrong step."""
CLEAR: Final = "clear/1"
"""Asks for the first wrong step, the explanation from there on and the answer, as JSON."""
REPAIR: Final = "repair/1"
"""Asks for the smallest change after which an explanation leads to a given answer."""

_SHORT: Final = frozenset({ANSWER, CONFIRM, JUDGE_STEP, LOCATE})
"""Prompts whose reply is one sentence."""
_FORMAT: Final[Mapping[str, Json]] = {
    "type": "json_schema",
    "json_schema": {
        "name": "revision",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "first_wrong_step": {"type": ["integer", "null"]},
                "corrected_steps": {"type": "array", "items": {"type": "string"}},
                "answer": {"type": "string"},
            },
            "required": ["first_wrong_step", "corrected_steps", "answer"],
            "additionalProperties": False,
        },
    },
}
"""The one object that `CLEAR` asks for, as an endpoint is told that holds itself to a schema."""
_END = "End with one sentence of the form: The answer is X."
_INSTRUCTIONS: Final = {
    ANSWER: "Answer the last question. Write one sentence of the form: The answer is X.",
    JUDGE_STEP: (
        "Below are a question and the first steps of a student's explanation. Decide whether step {k} is "
        "right, given the question and the steps before it. Reply with one sentence of the form: "
        "Step {k} is right. Or: Step {k} is wrong."
    ),
    REVISE: (
        "Below are a question and the first steps of a student's explanation. The steps before step {k} are "
        "right, step {k} is wrong. Write step {k} as it should be and the steps that follow from it, and do "
        f"not repeat the steps before it. {_END}"
    ),
    CONFIRM: (
        "Below are a question, a student's explanation whose steps are right, and the answer that the "
        f"student states. Confirm that answer, or correct it. {_END}"
    ),
    LOCATE: (
        "Below are a question and a student's explanation. Find its first wrong step. Reply with one "
        "sentence of the form: The first wrong step is N. Or: No step is wrong."
    ),
    CLEAR: (
        "Below are a question and a student's explanation. Find its first wrong step, and write that step as "
        "it should be and the steps that follow from it. Reply with one JSON object and nothing else: "
        '{{"first_wrong_step": its number, or null where no step is wrong, "corrected_steps": [the corrected '
        "step and those that follow, one text each; empty where no step is wrong], "
        '"answer": "the answer to the question"}}'
    ),
    REPAIR: (
        "Below are a question, an answer, and a student's explanation that may be wrong. Change as little as "
        "possible, so that every step is right and the steps lead to the answer; keep what is right word for "
        f"word. Write the whole explanation, one step a line, without numbers of your own. {_END}"
    ),
}
_ENDS: Final = {
    JUDGE_STEP: "Verdict on step {k}:",
    REVISE: "Corrected from step {k}:",
    CONFIRM: "Final answer:",
    LOCATE: "First wrong step:",
    CLEAR: "JSON:",
    REPAIR: "Repaired:",
}
"""How the block of a prompt ends."""
ROLES: Final = {
    ANSWER: "solve",
    JUDGE_STEP: "judge_step",
    REVISE: "revise",
    CONFIRM: "confirm",
    LOCATE: "judge_step",
    CLEAR: "revise",
    REPAIR: "revise",
}
"""What calls of a prompt are counted as."""


def answer_messages(example: Example, demonstrations: Sequence[Example] = ()) -> tuple[Message, ...]:
    """Ask for the answer and nothing else."""
    shown = [question_block(item) + answer_line(item) for item in demonstrations]
    asked = f"{question_block(example.last_turn)}\nAnswer:"
    return asked_messages(example, "\n\n".join([_INSTRUCTIONS[ANSWER], *shown, asked]))


def step_messages(
    prompt: str, example: Example, steps: Sequence[str], *, stated: str | None = None
) -> tuple[Message, ...]:
    """Ask about a student's steps, or about the last of those that are given.

    `CONFIRM` shows the answer that the student states, `REPAIR` that of the example.
    """
    block = question_block(example) + (answer_line(example) if prompt == REPAIR else "")
    block += "".join(f"\nStep {i}: {' '.join(step.split())}" for i, step in enumerate(steps, start=1))
    if prompt == CONFIRM:
        block += f"\nStated answer: {'none' if stated is None else one_block(stated)}"
    instruction, end = (text.format(k=len(steps)) for text in (_INSTRUCTIONS[prompt], _ENDS[prompt]))
    return (Message(role="user", content=f"{instruction}\n\n{block}\n{end}"),)


def parameters_of(
    prompt: str, parameters: Mapping[str, Json], revision: RevisionConfig, *, has_json: bool = False
) -> Mapping[str, Json]:
    """Bound the reply where a prompt asks for one sentence; give it a form where it asks for an object."""
    if prompt == CLEAR and has_json:
        return {**parameters, "response_format": _FORMAT}
    if prompt not in _SHORT:
        return parameters
    bound, most = parameters.get("max_tokens"), revision.verdict_tokens
    return {**parameters, "max_tokens": min(most, bound) if isinstance(bound, int) else most}


def is_short(prompt: str) -> bool:
    """Say whether the reply to a prompt is short by design, so that one cut off is not asked for longer."""
    return role_of(prompt) in {role_of(name) for name in (*_SHORT, VERIFY)}
