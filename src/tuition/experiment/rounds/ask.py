"""One round's asking: part by part within its allowance, the best-scored first, each to its teacher."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tuition.annotation import Annotated, Asker, Unanswered, annotate, annotation_requests
from tuition.annotation.revise import BLIND, RevisionFigures, revise, revision_figures
from tuition.annotation.routing import (
    History,
    Look,
    SecondOpinion,
    allocate,
    by_expected_price,
    cascade,
    is_same_answer,
)
from tuition.annotation.verify import verify
from tuition.core.budget import to_usd
from tuition.core.protocols import Task
from tuition.core.records import Annotation, Example, Prediction
from tuition.experiment.rounds.state import ActiveRun
from tuition.experiment.teach.asking import annotation_row
from tuition.experiment.teach.panel import Panel, price_rank

__all__ = ["Asking", "Taught", "ask_round", "second_opinions"]

_COMES_BACK = frozenset(
    {"unpaid", "timeout", "connection", "rate_limit", "server", "unknown_outcome", "expired", "exception"}
)
"""Failures that say nothing of the question, so that it may be asked about again."""

Drafter = Callable[[Sequence[Example]], Mapping[str, Prediction]]
"""Gives the student's explanations by example id."""


class Asking:
    """How a round asks."""

    def __init__(self, state: ActiveRun) -> None:
        """Take the teachers of the run, paid in the round that is due, and refuse what could not be done."""
        self.panel = state.panel.paid_by(state.account, train=tuple(state.pool.values()))
        by = state.config.annotator
        self.by = "chain" if by not in BLIND and (state.is_cold or state.is_blind) else by
        """The annotator."""
        self._state = state

    @property
    def revises(self) -> bool:
        """Whether the annotator mends the student's own explanation."""
        return self.by not in BLIND

    @cached_property
    def history(self) -> History:
        """The verified replies of the rounds that are over."""
        looks = (Look.from_json(row) for done in self._state.rounds for row in done["looks"])
        return History().plus(looks)

    def costs_of(self, example: Example) -> Mapping[str, float]:
        """Guess what asking each teacher about an example costs; only the proportions matter."""
        is_priced = self._state.config.allocation.is_checked
        writers = self.panel.writers
        return {name: self._price(example, asker) if is_priced else 0.0 for name, asker in writers.items()}

    def cost_of(self, example: Example) -> float:
        """Guess what asking about an example costs, in the mean over the teachers."""
        prices = [self._price(example, asker) for asker in self.panel.writers.values()]
        return sum(prices) / len(prices)

    def _price(self, example: Example, asker: Asker) -> float:
        bare = dataclasses.replace(asker, train=()).how(forced=False)
        [request] = annotation_requests([example], bare)
        price = to_usd(asker.price(request).nano)
        assert price is not None  # `check_rounds` refuses unknown prices where they matter.
        return price


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What a round's asking came to."""

    kept: tuple[Annotation, ...] = ()
    dropped: tuple[Annotation, ...] = ()
    """Those a filter dropped, or a dearer teacher's word replaced."""
    asked: int = 0
    gone: tuple[str, ...] = ()
    """Ids that are not asked about again: answered, refused by a teacher, or found in no need of it."""
    unanswered: tuple[Unanswered, ...] = ()
    """Examples that a teacher left without an annotation."""
    endings: Mapping[str, int] = field(default_factory=dict)
    """How the cascade ended, by ending; empty: there is no cascade."""
    looks: tuple[Look, ...] = ()
    """Verified replies, for the history of the teachers."""
    is_spent: bool = False
    """Whether `[budget]` ended first."""

    def __add__(self, more: Taught) -> Taught:
        return Taught(
            kept=self.kept + more.kept,
            dropped=self.dropped + more.dropped,
            asked=self.asked + more.asked,
            gone=self.gone + more.gone,
            unanswered=self.unanswered + more.unanswered,
            endings=Counter(self.endings) + Counter(more.endings),
            looks=self.looks + more.looks,
            is_spent=self.is_spent or more.is_spent,
        )

    @property
    def failures(self) -> dict[str, int]:
        """The unanswered, counted as `teacher: kind`."""
        return dict(Counter(f"{one.teacher}: {one.kind}" for one in self.unanswered))

    @property
    def revision(self) -> RevisionFigures:
        """What came of the drafts that were looked at."""
        found = Annotated(annotations=self.kept, dropped=self.dropped, failures=self.unanswered)
        return revision_figures(found)


def ask_round(state: ActiveRun, asking: Asking, order: Sequence[Example], *, draft: Drafter) -> Taught:
    """Ask about the best-scored examples until the round's allowance, or all rounds', is used up.

    Source: after ELAD (arXiv 2402.13098), step 3 of its loop, under the annotation budget.

    Differs: the allowance may be in items, calls, tokens or dollars; which teacher is asked is chosen item by
    item.
    """
    facts = state.read_json("asked.json")  # written last
    if facts is not None:
        kept, dropped = state.replies_of(state.number)
        return Taught(
            kept=tuple(kept),
            dropped=tuple(dropped),
            asked=facts["asked"],
            gone=tuple(facts["gone"]),
            unanswered=tuple(Unanswered.from_json(row) for row in facts["unanswered"]),
            endings=facts["endings"],
            looks=tuple(Look.from_json(row) for row in facts["looks"]),
            is_spent=facts["is_spent"],
        )
    begun, queue, taught = state.parts(), list(order), Taught()
    start, allocation = state.used_before.items, state.config.allocation
    student_checks = allocation.is_checked and allocation.check == "student" and not state.is_cold
    while queue and not taught.is_spent:
        if begun:
            n = begun.pop(0)
        else:
            most = state.next_part(state.used(start + taught.asked))
            n = len(queue) if most is None else min(most, len(queue))
            if n == 0:
                break
            state.bench.run.event("asks", round=state.number, n=n)
        part, queue = queue[:n], queue[n:]
        drafts = draft(part) if asking.revises or student_checks else {}
        history = asking.history.plus(taught.looks)
        taught += _ask_part(state, asking, part, drafts=drafts, history=history)
    if taught.gone:
        # Where nobody answered at all, the same parts are asked again when the run is gone on with.
        used = ((True, taught.kept), (False, taught.dropped))
        config = state.bench.config
        rows = [annotation_row(config, item, is_used=is_used) for is_used, items in used for item in items]
        state.write_rows("annotations.jsonl", rows)
        facts = {
            "asked": taught.asked,
            "gone": list(taught.gone),
            "unanswered": [one.to_json() for one in taught.unanswered],
            "endings": dict(taught.endings),
            "looks": [look.to_json() for look in taught.looks],
            "is_spent": taught.is_spent,
        }
        state.write_json("asked.json", facts)
    return taught


