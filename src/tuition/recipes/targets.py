"""Turn examples and annotations into what the student learns to write, and into what it is asked.

Knows the texts, and nothing of tokens or weights of a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tuition.annotation import without_closing
from tuition.core.records import Annotation, Example, Target, option_letter

__all__ = [
    "ANSWER_PREFIX",
    "RATIONALE_PREFIX",
    "answer_targets",
    "chain_targets",
    "question_text",
    "questions",
    "rationale_targets",
]

ANSWER_PREFIX = "predict: "
"""Instruction for the answer alone, as in the published code."""
RATIONALE_PREFIX = "explain: "
"""Instruction for a rationale, where a teacher's table names no other."""

_UNASKED = "?"
"""Stands where a question has no target; nothing reads it."""


def question_text(example: Example) -> str:
    """Write a question as the student reads it: the question, then its choices by letter.

    Source: the input form of TinyLLM's published code.

    Args:
        example: The question; its context stays apart, so that it can be cut first.

    Returns:
        The text, without instruction and context.
    """
    if not example.choices:
        return example.question
    choices = [f"({option_letter(i)}) {choice}" for i, choice in enumerate(example.choices)]
    return "\n".join([example.question, "Answer Choices:", *choices])


def questions(examples: Iterable[Example], prefix: str) -> list[Target]:
    """Ask the student.

    Args:
        examples: What to ask.
        prefix: The instruction.

    Returns:
        Targets whose output is not looked at.
    """
    return [
        Target(example=example, prefix=prefix, input=question_text(example), output=_UNASKED)
        for example in examples
    ]


def answer_targets(examples: Iterable[Example], *, weight: float) -> list[Target]:
    """Make the answer objective, L_A.

    Args:
        examples: With labels; one without is passed over.
        weight: γ.

    Returns:
        One target a labelled example: the label's text.
    """
    return [
        Target(
            example=example,
            prefix=ANSWER_PREFIX,
            input=question_text(example),
            output=example.answer,
            weight=weight,
            objective="answer",
        )
        for example in examples
        if example.answer is not None
    ]


def rationale_targets(
    examples: Mapping[str, Example],
    annotations: Iterable[Annotation],
    *,
    prefixes: Mapping[str, str],
    weights: Mapping[str, float],
    one_objective: bool = False,
) -> list[Target]:
    """Make the rationale objectives, one L_m a teacher.

    Args:
        examples: By id.
        annotations: Kept ones; each is one target, so that a teacher's objective averages over what it has.
        prefixes: Instruction by teacher.
        weights: α by teacher.
        one_objective: Average all rationales together, whoever wrote them, for routes that give an example
            one.

    Returns:
        One target an annotation.
    """
    return [
        Target(
            example=examples[annotation.example_id],
            prefix=prefixes[annotation.teacher],
            input=question_text(examples[annotation.example_id]),
            output=annotation.rationale,
            weight=weights[annotation.teacher],
            objective="rationale" if one_objective else f"rationale:{annotation.teacher}",
        )
        for annotation in annotations
    ]


def chain_targets(
    examples: Mapping[str, Example],
    annotations: Iterable[Annotation],
    *,
    weights: Mapping[str, float],
) -> list[Target]:
    """Make the chain objective: the rationale, and behind it the answer.

    An answer the teacher closed with gives way to the chain's own end. The label closes the chain; where an
    example has none, the teacher's own answer does, and without that there is no target.

    Args:
        examples: By id.
        annotations: Kept ones.
        weights: α by teacher.

    Returns:
        One target an annotation that has an answer to end in.
    """
    targets: list[Target] = []
    for annotation in annotations:
        example = examples[annotation.example_id]
        answer = example.answer if example.answer is not None else annotation.answer
        steps = without_closing(annotation.rationale)
        if answer is not None and steps:
            targets.append(
                Target(
                    example=example,
                    prefix=RATIONALE_PREFIX,
                    input=question_text(example),
                    output=f"{steps}\nThe answer is {answer}.",
                    weight=weights[annotation.teacher],
                    objective="chain",
                )
            )
    return targets
