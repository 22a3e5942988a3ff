"""What to ask next: numbers in, indices out. Knows no model and no teacher."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

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
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """What share of the training split to use; give this or `examples`."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.examples is not None and self.share is not None:
            raise ValueError("both examples and share are given; give one of them")
        return self


def choose(pool: Pool, config: SelectionConfig, *, seed: int) -> list[int]:
    """Choose the examples a run works with.

    Args:
        pool: What is known of the examples.
        config: The strategy and the number or share; a number beyond the pool takes the whole of it, a share
            at least one.
        seed: Equal seeds choose equal rows.

    Returns:
        Row numbers in rising order.

    Raises:
        ConfigError: The strategy is unknown.
    """
    if config.strategy not in STRATEGIES:
        raise ConfigError(near_name(config.strategy, STRATEGIES, kind="strategy"))
    n = pool.size if config.examples is None else min(config.examples, pool.size)
    if config.share is not None:
        n = min(pool.size, max(1, round(config.share * pool.size)))
    return sorted(STRATEGIES[config.strategy](pool, n, seed=seed))
