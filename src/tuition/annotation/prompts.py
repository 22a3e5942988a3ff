"""Prompts by name and version: what a teacher is shown. A changed wording is a new version.

The form is a contract: one user message, a short instruction, then blocks apart by a blank line. A block has
the lines `Question:`, `Options:` with one option a line where there are choices, `Answer:` where it is shown,
and `Explanation:`. The last block is the question asked, ending with `Explanation:`; those before it are
demonstrations. Where a teacher looks at what was written, there is one block alone: with the text behind
`Explanation:` and ending with `Conclusion:`, or with several behind `Explanation 1:`, `Explanation 2:` and so
on and ending with `Best:`; or with a student's steps, as `annotation.revise.prompts` has it.
Where a student's answer is told, `Model's Prediction:` and `Model's Confidence:` stand before `Explanation:`.
Of a conversation the earlier turns are messages of their own and the last one is the question asked; where it
stands in a block with other texts, and among demonstrations, it is written out whole.
Text of examples is joined in as data and never read as a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tuition.core.records import Example, Message, Prediction, option_letter
from tuition.core.texts.steps import before_spill

__all__ = [
    "JUDGE",
    "PROMPTS",
    "RECEIPT",
    "VERIFY",
    "Prompt",
    "answer_line",
    "asked_messages",
    "blanks_of",
    "judge_messages",
    "one_block",
    "options_of",
    "question_block",
    "receipt_of",
    "role_of",
    "verify_messages",
]

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

    def render(
        self, example: Example, demonstrations: Sequence[Example] = (), *, receipt: str = ""
    ) -> tuple[Message, ...]:
        """Write the messages of one question: one user message, behind the earlier turns of a conversation.

        Its answer is shown where the prompt is forced; `receipt` is what a student has said about it, as
        `receipt_of` writes it.
        """
        shown: list[str] = []
        for item in demonstrations:
            told = f"\nExplanation: The answer is {one_block(item.answer or '').rstrip('.')}."
            shown.append(question_block(item) + (answer_line(item) if self.is_forced else told))
        asked = question_block(example.last_turn) + (answer_line(example) if self.is_forced else "")
        return asked_messages(
            example, "\n\n".join([self.instruction, *shown, f"{asked}{receipt}\nExplanation:"])
        )


def asked_messages(example: Example, text: str) -> tuple[Message, ...]:
    """Put a text about the last turn of a conversation behind the earlier turns."""
    return (*example.messages[:-1], Message(role="user", content=text))


def question_block(example: Example) -> str:
    """Write how a block begins: the question, and its options where it has any."""
    text = one_block("\n".join(part for part in (example.context, example.question) if part.strip()))
    options = options_of(example)
    return f"Question: {text}" + (f"\nOptions:\n{options}" if options else "")


def options_of(example: Example) -> str:
    """Write the choices, one a line behind its letter."""
    return "\n".join(f"({option_letter(i)}) {one_block(choice)}" for i, choice in enumerate(example.listed))


def answer_line(example: Example) -> str:
    """Write the line of a block that shows the answer."""
    return f"\nAnswer: {one_block(example.answer or '')}"


def receipt_of(prediction: Prediction, confidence: float | None) -> str:
    """Write the lines of a block that tell a student's answer; `?` stands where it has none."""
    told = one_block(prediction.answer or "?")
    return f"\nModel's Prediction: {told}\nModel's Confidence: {confidence or 0.0:.3f}"


def one_block(text: str) -> str:
    """Leave out blank lines: they part blocks, so that none may stand inside one."""
    text = text.strip()
    return _BLANK_LINES.sub("\n", text) if "\n" in text else text


def role_of(prompt: str) -> str:
    """Give what a prompt is for, by which a user's own one is named: `solve` of `solve/1`."""
    return prompt.partition("/")[0]


def blanks_of(
    example: Example, demonstrations: Iterable[Example] = (), /, **more: object
) -> dict[str, object]:
    """Give what a user's own prompt may fill in about an example; `BLANKS` says which prompt has which."""
    filled: dict[str, object] = {
        "question": example.question,
        "context": example.context,
        "choices": example.choices,
        "options": options_of(example),
        "label": example.answer or "",
    }
    return {**filled, "examples": [blanks_of(item) for item in demonstrations], **more}


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

RECEIPT: Final = Prompt(
    name="receipt/1",
    instruction=(
        "Answer the last question. A small model that was trained for this task has answered it before: use "
        "its prediction as a reference, and its confidence, from 0 to 1, as the share of such predictions "
        "that are right. Reason step by step, then end with one sentence of the form: The answer is X."
    ),
    is_forced=False,
)
"""The prompt that tells a student's answer and how sure it is.

Source: SuperContext (arXiv 2312.15918): prediction and confidence of a fine-tuned model in the prompt.
Differs: the words are ours; the second part, which asks how much that mattered, is left out.
"""

VERIFY: Final = "verify/1"
"""Name and version of the prompt that asks what follows from a rationale."""
JUDGE: Final = "judge/1"
"""Name and version of the prompt that asks which of several rationales is best."""

_VERIFY_INSTRUCTION = (
    "Below are a question and an explanation. Decide what the explanation leads to: take its steps as they "
    "stand, add none of your own, and correct nothing. End with one sentence of the form: The answer is X."
)
_JUDGE_INSTRUCTION = (
    "Below are a question and several explanations. Decide which explanation is best: every step is right, "
    "the steps lead to the answer, and nothing is missing or idle. End with one sentence of the form: "
    "The best explanation is N."
)


def verify_messages(example: Example, rationale: str) -> tuple[Message, ...]:
    """Ask what follows from a rationale alone; the label is not shown."""
    block = f"{question_block(example)}\nExplanation: {one_block(before_spill(rationale))}\nConclusion:"
    return (Message(role="user", content=f"{_VERIFY_INSTRUCTION}\n\n{block}"),)


def judge_messages(example: Example, rationales: Sequence[str]) -> tuple[Message, ...]:
    """Ask which rationale is best."""
    shown = "".join(
        f"\nExplanation {i}: {one_block(before_spill(text))}" for i, text in enumerate(rationales, start=1)
    )
    answer = "" if example.answer is None else answer_line(example)
    block = f"{question_block(example)}{answer}{shown}\nBest:"
    return (Message(role="user", content=f"{_JUDGE_INSTRUCTION}\n\n{block}"),)