def _ask_part(
    state: ActiveRun,
    asking: Asking,
    part: Sequence[Example],
    *,
    drafts: Mapping[str, Prediction],
    history: History,
) -> Taught:
    found: list[Annotated] = []
    holds: dict[tuple[str, str], bool | None] = {}
    allocation, is_spent = state.config.allocation, False

    def ask(items: Sequence[Example], name: str) -> dict[str, Annotation]:
        nonlocal is_spent
        came = revise(
            [drafts.get(item.id) or Prediction(example_id=item.id, text="", answer=None) for item in items],
            state.pool,
            by=asking.by,
            asker=asking.panel.writers[name],
            panel=asking.panel.everyone,
            revision=state.config.revision,
        )
        found.append(came)
        given = {item.example_id: item for item in came.annotations}
        if allocation.has_history or (allocation.escalate and name != names[-1]):
            second, ends = second_opinions(
                state.pool, asking.panel, given, drafts=drafts, check=allocation.check
            )
            holds.update({(name, id_): said for id_, said in second.items()})
            is_spent = is_spent or ends
        return given

    def check(item: Example, result: Annotation) -> bool | None:
        return holds.get((result.teacher, item.id))

    names = list(asking.panel.writers)
    endings: Counter[str] = Counter()
    if allocation.escalate:
        if allocation.order == "price":
            names = by_expected_price(asking.costs_of(part[0]))
        names = list(allocation.in_turn(names, has_drafts=not state.is_cold))
        taken = cascade(part, names, ask=ask, check=check)
        kept = list(taken.results.values())
        endings.update(taken.endings.values())
    else:
        kept = []
        costs = [asking.costs_of(item) for item in part]
        chosen = allocate(part, history, costs, seed=state.config.seed, config=allocation)
        for name in names:
            if items := [item for item in part if chosen[item.id] == name]:
                kept += ask(items, name).values()
    # Replies that a check could look at, as the history of their teachers has them.
    looks = tuple(
        Look(teacher=name, domain=state.pool[id_].domain, is_adequate=is_adequate)
        for (name, id_), is_adequate in holds.items()
        if is_adequate is not None
    )
    return _taught(part, found, kept=kept, looks=looks, endings=endings, is_spent=is_spent)


def _taught(
    part: Sequence[Example],
    found: Sequence[Annotated],
    *,
    kept: Sequence[Annotation],
    looks: tuple[Look, ...],
    endings: Mapping[str, int],
    is_spent: bool,
) -> Taught:
    failures = [failure for came in found for failure in came.failures]
    answered = {item.example_id for came in found for item in (*came.annotations, *came.dropped)}
    may_come = {failure.example_id for failure in failures if failure.kind in _COMES_BACK} - answered
    taken = {item.id for item in kept}
    given_up = (item for came in found for item in came.annotations if item.id not in taken)
    return Taught(
        kept=tuple(kept),
        dropped=(*(item for came in found for item in came.dropped), *given_up),
        asked=len(part),
        gone=tuple(item.id for item in part if item.id not in may_come),
        unanswered=tuple(failures),
        endings=endings,
        looks=looks,
        is_spent=is_spent or any(came.spent for came in found),
    )


def second_opinions(
    pool: Mapping[str, Example],
    panel: Panel,
    given: Mapping[str, Annotation],
    *,
    drafts: Mapping[str, Prediction],
    check: SecondOpinion,
) -> tuple[Mapping[str, bool | None], bool]:
    """Compare replies of one teacher with a second answer to the same questions.

    Gives by example id whether it holds (None, or no entry: there was no second opinion), and whether the
    budget ended first.
    """
    if not given:
        return {}, False
    author = panel.writers[next(iter(given.values())).teacher]
    if check == "student":
        answers = {id_: draft.answer for id_, draft in drafts.items()}
        return _holds(pool, given, answers, task=author.task), False
    # The same teacher, or of the others the cheapest; `check_rounds` sees to it that there are two or more.
    others = [asker for asker in panel.everyone if asker.name != author.name]
    other = author if check == "sample" else min(others, key=lambda asker: price_rank(asker.teacher))
    if check == "verify":
        checks, asked = verify(list(given.values()), pool, other)
        leads = {one.example_id: one.outcome == "leads" for one in checks if one.outcome != "unanswered"}
        return leads, asked.refused is not None
    # The same teacher a second time, or another one by itself.
    came = annotate(
        [pool[id_] for id_ in given], other.how(forced=False), first_sample=int(check == "sample")
    )
    answers = {item.example_id: item.answer for item in (*came.annotations, *came.dropped)}
    return _holds(pool, given, answers, task=author.task), came.spent


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
