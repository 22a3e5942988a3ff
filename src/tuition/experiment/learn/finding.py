"""A student that scores options says which texts are like a question: KARD's ranker, RetriKT's student."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tuition.core.records import Example, Target
from tuition.experiment.targets import question_text

__all__ = ["FIND", "asked_to_find", "relevance", "taught_to_find"]

FIND = "find: "
"""By which instruction it is asked."""


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
    """Teach it: the texts as options, softmax(scores / τ) as soft labels."""
    shares, asked = relevance(scores, temperature), asked_to_find(example, texts)
    best = texts[int(shares.argmax())]
    return dataclasses.replace(asked, output=best, shares=tuple(shares.tolist()))
