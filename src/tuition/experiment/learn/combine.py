"""How the losses of the objectives are put together: the weights of the answer and of each teacher.

Knows names and numbers; knows no text and no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tuition.core.errors import ConfigError

__all__ = ["Combine", "loss_weights"]

Combine = Literal["summed", "convex", "normalised"]
"""How the answer's loss and the teachers' losses become one."""


def loss_weights(
    gamma: float,
    alphas: Mapping[str, float],
    *,
    combine: Combine = "summed",
    counts: Mapping[str, int] | None = None,
) -> tuple[float, dict[str, float]]:
    """Give the factor of the answer's loss L_A and that of each teacher's rationales.

    summed: γ·L_A + Σ α_m·L_m. convex: γ·L_A + (1−γ)·Σ (α_m/A)·L_m. normalised: (γ·L_A + Σ α_m·L_m)/(γ+A).
    Here A is what the rationales weigh together: Σ α_m where each teacher has an objective of its own. Where
    all rationales are one objective, as when an example has one rationale, A is the mean α over them.

    Source: TinyLLM (arXiv 2402.04616), the multi-task loss (summed); Distilling step-by-step (arXiv
    2305.02301), whose sum for one teacher is the convex one.

    Differs: the convex sum of several teachers and the normalised one are ours.
    """
    together = sum(alphas.values())
    if counts is not None:
        together = sum(alphas[name] * counts[name] for name in alphas) / sum(counts[name] for name in alphas)
    if combine == "summed":
        return gamma, dict(alphas)
    if together <= 0:
        raise ConfigError(
            f"combine = {combine!r} shares the loss out by the teachers' weights, and those of "
            f"{', '.join(alphas)} are 0; give at least one [[teacher]] a weight above 0."
        )
    if combine == "convex":
        return gamma, {name: (1.0 - gamma) * alpha / together for name, alpha in alphas.items()}
    whole = gamma + together
    return gamma / whole, {name: alpha / whole for name, alpha in alphas.items()}
