"""Choose at random, every example as likely as every other: what any other strategy has to beat."""

from __future__ import annotations

import numpy as np

from tuition.core.protocols import Pool

__all__ = ["uniform"]


def uniform(pool: Pool, n: int, *, seed: int) -> list[int]:
    """Draw rows without replacement.

    A smaller draw of the same seed is the beginning of a larger one, so that budgets can be compared.

    Args:
        pool: Only its size matters.
        n: How many to choose.
        seed: Equal seeds choose equal rows.

    Returns:
        Distinct row numbers.

    Raises:
        ValueError: `n` is negative or greater than the pool.
    """
    if not 0 <= n <= pool.size:
        raise ValueError(f"cannot choose {n} of a pool of {pool.size} examples")
    return np.random.default_rng(seed).permutation(pool.size)[:n].tolist()
