"""Who is asked in a round, and how: the teachers, the annotator, what asking is expected to cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property

from tuition.annotation import Asker, annotation_requests
from tuition.annotation.revise import BLIND
from tuition.annotation.routing import History, Look
from tuition.core.budget import to_usd
from tuition.core.records import Example
from tuition.recipes.rounds.course import Course
from tuition.recipes.routing import price_rank

__all__ = ["Asking", "asking_of", "cheapest_other"]


class Asking:
    """How a round asks."""

    def __init__(self, course: Course, *, by: str) -> None:
        """Take the teachers of the run, paid in the round that is due; `by` names the annotator."""
        self.panel = course.panel.paid_by(course.account, train=tuple(course.pool.values()))
        self.by = by
        self._course = course

    @property
    def revises(self) -> bool:
        """Whether the annotator mends the student's own explanation."""
        return self.by not in BLIND

    @cached_property
    def history(self) -> History:
        """The verified replies of the rounds that are over."""
        looks = (Look.from_json(row) for done in self._course.rounds for row in done["looks"])
        return History().plus(looks)

    def costs_of(self, example: Example) -> Mapping[str, float]:
        """Guess what asking each teacher about an example costs; only the proportions matter.

        Args:
            example: The question.

        Returns:
            Dollars of one chain by teacher, in the order of the tables; 0 where prices do not matter.
        """
        is_priced = self._course.config.allocation.is_checked
        writers = self.panel.writers
        return {name: self._price(example, asker) if is_priced else 0.0 for name, asker in writers.items()}

    def cost_of(self, example: Example) -> float:
        """Guess what asking about an example costs, in the mean over the teachers.

        Args:
            example: The question.

        Returns:
            Dollars of one chain.
        """
        prices = [self._price(example, asker) for asker in self.panel.writers.values()]
        return sum(prices) / len(prices)

    def _price(self, example: Example, asker: Asker) -> float:
        bare = dataclasses.replace(asker, train=()).how(forced=False)
        [request] = annotation_requests([example], bare)
        price = to_usd(asker.price(request).nano)
        assert price is not None  # `check_rounds` refuses unknown prices where they matter.
        return price


def asking_of(course: Course) -> Asking:
    """Say who is asked in the round that is due, and how, and refuse what could not be done.

    Args:
        course: Of the run.

    Returns:
        The teachers and the annotator: blind in a cold start, and where mending was given up.

    Raises:
        ConfigError: What is configured could not be done; see `open_panel`.
    """
    config = course.config
    by = config.annotator
    if by not in BLIND and (course.is_cold or course.is_blind):
        by = "chain"
    return Asking(course, by=by)


def cheapest_other(everyone: Sequence[Asker], name: str) -> Asker:
    """Say who looks at the replies of a teacher where another one is to look.

    Args:
        everyone: Two or more, which `check_rounds` sees to.
        name: Whose replies.

    Returns:
        Of equally cheap ones the first.
    """
    others = [asker for asker in everyone if asker.name != name]
    return min(others, key=lambda asker: price_rank(asker.teacher))
