"""Whom to ask about an example, and which of the kept rationales it learns from: routes.

Numbers and records go in, names and records come out. Knows no model, no store and no particular teacher.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from random import Random

import numpy as np

from tuition.annotation.votes import majority
from tuition.core.errors import DataError
from tuition.core.protocols import Task
from tuition.core.records import Annotation, Example, Grade
from tuition.core.texts.nearest import Nearest

__all__ = [
    "drawn_order",
    "first_kept",
    "is_same_answer",
    "least_surprising",
    "probe_of",
    "similar_order",
    "similar_success",
    "vote",
]

_DIGITS = 9
"""Expected successes that agree to so many digits are equal, whatever order they were summed in."""


def drawn_order(example: Example, teachers: Collection[str], *, seed: int) -> tuple[str, ...]:
    """Draw in which order teachers are asked about an example: every one once, by seed and example."""
    names = sorted(teachers)
    return tuple(Random(f"{seed}/{example.id}").sample(names, len(names)))


def probe_of(examples: Sequence[Example], share: float, *, seed: int) -> list[Example]:
    """Choose the share of the examples that every teacher is asked about, at least one, in their order."""
    n = min(len(examples), max(1, round(share * len(examples))))
    chosen = Random(f"{seed}/probe").sample(range(len(examples)), n)
    return [examples[i] for i in sorted(chosen)]


def similar_success(
    asked: Sequence[Example],
    known: Sequence[Example],
    success: Mapping[str, Sequence[float | None]],
    *,
    neighbours: int = 10,
    prior: float = 2.0,
) -> dict[str, np.ndarray]:
    """Expect of each teacher how it will do on a question, from how it did on similar ones.

    The expected success is (Σ w_j·s_j + c·r) / (Σ w_j + c) over the nearest questions j that the teacher was
    asked: s_j its success there, w_j the BM25 score relative to the nearest, r its rate over all it was
    asked, c the prior. A question that shares no word with any falls back to that rate.

    Source: none; a nearest-neighbour estimate with shrinkage, which needs the question alone.

    Args:
        asked: Questions to come.
        known: Questions that were asked.
        success: By teacher, one number in [0, 1] for each known question; None: it was not asked that one.
        neighbours: How many similar questions count at most.
        prior: How many questions at the overall rate are imagined beside them; above 0.

    Returns:
        By teacher its expected success on each asked question, shape (asked, ), in [0, 1]; 0.5 for a teacher
        that was asked nothing.

    Raises:
        ValueError: A teacher's list is not as long as the known questions, or `prior` is not above 0.
    """
    if prior <= 0:
        raise ValueError(f"the prior must be above 0, not {prior}")
    odd = [name for name, values in success.items() if len(values) != len(known)]
    if odd:
        raise ValueError(f"{len(known)} known questions, but {odd[0]!r} has {len(success[odd[0]])} numbers")
    # Teachers asked the same questions have the same neighbours, which are looked up once.
    looked_up: dict[tuple[int, ...], list[list[tuple[int, float]]]] = {}
    expected: dict[str, np.ndarray] = {}
    for name, values in success.items():
        seen = [(j, value) for j, value in enumerate(values) if value is not None]
        places = tuple(j for j, _ in seen)
        if places not in looked_up:
            nearest = Nearest([_text(known[j]) for j in places])
            looked_up[places] = [nearest.find(_text(example), neighbours) for example in asked]
        expected[name] = _expected(looked_up[places], [value for _, value in seen], prior=prior)
    return expected


def _expected(
    found: Sequence[Sequence[tuple[int, float]]], success: Sequence[float], *, prior: float
) -> np.ndarray:
    if not success:
        return np.full(len(found), 0.5)
    values = np.array(success, dtype=np.float64)
    expected = np.empty(len(found))
    for i, near in enumerate(found):
        scores = np.array([score for _, score in near])
        weights = scores / scores.max() if scores.max() > 0 else np.zeros(len(near))
        closest = values[[j for j, _ in near]]
        expected[i] = (weights @ closest + prior * values.mean()) / (weights.sum() + prior)
    return np.clip(expected, 0.0, 1.0)


def _text(example: Example) -> str:
    return "\n".join([example.question, *example.choices])


def similar_order(expected: Mapping[str, np.ndarray], prices: Mapping[str, float]) -> list[tuple[str, ...]]:
    """Rank the teachers for each question by their expected success; of equals the cheaper comes first."""
    names = list(expected)
    n = len(expected[names[0]]) if names else 0
    return [
        tuple(sorted(names, key=lambda name: (-round(float(expected[name][i]), _DIGITS), prices[name])))
        for i in range(n)
    ]


def first_kept(kept: Sequence[Annotation], order: Mapping[str, Sequence[str]]) -> dict[str, Annotation]:
    """Take for each example the kept rationale of the teacher that stands first in its order."""
    picked: dict[str, Annotation] = {}
    for example_id, found in _by_example(kept).items():
        place = {name: i for i, name in enumerate(order[example_id])}
        picked[example_id] = min(found, key=lambda item: (place[item.teacher], item.sample))
    return picked


def least_surprising(
    kept: Sequence[Annotation], logprobs: Sequence[Sequence[float]]
) -> dict[str, Annotation]:
    """Take for each example the rationale that the student finds least surprising; of equals the first.

    The surprise is the mean negative log-probability of the tokens, the logarithm of the perplexity. The
    `logprobs` are of the student before training; an empty list is a text it could not learn, taken last.

    Source: I Learn Better If You Speak My Language (arXiv 2402.11192), its first mechanism, by its code.
    """
    surprise = {
        item.id: -math.fsum(values) / len(values) if values else math.inf
        for item, values in zip(kept, logprobs, strict=True)
    }
    return {
        example_id: min(found, key=lambda item: surprise[item.id])
        for example_id, found in _by_example(kept).items()
    }


def vote(
    kept: Sequence[Annotation],
    answered: Sequence[Annotation],
    examples: Mapping[str, Example],
    *,
    task: Task,
    teachers: Sequence[str],
) -> dict[str, Annotation]:
    """Take for each example a rationale that ends in the answer most teachers give.

    The votes are counted over all that was answered, the kept and the dropped, a voice a teacher. Where the
    example has a label and only right answers are kept, an example whose majority is wrong gets no rationale:
    what most teachers hold speaks against its label, or the question is too hard for them. Of the teachers
    who hold the majority's answer, the one is taken who most often does; ties go to the earlier one.

    Source: common practice.
    """
    voices = {
        id_: _voices(given, examples[id_], task=task, teachers=teachers)
        for id_, given in _by_example(answered).items()
    }
    winner = dict(zip(voices, majority(list(voices.values())), strict=True))
    often = Counter(
        name
        for id_, given in voices.items()
        for name, answer in given.items()
        if answer is not None and answer == winner[id_]
    )
    rank = {name: i for i, name in enumerate(sorted(teachers, key=lambda name: -often[name]))}
    picked: dict[str, Annotation] = {}
    for id_, found in _by_example(kept).items():
        fit = [item for item in found if is_same_answer(item.answer, winner[id_], examples[id_], task=task)]
        if fit:
            picked[id_] = min(fit, key=lambda item: (rank[item.teacher], item.sample))
    return picked


def _voices(
    answered: Sequence[Annotation], example: Example, *, task: Task, teachers: Sequence[str]
) -> dict[str, str | None]:
    """One answer a teacher, that of most of its samples; equal answers in equal words."""
    words: list[str | None] = []
    said: dict[str, dict[str, str | None]] = {name: {} for name in teachers}
    for item in answered:
        same = next(
            (word for word in words if is_same_answer(item.answer, word, example, task=task)), item.answer
        )
        if same not in words:
            words.append(same)
        said[item.teacher][f"{item.sample:06d}"] = same
    return {name: majority([dict(sorted(given.items()))])[0] for name, given in said.items()}


def is_same_answer(answer: str | None, other: str | None, example: Example, *, task: Task) -> bool:
    """Say whether two answers to a question mean the same; an unreadable one (None) is no other's equal."""
    if answer is None or other is None:
        return False
    if answer == other:
        return True
    try:
        return task.grade(answer, dataclasses.replace(example, answer=other)) is Grade.RIGHT
    except DataError:
        # A recorded answer may be in no form of a label.
        return False


def _by_example(annotations: Sequence[Annotation]) -> dict[str, list[Annotation]]:
    found: dict[str, list[Annotation]] = {}
    for item in annotations:
        found.setdefault(item.example_id, []).append(item)
    return found
