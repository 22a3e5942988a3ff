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
    "answer_messages",
    "clear_messages",
    "confirm_messages",
    "is_short",
    "judge_step_messages",
    "locate_messages",
    "parameters_of",
    "repair_messages",
    "revise_messages",
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


def _message(name: str, block: str, *, k: int = 0) -> tuple[Message, ...]:
    return (Message(role="user", content=f"{_INSTRUCTIONS[name].format(k=k)}\n\n{block}"),)


def _steps(steps: Sequence[str]) -> str:
    return "".join(f"\nStep {i}: {' '.join(step.split())}" for i, step in enumerate(steps, start=1))


def answer_messages(example: Example, demonstrations: Sequence[Example] = ()) -> tuple[Message, ...]:
    """Ask for the answer and nothing else."""
    shown = [question_block(item) + answer_line(item) for item in demonstrations]
    [asked] = _message(ANSWER, "\n\n".join([*shown, f"{question_block(example.last_turn)}\nAnswer:"]))
    return asked_messages(example, asked.content)


def judge_step_messages(example: Example, steps: Sequence[str]) -> tuple[Message, ...]:
    """Ask whether the last of some steps is right, given those before it."""
    k = len(steps)
    return _message(JUDGE_STEP, f"{question_block(example)}{_steps(steps)}\nVerdict on step {k}:", k=k)


def revise_messages(example: Example, steps: Sequence[str]) -> tuple[Message, ...]:
    """Ask for an explanation from its first wrong step on."""
    k = len(steps)
    return _message(REVISE, f"{question_block(example)}{_steps(steps)}\nCorrected from step {k}:", k=k)


def confirm_messages(example: Example, steps: Sequence[str], stated: str | None) -> tuple[Message, ...]:
    """Ask what the answer behind right steps is."""
    answer = "none" if stated is None else one_block(stated)
    return _message(
        CONFIRM, f"{question_block(example)}{_steps(steps)}\nStated answer: {answer}\nFinal answer:"
    )


def locate_messages(example: Example, steps: Sequence[str]) -> tuple[Message, ...]:
    """Ask for the first wrong step."""
    return _message(LOCATE, f"{question_block(example)}{_steps(steps)}\nFirst wrong step:")


def clear_messages(example: Example, steps: Sequence[str]) -> tuple[Message, ...]:
    """Ask for the first wrong step, what should stand from there on, and the answer, as JSON."""
    return _message(CLEAR, f"{question_block(example)}{_steps(steps)}\nJSON:")


def repair_messages(example: Example, steps: Sequence[str]) -> tuple[Message, ...]:
    """Ask for the smallest change after which an explanation leads to the example's answer."""
    return _message(REPAIR, f"{question_block(example)}{answer_line(example)}{_steps(steps)}\nRepaired:")


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
