"""Who is asked in a round, and how: the teachers, the annotator, what asking is expected to cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from tuition.annotation import annotation_requests
from tuition.annotation.allocation import History, Look
from tuition.annotation.revise import BLIND
from tuition.core.budget import guess_cost, to_usd
from tuition.core.records import Example
from tuition.recipes.asking import Panelist, annotation_of
from tuition.recipes.rounds.course import Course
from tuition.recipes.routing import Panel, price_rank

__all__ = ["Asking", "asking_of", "cheapest_other"]


class Asking:
    """How a round asks."""

    def __init__(self, course: Course, panel: Panel, *, by: str) -> None:
        """Join the parts; `asking_of` makes them.

        Args:
            course: Of the run.
            panel: The teachers.
            by: The annotator's name.
        """
        self.panel = panel
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
        return {name: self._price(example, who) if is_priced else 0.0 for name, who in writers.items()}

    def cost_of(self, example: Example) -> float:
        """Guess what asking about an example costs, in the mean over the teachers.

        Args:
            example: The question.

        Returns:
            Dollars of one chain.
        """
        prices = [self._price(example, who) for who in self.panel.writers.values()]
        return sum(prices) / len(prices)

    def _price(self, example: Example, who: Panelist) -> float:
        config = annotation_of(self._course.bench.config, who.table, who.teacher)
        [request] = annotation_requests(
            [example],
            who.teacher,
            train=(),
            config=config.model_copy(update={"forced": False}),
            parameters=who.table.parameters(),
        )
        if not who.teacher.abilities.is_paid:
            return 0.0
        price = to_usd(guess_cost(request, who.teacher.price).nano)
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
    return Asking(course, course.panel, by=by)


def cheapest_other(everyone: Sequence[Panelist], name: str) -> Panelist:
    """Say who looks at the replies of a teacher where another one is to look.

    Args:
        everyone: Two or more, which `check_rounds` sees to.
        name: Whose replies.

    Returns:
        Of equally cheap ones the first.
    """
    others = [who for who in everyone if who.table.name != name]
    return min(others, key=lambda who: price_rank(who.teacher))
