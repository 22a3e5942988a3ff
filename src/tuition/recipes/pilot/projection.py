"""What a whole training set would cost, plan by plan, from what a pilot paid a call.

Knows prices and shares; asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuition.annotation import RoutingConfig, similar_success
from tuition.annotation.routing import similar_order
from tuition.core.records import Example, Record
from tuition.recipes.pilot.advice import Tried
from tuition.recipes.plan.pricing import sum_usd

__all__ = ["Projection", "project", "similar_choice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection(Record):
    """What one plan would ask of the whole training set."""

    plan: str
    """A teacher's name, or a route."""
    calls: float
    """Expected calls, verdicts included."""
    usd: float | None
    """Expected cost of them all, what the pilot paid included; None: a price is unknown."""


def similar_choice(
    examples: Sequence[Example],
    success: Mapping[str, Sequence[float | None]],
    prices: Mapping[str, float],
    *,
    routing: RoutingConfig,
) -> list[str]:
    """Say whom the route `similarity` would ask about each example, from the other examples alone.

    Args:
        examples: Of the pilot, at least two.
        success: By teacher, one number an example; None: it gave no reply.
        prices: By teacher, for ties.
        routing: Settings of the route.

    Returns:
        A teacher an example.
    """
    chosen: list[str] = []
    for i, example in enumerate(examples):
        others = [*examples[:i], *examples[i + 1 :]]
        seen = {name: [*values[:i], *values[i + 1 :]] for name, values in success.items()}
        expected = similar_success(
            [example], others, seen, neighbours=routing.neighbours, prior=routing.prior
        )
        chosen.append(similar_order(expected, prices)[0][0])
    return chosen


def project(
    tried: Sequence[Tried],
    *,
    n: int,
    routing: RoutingConfig,
    chosen: Sequence[str] = (),
    verdict_usd: float | None = None,
    judge: str = "",
    votes: bool = True,
) -> list[Projection]:
    """Reckon what each plan would cost for the whole training set.

    Redrawn samples and verifications are not in it.

    Args:
        tried: The teachers.
        n: Size of the training set.
        routing: The probe's share and the tries.
        chosen: From `similar_choice`; empty: unknown, so that the route is not reckoned.
        verdict_usd: A guess at the price of a verdict; None: unknown.
        judge: Who would judge; empty: nobody can, so that the route is not reckoned.
        votes: Whether all of them can answer by themselves, which the route `vote` wants.

    Returns:
        Each teacher alone, then the routes.
    """
    drawn = sum(one.samples for one in tried)
    price = {one.teacher: _times(one.samples, one.usd_per_call) for one in tried}
    plans = [
        Projection(plan=one.teacher, calls=n * one.samples, usd=_times(n, price[one.teacher]))
        for one in tried
    ]
    if len(tried) < 2:
        return plans
    every = sum_usd(price.values())
    plans.append(Projection(plan="all", calls=n * drawn, usd=_times(n, every)))
    kept = sum(one.kept.share for one in tried) / len(tried)
    turns = sum((1 - kept) ** turn for turn in range(min(routing.tries, len(tried)))) / len(tried)
    plans.append(Projection(plan="random", calls=n * turns * drawn, usd=_times(n * turns, every)))
    if chosen:
        probe = min(n, max(1, round(routing.probe * n)))
        share = (n - probe) / len(chosen)
        samples = {one.teacher: one.samples for one in tried}
        calls = probe * drawn + share * sum(samples[name] for name in chosen)
        usd = sum_usd([_times(probe, every), _times(share, sum_usd(price[name] for name in chosen))])
        plans.append(Projection(plan="similarity", calls=calls, usd=usd))
    if votes:
        solving = sum_usd(_times(one.samples, one.solve_usd_per_call) for one in tried)
        plans.append(Projection(plan="vote", calls=n * drawn, usd=_times(n, solving)))
    if judge:
        usd = sum_usd([_times(n, every), _times(n, verdict_usd)])
        plans.append(Projection(plan=f"judge ({judge})", calls=n * (drawn + 1), usd=usd))
    return plans


def _times(factor: float, usd: float | None) -> float | None:
    return None if usd is None else factor * usd
