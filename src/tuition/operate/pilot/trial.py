"""Ask one teacher of a pilot as the run would ask it: the same examples, demonstrations and keys."""

from __future__ import annotations

import dataclasses
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuition.annotation import Account, Annotated, Asker, annotate, annotation_requests, solve
from tuition.core.budget import NANO, Cost, to_usd, worst_cost
from tuition.core.errors import BudgetSpent, ConfigError, TeacherError, some_of
from tuition.core.protocols import Listener
from tuition.core.records import Example, Request
from tuition.core.run import run_id
from tuition.core.store import Place, Store
from tuition.experiment.config import Experiment
from tuition.experiment.teach.asking import asker_of

__all__ = ["Trial", "account_beside", "all_requests", "askers_of", "confirm", "try_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """All that came of one teacher."""

    asker: Asker
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
    tokens: Mapping[str, float]
    """Mean tokens of a reply by prompt."""

    @property
    def name(self) -> str:
        """The teacher's."""
        return self.asker.name


def account_beside(config: Experiment, folder: Path, *, store: Store, listener: Listener | None) -> Account:
    """Open an account for calls beside a run: within its budget, kept in a folder of its own."""
    return Account(
        store=store,
        place=Place(run=run_id(folder), group=config.budget.scope or run_id(Path(config.out))),
        budget=config.budget,
        progress=None if listener is None else listener.progress,
    )


def askers_of(
    config: Experiment, chosen: Sequence[Example], *, account: Account, train: Sequence[Example]
) -> list[Asker]:
    """Make the teachers that write; labels that are still to be made can be shown to nobody."""
    is_known = all(example.answer is not None for example in chosen)
    is_there = config.labels.train == "gold" or (is_known and not config.labels.replace)
    askers = [asker_of(config, table, account=account, train=train) for table in config.writers]
    return askers if is_there else [asker.how(forced=False) for asker in askers]


def all_requests(asker: Asker, chosen: Sequence[Example]) -> list[Request]:
    """Make all requests, equal ones once: as configured, and unforced where the prompt matters."""
    ways = [asker, asker.how(forced=False)] if asker.teacher.abilities.reads_prompt else [asker]
    return list({one.key: one for way in ways for one in annotation_requests(chosen, way)}.values())


def confirm(
    config: Experiment, asked: Sequence[tuple[Asker, Sequence[Request]]], *, what: str, less: str
) -> None:
    """Refuse what could cost more than may be paid unasked; `less` says how it would cost less."""
    budget, nano, unknown = config.budget, 0, []
    for asker, requests in asked:
        teacher = asker.teacher
        kept = asker.kept(requests)
        worst = [worst_cost(request, teacher.price).nano for request in requests if request.key not in kept]
        if teacher.abilities.is_paid and None in worst:
            unknown.append(asker.name)
        nano += sum(cost or 0 for cost in worst) if teacher.abilities.is_paid else 0
    usd = to_usd(nano) or 0.0
    if usd > budget.confirm_above_usd:
        raise ConfigError(
            f"{what} can cost up to ${usd:.2f}, above budget.confirm_above_usd = "
            f"{budget.confirm_above_usd:g}; nothing was spent. Add --yes, or {less}."
        )
    if unknown and not budget.allow_unknown_price:
        raise ConfigError(
            f"nobody can say what {what} costs: the price of {some_of(unknown)} is unknown; nothing was "
            "spent. Add --yes, or set price_prompt and price_completion."
        )


def try_out(asker: Asker, chosen: Sequence[Example]) -> Trial:
    """Ask one teacher about every example, as configured and by itself."""
    annotated = annotate(chosen, asker)
    if not (annotated.annotations or annotated.dropped):
        name, failures = asker.name, Counter(failure.kind for failure in annotated.failures)
        if annotated.spent:
            raise BudgetSpent(f"the budget was spent before teacher {name!r} gave one reply; raise [budget].")
        raise TeacherError(
            f"teacher {name!r} answered none of {failures.total()} examples ({dict(failures)}); the first: "
            f"{annotated.failures[0].message.rstrip('.')}. Mend its table or its endpoint, then start again."
        )
    usd, latency_s, tokens = _paid(asker, chosen)
    trial = Trial(
        asker=asker,
        annotated=annotated,
        said=(None,) * len(chosen),
        solved=False,
        answered=frozenset(),
        usd=usd,
        solve_usd=usd,
        latency_s=latency_s,
        tokens=tokens,
    )
    if asker.config.forced and not asker.teacher.abilities.reads_prompt:
        return trial
    solved = solve(chosen, asker)
    solve_usd, _, more = _paid(asker.how(forced=False), chosen)
    silent = {failure.example_id for failure in solved.failures}
    return dataclasses.replace(
        trial,
        said=tuple(prediction.answer for prediction in solved.predictions),
        solved=True,
        answered=frozenset(item.id for item in chosen if item.id not in silent),
        solve_usd=solve_usd,
        tokens=tokens | more,
    )


def _paid(asker: Asker, chosen: Sequence[Example]) -> tuple[float | None, float | None, dict[str, float]]:
    """Mean dollars, median seconds and mean tokens by prompt, of the calls that were answered."""
    requests = annotation_requests(chosen, asker)
    replies = list(asker.kept(requests).values())
    costs = [Cost.of(reply.usage, asker.teacher.price).nano for reply in replies]
    known = [cost for cost in costs if cost is not None]
    seconds = [reply.latency_s for reply in replies if reply.latency_s > 0]
    usd = statistics.mean(known) / NANO if known and len(known) == len(costs) else None
    free = usd is None and not asker.teacher.abilities.is_paid
    written = [reply.usage.completion_tokens for reply in replies]
    tokens = {requests[0].prompt: statistics.fmean(written)} if written else {}
    return 0.0 if free else usd, statistics.median(seconds) if seconds else None, tokens
