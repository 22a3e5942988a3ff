"""The in-context example generator: which training examples a teacher is shown before the question.

Sees the training split alone, so that nothing of validation or test can reach a prompt.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from tuition.core.records import Example, content_id
from tuition.core.splits import fingerprint

__all__ = ["Demonstrations"]


class Demonstrations:
    """Draws k labelled examples of the training split for each question.

    Source: TinyLLM (arXiv 2402.04616), section on the in-context example generator.
    Differs: repeats of a question in the training split are never shown to it either.
    """

    def __init__(self, train: Sequence[Example], *, k: int, seed: int) -> None:
        """Prepare the training split.

        Args:
            train: The training split; examples without an answer are passed over, repeats count once.
            k: How many to show, 0 or more.
            seed: Equal seeds draw equal examples for equal questions.
        """
        by_print = (
            {fingerprint(item): item for item in reversed(train) if item.answer is not None} if k else {}
        )
        self._pool = list(reversed(by_print.items()))
        self._ids = Counter(item.id for _, item in self._pool)
        self._k = k
        self._seed = seed

    def draw(self, example: Example) -> tuple[Example, ...]:
        """Draw the demonstrations of one question.

        The draw depends on the seed and the question alone, not on what was drawn before.

        Args:
            example: The question; neither it nor a repeat of it is drawn.

        Returns:
            k examples, or all there are where there are fewer.
        """
        own = fingerprint(example)
        source = random.Random(content_id([self._seed, own]))
        # So many of the pool can be the question: those of its id, and one of its content.
        own_count = self._ids[example.id] + 1
        drawn = source.sample(self._pool, min(self._k + own_count, len(self._pool)))
        fit = [item for print_, item in drawn if print_ != own and item.id != example.id]
        return tuple(fit[: self._k])
