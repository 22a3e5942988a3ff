"""The playground's questions and its teachers' words, as hashes: a change of either must be meant."""

import asyncio
import hashlib

import pytest

from tuition.core.records import Message, Request, canonical_json
from tuition.playground.domains import DOMAINS
from tuition.playground.teachers import PROGRAMS, PlaygroundTeacher
from tuition.playground.world import playground_splits

SPLITS = {"seed": 3, "train": 60, "valid": 12, "test": 24}
QUESTIONS = "7a3591b5dbd12c3f"
REPLIES = {
    "ada": "9e5eec4acfc33948",
    "bela": "43f2308efed496e0",
    "chen": "bcae02ba89018480",
    "dara": "8070881e73b61e02",
    "emil": "8ce8f595885b2894",
}
ENDINGS = (
    "Explanation:",
    "Answer: {answer}\nExplanation:",
    "Answer:",
    "Explanation: {steps}\nConclusion:",
    "Explanation 1: {steps}\nExplanation 2: Nothing.\nBest:",
    "Step 1: {first}\nStep 2: Nothing follows.\nVerdict on step 2:",
    "Step 1: {first}\nStep 2: Nothing follows.\nFirst wrong step:",
    "Step 1: {first}\nStep 2: Nothing follows.\nCorrected from step 2:",
    "Step 1: {first}\nStep 2: Nothing follows.\nJSON:",
    "Step 1: {first}\nStep 2: Nothing follows.\nFinal answer:",
    "Answer: {answer}\nStep 1: {first}\nStep 2: Nothing follows.\nRepaired:",
)


def hashed(value):
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def examples():
    splits = playground_splits(**SPLITS)
    return [*splits.train, *splits.valid]


def prompts():
    for example in examples():
        puzzle = DOMAINS[example.domain].recognise(example.question)
        steps = [
            f"{step.why}: {step.what}." if step.why else f"{step.what}." for step in puzzle.solve().steps
        ]
        options = "".join(
            f"({letter}) {option}\n" for letter, option in zip("abcd", example.choices, strict=False)
        )
        begin = f"Question: {example.question}\n" + (f"Options:\n{options}" if options else "")
        for ending in ENDINGS:
            yield begin + ending.format(answer=example.answer, steps=" ".join(steps), first=steps[0])


async def replies(program):
    teacher = PlaygroundTeacher(program)
    return [
        (
            await teacher.complete(
                Request(
                    endpoint="", model=program, messages=(Message(role="user", content=text),), sample=sample
                )
            )
        ).to_json()
        for text in prompts()
        for sample in (0, 1)
    ]


def test_the_questions():
    assert hashed([example.to_json() for example in examples()]) == QUESTIONS


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_replies(program):
    assert hashed(asyncio.run(replies(program))) == REPLIES[program]
