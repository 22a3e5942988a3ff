"""How often each domain is drawn, by how far the student is behind its teacher there. Pure numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["error_ratios", "factors", "perplexity_ratios"]

_MOST = 20.0
"""Of a ratio: a student that knows nothing of a domain is behind enough at twenty times the perplexity."""


def perplexity_ratios(student: Mapping[str, float], teacher: Mapping[str, float]) -> dict[str, float]:
    """Divide the student's perplexity by the teacher's, domain by domain.

    Source: DDK (arXiv 2407.16154), its discrepancy factor.

    Differs: a ratio above 20 counts as 20: a fresh student has perplexities in the hundreds, and e to that
    power leaves one domain alone.
    """
    return {domain: min(_MOST, student[domain] / teacher[domain]) for domain in student}


def error_ratios(
    student: Mapping[str, float], teacher: Mapping[str, float], *, epsilon: float = 0.05
) -> dict[str, float]:
    """Divide the student's share of errors by the teacher's: the ratio of a teacher that gives no logits.

    Source: none; our black-box form of DDK's ratio, finite where a teacher makes no error (`epsilon`).
    """
    return {
        domain: min(_MOST, (student[domain] + epsilon) / (teacher[domain] + epsilon)) for domain in student
    }


def factors(
    ratios: Mapping[str, float], before: Mapping[str, float] | None = None, *, alpha: float = 0.5
) -> dict[str, float]:
    """Give the share of each domain in the next interval.

    The first: r = exp(ratio) / Σ exp(ratio). Every other: ψ = before · exp(ratio), r = α·ψ/Σψ + (1 − α)/N, so
    that no domain falls below (1 − α)/N.

    Source: DDK (arXiv 2407.16154), equations of its full text.
    """
    logs = {
        domain: ratio + (0.0 if before is None else math.log(max(before[domain], 1e-12)))
        for domain, ratio in ratios.items()
    }
    highest = max(logs.values())
    weights = {domain: math.exp(value - highest) for domain, value in logs.items()}
    whole, smooth = math.fsum(weights.values()), 1.0 if before is None else alpha
    return {
        domain: smooth * weight / whole + (1 - smooth) / len(weights) for domain, weight in weights.items()
    }
