"""Whether plans cost more than may be spent without being asked. Asks nobody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuition.core.budget import Budget
from tuition.core.errors import some_of
from tuition.experiment.config import Experiment
from tuition.operate.dry_run.plan import Plan
from tuition.operate.execute import baseline_configs

__all__ = ["is_over", "objection"]


def is_over(config: Experiment) -> bool:
    """Say whether a run and all of its baselines are finished, so that nothing is left to be paid."""
    return all((Path(one.out) / "done").exists() for one in (config, *baseline_configs(config).values()))


def objection(plans: Sequence[Plan], budget: Budget) -> tuple[str, str] | None:
    """Say why plans need a confirmation, and how to do without. None: nothing needs to be confirmed."""
    limit, known = budget.confirm_above_usd, sum(plan.known_usd for plan in plans)
    if known > limit:
        found = f"the expected cost, ${known:.2f}, is above budget.confirm_above_usd = {limit:g}"
        return found, "raise confirm_above_usd"
    if any(plan.expected_usd is None for plan in plans) and not budget.allow_unknown_price:
        asked = sorted({name for plan in plans for name in plan.unpriced})
        found = f"nobody can say what this costs: the price of {some_of(asked)} is unknown"
        return found, "set price_prompt and price_completion, or budget.allow_unknown_price = true"
    return None
