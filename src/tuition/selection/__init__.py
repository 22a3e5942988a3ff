"""What to ask next: numbers in, indices out. Knows no model and no teacher."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tuition.core.config import Section
from tuition.core.errors import ConfigError, near_name
from tuition.core.protocols import Pool, Strategy
from tuition.selection.uniform import uniform

__all__ = ["STRATEGIES", "SelectionConfig", "choose"]

STRATEGIES: dict[str, Strategy] = {"uniform": uniform}
"""Every strategy by name."""


class SelectionConfig(Section):
    """Which examples of the pool the teachers are asked about."""

    strategy: str = "uniform"
    """Name of the strategy."""
    examples: Annotated[int, Field(ge=1)] | None = None
    """How many examples of the training split to use; None: all."""


def choose(pool: Pool, config: SelectionConfig, *, seed: int) -> list[int]:
    """Choose the examples a run works with.

    Args:
        pool: What is known of the examples.
        config: The strategy and the number; a number beyond the pool takes the whole of it.
        seed: Equal seeds choose equal rows.

    Returns:
        Row numbers in rising order.

    Raises:
        ConfigError: The strategy is unknown.
    """
    if config.strategy not in STRATEGIES:
        raise ConfigError(near_name(config.strategy, STRATEGIES, kind="strategy"))
    n = pool.size if config.examples is None else min(config.examples, pool.size)
    return sorted(STRATEGIES[config.strategy](pool, n, seed=seed))
