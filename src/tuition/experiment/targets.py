"""Turn examples and annotations into what the student learns to write, and into what it is asked.

Knows the texts, and nothing of tokens or weights of a model.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from tuition.annotation import without_closing
from tuition.core.errors import DataError, some_of
from tuition.core.protocols import Task
from tuition.core.records import Annotation, Example, Target, option_letter

__all__ = [
    "ANSWER_PREFIX",
    "FIND",
    "RATIONALE_PREFIX",
    "AnswerForm",
    "answer_targets",
    "answer_targets_of",
    "answer_text",
    "answered",
    "asked_to_find",
    "chain_targets",
    "choice_of_letter",
    "choices_in",
    "option_texts",
    "question_text",
    "questions",
    "rationale_targets",
    "read_answer",
    "relevance",
    "taught_to_find",
]

ANSWER_PREFIX = "predict: "
"""Instruction for the answer alone, as in the published code."""
RATIONALE_PREFIX = "explain: "
"""Instruction for a rationale, where a teacher's table names no other."""
FIND = "find: "
"""Instruction by which a student that scores options says which texts are like a question."""

AnswerForm = Literal["text", "letter"]
"""How an answer is written: the option's text, as published, or its letter, as `(b)`."""

_CHOICES = "Answer Choices:"
_UNASKED = "?"
"""Stands where a question has no target; nothing reads it."""
_LETTER = re.compile(r"(?:^|.*\bThe answer is\s+)\(([a-z]{1,2})\)[\s.]*$", re.DOTALL)
"""A text that is a letter, or that closes as a chain does with one."""


def question_text(example: Example) -> str:
    """Write a question as the student reads it: the question, then its choices by letter.

    Source: the input form of TinyLLM's published code.
    """
    if not example.listed:
        return example.question
    choices = [f"({option_letter(i)}) {choice}" for i, choice in enumerate(example.listed)]
    asked = [example.question] if example.question else []
    return "\n".join([*asked, _CHOICES, *choices])


def choices_in(text: str) -> tuple[str, ...]:
    """Read the choices back out of a question that `question_text` wrote. Empty: it has none."""
    before, mark, left = text.rpartition(f"{_CHOICES}\n(a) ")
    if not mark or (before and not before.endswith("\n")):
        return ()
    choices, sign = [], mark
    while sign:
        choice, sign, left = left.partition(f"\n({option_letter(len(choices) + 1)}) ")
        choices.append(choice)
    return tuple(choices)


def answer_text(example: Example, answer: str, *, form: AnswerForm = "text") -> str:
    """Write an answer as the student is taught to."""
    if form == "text":
        return answer
    if answer not in example.choices:
        raise DataError(
            f"the answer {answer!r} of example {example.id!r} is none of its choices "
            f"({some_of(example.choices)}), so it has no letter; set student.answer_form = 'text'."
        )
    return f"({option_letter(example.choices.index(answer))})"


def option_texts(choices: Sequence[str], *, form: AnswerForm) -> tuple[str, ...]:
    """Write every choice as it is answered, in order."""
    return tuple(choices) if form == "text" else tuple(f"({option_letter(i)})" for i in range(len(choices)))


def choice_of_letter(text: str, example: Example) -> str | None:
    """Map a letter the student wrote back to its option; None: no letter, or one beyond the choices."""
    found = _LETTER.match(text.strip())
    letters = {option_letter(i): choice for i, choice in enumerate(example.choices)}
    return letters.get(found[1]) if found else None


def read_answer(text: str, example: Example, *, task: Task, form: AnswerForm) -> str | None:
    """Read the student's answer out of what it wrote. None: unreadable."""
    chosen = choice_of_letter(text, example) if form == "letter" else None
    return task.read(text, example) if chosen is None else chosen


def questions(examples: Iterable[Example], prefix: str, *, form: AnswerForm = "text") -> list[Target]:
    """Ask the student."""
    return [
        Target(
            example=dataclasses.replace(example, choices=option_texts(example.choices, form=form)),
            prefix=prefix,
            input=question_text(example),
            output=_UNASKED,
        )
        for example in examples
    ]


def answer_targets(examples: Iterable[Example], *, weight: float, form: AnswerForm = "text") -> list[Target]:
    """Make the answer objective, L_A."""
    return [
        Target(
            example=example,
            prefix=ANSWER_PREFIX,
            input=question_text(example),
            output=answer_text(example, example.answer, form=form),
            weight=weight,
            objective="answer",
        )
        for example in examples
        if example.answer is not None
    ]


def answer_targets_of(
    examples: Mapping[str, Example], annotations: Iterable[Annotation], *, form: AnswerForm = "text"
) -> list[Target]:
    """Make the answer objective from what teachers answered, where the examples have no labels."""
    told = (
        dataclasses.replace(
            examples[item.example_id], answer=item.answer, label_source=f"teacher:{item.teacher}"
        )
        for item in annotations
    )
    fit = [example for example in told if form == "text" or example.answer in example.choices]
    return answer_targets(fit, weight=1.0, form=form)


def rationale_targets(
    examples: Mapping[str, Example],
    annotations: Iterable[Annotation],
    *,
    prefixes: Mapping[str, str],
    weights: Mapping[str, float],
    one_objective: bool = False,
) -> list[Target]:
    """Make the rationale objectives, one L_m a teacher."""
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


def answered(examples: Mapping[str, Example], annotations: Iterable[Annotation]) -> list[Example]:
    """Give the examples that annotations are about, with the answers that are learnt from them.

    That is the label, or the teacher's own answer where an example has none.
    """
    asked = ((examples[annotation.example_id], annotation.answer) for annotation in annotations)
    return [
        example if example.answer is not None else dataclasses.replace(example, answer=answer)
        for example, answer in asked
    ]


def chain_targets(
    examples: Mapping[str, Example],
    annotations: Iterable[Annotation],
    *,
    weights: Mapping[str, float],
    form: AnswerForm = "text",
) -> list[Target]:
    """Make the chain objective: the rationale, and behind it the answer."""
    targets: list[Target] = []
    for annotation in annotations:
        example = examples[annotation.example_id]
        # The label closes the chain in place of the teacher's own closing; without one its answer does.
        answer = example.answer if example.answer is not None else annotation.answer
        steps = without_closing(annotation.rationale)
        if answer is not None and steps and (form == "text" or answer in example.choices):
            targets.append(
                Target(
                    example=example,
                    prefix=RATIONALE_PREFIX,
                    input=question_text(example),
                    output=f"{steps}\nThe answer is {answer_text(example, answer, form=form)}.",
                    weight=weights[annotation.teacher],
                    objective="chain",
                )
            )
    return targets


def relevance(scores: Sequence[float] | np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Turn scores into ρ = softmax(scores / τ), (texts, )."""
    found = np.exp((np.asarray(scores) - max(scores)) / temperature)
    return found / found.sum()


def asked_to_find(example: Example, texts: Sequence[str]) -> Target:
    """Ask about the texts as the options of a question, which is read without its own context."""
    options = dataclasses.replace(example, choices=tuple(texts), context="", answer=texts[0])
    return Target(example=options, prefix=FIND, input=question_text(example), output=texts[0])


def taught_to_find(
    example: Example, texts: Sequence[str], scores: Sequence[float] | np.ndarray, *, temperature: float
) -> Target:
    """Make the target of finding: the texts as options, softmax(scores / τ) as soft labels."""
    shares, asked = relevance(scores, temperature), asked_to_find(example, texts)
    best = texts[int(shares.argmax())]
    return dataclasses.replace(asked, output=best, shares=tuple(shares.tolist()))
