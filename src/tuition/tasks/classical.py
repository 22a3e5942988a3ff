"""The cheapest students of all: the label of the nearest question, and a linear model on the words.

They learn from the examples and labels that a run learns from, and choose nothing on validation or test.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from tuition.core.records import Example
from tuition.core.texts.nearest import Nearest, words

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["LEFT_OUT", "Classical"]

LEFT_OUT = "linear is left out: it needs scikit-learn, which is not installed (pip install 'tuition[train]')"
"""Why there is no linear model."""
_MOST_LABELS = 50
"""Labels that the linear model tells apart, at most; the most frequent ones."""
_CLOSED = 0.9
"""Share of the questions with options whose label stands twice or more, from which on labels are classes."""
_FEATURES = 20_000
"""Words and word pairs that are counted, at most; the most frequent ones."""
_STRENGTH = 10.0
"""Inverse of the L2 penalty: fixed, usual for TF-IDF rows of length 1."""

_Answer = Callable[[Example], str | None]


class Classical:
    """Answers questions by `nearest` and `linear`; each learns when it is first asked."""

    def __init__(self, learnt: Sequence[Example], *, seed: int = 0) -> None:
        """Take what is learnt from; examples without a label teach nothing."""
        self._learnt = [example for example in learnt if example.answer is not None]
        self._seed = seed
        self.has_linear = importlib.util.find_spec("sklearn") is not None
        """Whether there is a linear model."""

    def answers(self, examples: Sequence[Example]) -> dict[str, list[str | None] | None]:
        """Answer examples by each of the two; their own labels are not looked at.

        Returns:
            By name, one answer an example, None where there is none; None in place of all: scikit-learn,
            which `linear` needs, is not installed.
        """
        return {
            "nearest": [self._nearest(example) for example in examples],
            "linear": self._linear(examples) if self.has_linear else None,
        }

    def _nearest(self, example: Example) -> str | None:
        """Give the label of the nearest question by BM25, the first of equals.

        Where that is none of the options, the option that, behind the question, comes nearest to a question
        with its label.

        Source: the second part is the retrieval solver of ARC (arXiv 1803.05457), section on baselines.
        Differs: the documents are training questions with their labels, not a corpus.
        """
        if not self._learnt:
            return None
        [(i, _)] = self._questions.find(_asked(example), 1)
        label = self._learnt[i].answer
        if not example.choices or label in example.choices:
            return label
        found = [self._answered.find(f"{_asked(example)} {choice}", 1)[0][1] for choice in example.choices]
        return example.choices[int(np.argmax(found))]

    @cached_property
    def _questions(self) -> Nearest:
        return Nearest([_asked(example) for example in self._learnt])

    @cached_property
    def _answered(self) -> Nearest:
        return Nearest([f"{_asked(example)} {example.answer}" for example in self._learnt])

    def _linear(self, examples: Sequence[Example]) -> list[str | None]:
        """Answer by logistic regression on TF-IDF of words and word pairs.

        Questions without options: over labels that stand twice or more in training. Questions with options:
        over such labels where they are nearly all there is; else each option is scored beside its question.
        """
        from threadpoolctl import threadpool_limits

        # One thread: the last digits of sums, and with them the answers, are the same on every machine.
        with threadpool_limits(limits=1):
            return [
                (self._of_options if example.choices else self._of_labels)(example) for example in examples
            ]

    @cached_property
    def _of_labels(self) -> _Answer:
        return self._classes([example for example in self._learnt if not example.choices])

    @cached_property
    def _of_options(self) -> _Answer:
        learnt = [example for example in self._learnt if example.choices and example.answer_index is not None]
        counts = Counter(example.answer for example in learnt)
        known = [count for _, count in counts.most_common(_MOST_LABELS) if count > 1]
        is_closed = learnt and sum(known) >= _CLOSED * len(learnt)
        return self._classes(learnt) if is_closed else self._pairs(learnt)

    def _classes(self, learnt: Sequence[Example]) -> _Answer:
        """Learn to tell labels apart; a label that stands once is never given as an answer."""
        counts = Counter(example.answer or "" for example in learnt)
        labels = [label for label, count in counts.most_common(_MOST_LABELS) if count > 1]
        learnt = [example for example in learnt if example.answer in labels]
        if len(labels) < 2:
            # Nothing to tell apart: the one label there is, or none.
            return lambda example: _best(example, dict.fromkeys(labels, 1.0))
        turn = _tfidf()
        model = _fitted(
            turn.fit_transform([_asked(example) for example in learnt]),
            [labels.index(example.answer or "") for example in learnt],
            seed=self._seed,
        )

        def answer(example: Example) -> str | None:
            shares = model.predict_proba(turn.transform([_asked(example)]))[0]
            return _best(example, {labels[n]: share for n, share in zip(model.classes_, shares, strict=True)})

        return answer

    def _pairs(self, learnt: Sequence[Example]) -> _Answer:
        """Learn which option is right by its words, what it shares with the question, and its length."""
        if not learnt:
            return lambda _: None
        offered = _tfidf().fit([choice for example in learnt for choice in example.choices])
        seen = Counter(word for example in learnt for word in {*words(_asked(example))})

        def beside(example: Example) -> list[list[float]]:
            """Say how much of an option stands in the question, a rare word counting more; and its length."""
            asked, longest = {*words(_asked(example))}, max(map(len, example.choices)) or 1
            found = []
            for choice in example.choices:
                weights = {word: log((1 + len(learnt)) / (1 + seen[word])) + 1 for word in words(choice)}
                shared = sum(weight for word, weight in weights.items() if word in asked)
                found.append([shared / (sum(weights.values()) or 1), len(choice) / longest])
            return found

        def rows(examples: Sequence[Example]) -> csr_matrix:
            from scipy.sparse import csr_matrix, hstack

            option = offered.transform([choice for example in examples for choice in example.choices])
            more = csr_matrix(np.array([row for example in examples for row in beside(example)]))
            return hstack([option, more], format="csr")

        right = [i == example.answer_index for example in learnt for i in range(len(example.choices))]
        if all(right):
            return lambda example: example.choices[0]
        model = _fitted(rows(learnt), right, seed=self._seed)
        return lambda example: example.choices[int(np.argmax(model.decision_function(rows([example]))))]


def _asked(example: Example) -> str:
    return f"{example.context} {example.question}"


def _best(example: Example, shares: dict[str, float]) -> str | None:
    """The likeliest answer, among the options where there are any; the first of equals."""
    return max(example.choices or shares, key=lambda label: shares.get(label, -1.0), default=None)


def _terms(text: str) -> list[str]:
    found = words(text)
    # A text without a word has one term of its own, so that no vocabulary is empty.
    return [*found, *(f"{first} {second}" for first, second in pairwise(found))] or [""]


def _tfidf() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer=_terms, max_features=_FEATURES, sublinear_tf=True)


def _fitted(rows: csr_matrix, classes: Sequence[int], *, seed: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # After these steps the order of the labels hardly changes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=_STRENGTH, max_iter=100, tol=1e-3, random_state=seed).fit(rows, classes)
