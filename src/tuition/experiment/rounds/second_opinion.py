"""A second opinion on a teacher's reply, without a label: does somebody else come to the same answer?

It lets a cheap teacher's reply stand before a dearer one is asked, and the history of teachers is made of it.
The rule that follows is `annotation.routing`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuition.annotation import Asker, annotate
from tuition.annotation.routing import SecondOpinion, is_same_answer
from tuition.annotation.verify import verify
from tuition.core.protocols import Task
from tuition.core.records import Annotation, Example, Prediction
from tuition.experiment.teach.panel import Panel, price_rank

__all__ = ["Opinions", "cheapest_other", "second_opinions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """What second opinions on replies of one teacher came to."""

    holds: Mapping[str, bool | None]
    """By example id; None, or no entry: there was no second opinion."""
    is_spent: bool = False
    """Whether the budget ended first."""


def second_opinions(
    pool: Mapping[str, Example],
    panel: Panel,
    given: Mapping[str, Annotation],
    *,
    drafts: Mapping[str, Prediction],
    check: SecondOpinion,
) -> Opinions:
    """Compare replies of one teacher with a second answer to the same questions."""
    if not given:
        return Opinions(holds={})
    author = panel.writers[next(iter(given.values())).teacher]
    if check == "student":
        answers = {id_: draft.answer for id_, draft in drafts.items()}
        return Opinions(holds=_holds(pool, given, answers, task=author.task))
    other = author if check == "sample" else cheapest_other(panel.everyone, author.name)
    if check == "verify":
        found = verify(list(given.values()), pool, other)
        leads = {
            one.example_id: one.outcome == "leads" for one in found.checks if one.outcome != "unanswered"
        }
        return Opinions(holds=leads, is_spent=found.is_spent)
    # The same teacher a second time, or another one by itself.
    came = annotate(
        [pool[id_] for id_ in given], other.how(forced=False), first_sample=int(check == "sample")
    )
    answers = {item.example_id: item.answer for item in (*came.annotations, *came.dropped)}
    return Opinions(holds=_holds(pool, given, answers, task=author.task), is_spent=came.spent)


def _holds(
    pool: Mapping[str, Example],
    given: Mapping[str, Annotation],
    answers: Mapping[str, str | None],
    *,
    task: Task,
) -> dict[str, bool | None]:
    return {
        id_: is_same_answer(answers[id_], item.answer, pool[id_], task=task) if id_ in answers else None
        for id_, item in given.items()
    }


def cheapest_other(everyone: Sequence[Asker], name: str) -> Asker:
    """Say who gives a second opinion on the replies of a teacher; of equally cheap ones the first."""
    # `check_rounds` sees to it that there are two or more.
    others = [asker for asker in everyone if asker.name != name]
    return min(others, key=lambda asker: price_rank(asker.teacher))
