"""Ask one teacher of a pilot as the run would ask it: the same examples, demonstrations and keys."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuition.annotation import Account, Annotated, annotate, annotation_requests, solve
from tuition.annotation.config import AnnotationConfig
from tuition.core.budget import NANO, Cost
from tuition.core.errors import BudgetSpent, TeacherError
from tuition.core.protocols import Task
from tuition.core.records import Example, Request
from tuition.recipes.asking import Panelist, annotation_of
from tuition.recipes.config import Experiment

__all__ = ["Desk", "Trial"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """All that came of one teacher."""

    panelist: Panelist
    annotated: Annotated
    said: tuple[str | None, ...]
    """Its own answer to each example; None: unreadable, no reply, or it saw the right one."""
    solved: bool
    """Whether it answered by itself at all."""
    answered: frozenset[str]
    """Ids of the examples it replied to."""
    usd: float | None
    """Mean price of a call as configured; None: unknown."""
    solve_usd: float | None
    """The same where no answer is shown."""
    latency_s: float | None
    """Median seconds of a call; None: nobody measured."""

    @property
    def name(self) -> str:
        """The teacher's."""
        return self.panelist.table.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Asks as the run would."""

    config: Experiment
    chosen: Sequence[Example]
    """What is asked."""
    shown: Sequence[Example]
    """Where demonstrations are drawn from."""
    task: Task
    account: Account

    def how(self, panelist: Panelist) -> AnnotationConfig:
        """Say how the run asks a teacher; labels that are still to be made can be shown to nobody.

        Args:
            panelist: The teacher.

        Returns:
            The way of asking.
        """
        labels = self.config.labels
        is_known = all(example.answer is not None for example in self.chosen)
        is_there = labels.train == "gold" or (is_known and not labels.replace)
        found = annotation_of(self.config, panelist.table, panelist.teacher)
        return found if is_there or not found.forced else found.model_copy(update={"forced": False})

    def requests(self, panelist: Panelist, how: AnnotationConfig) -> list[Request]:
        """Make the requests of one way of asking, and ask nobody.

        Args:
            panelist: The teacher.
            how: From `how`, or the same unforced.

        Returns:
            One an example.
        """
        return annotation_requests(
            self.chosen,
            panelist.teacher,
            train=self.shown,
            config=how,
            seed=self.config.seed,
            parameters=panelist.table.parameters(),
        )

    def all_requests(self, panelist: Panelist) -> list[Request]:
        """Make all requests: as configured, and unforced where the prompt makes the difference.

        Args:
            panelist: The teacher.

        Returns:
            Equal ones once.
        """
        how = self.how(panelist)
        kinds = (
            [how, how.model_copy(update={"forced": False})]
            if panelist.teacher.abilities.reads_prompt
            else [how]
        )
        found = {request.key: request for kind in kinds for request in self.requests(panelist, kind)}
        return list(found.values())

    def try_out(self, panelist: Panelist) -> Trial:
        """Ask one teacher about every example, as configured and by itself.

        Args:
            panelist: The teacher.

        Returns:
            What came of it.

        Raises:
            BudgetSpent: The budget allowed not one reply.
            TeacherError: It answered nothing.
        """
        how = self.how(panelist)
        free = how.model_copy(update={"forced": False})
        asked: dict[str, Any] = {
            "train": self.shown,
            "task": self.task,
            "account": self.account.telling(panelist.table.name),
            "seed": self.config.seed,
            "parameters": panelist.table.parameters(),
        }
        annotated = annotate(self.chosen, panelist.teacher, config=how, **asked)
        _refuse_silence(panelist, annotated)
        solves = panelist.teacher.abilities.reads_prompt or not how.forced
        said: tuple[str | None, ...] = (None,) * len(self.chosen)
        answered: set[str] = set()
        if solves:
            solved = solve(self.chosen, panelist.teacher, config=free, **asked)
            said = tuple(prediction.answer for prediction in solved.predictions)
            answered = {item.id for item in self.chosen} - {failure.example_id for failure in solved.failures}
        usd, latency_s = self._paid(panelist, how)
        return Trial(
            panelist=panelist,
            annotated=annotated,
            said=said,
            solved=solves,
            answered=frozenset(answered),
            usd=usd,
            solve_usd=self._paid(panelist, free)[0] if solves else usd,
            latency_s=latency_s,
        )

    def _paid(self, panelist: Panelist, how: AnnotationConfig) -> tuple[float | None, float | None]:
        """Mean dollars and median seconds of the calls that were answered."""
        teacher = panelist.teacher
        replies = list(
            self.account.store.kept([request.key for request in self.requests(panelist, how)]).values()
        )
        costs = [Cost.of(reply.usage, teacher.price).nano for reply in replies]
        known = [cost for cost in costs if cost is not None]
        seconds = [reply.latency_s for reply in replies if reply.latency_s > 0]
        usd = statistics.mean(known) / NANO if known and len(known) == len(costs) else None
        free = usd is None and not teacher.abilities.is_paid
        return 0.0 if free else usd, statistics.median(seconds) if seconds else None


def _refuse_silence(panelist: Panelist, annotated: Annotated) -> None:
    if annotated.annotations or annotated.dropped:
        return
    name, failures = panelist.table.name, Counter(failure.kind for failure in annotated.failures)
    if annotated.spent:
        raise BudgetSpent(f"the budget was spent before teacher {name!r} gave one reply; raise [budget].")
    raise TeacherError(
        f"teacher {name!r} answered none of {failures.total()} examples ({dict(failures)}); the first: "
        f"{annotated.failures[0].message.rstrip('.')}. Mend its table or its endpoint, then start again."
    )
