"""What a student's own reasoning about one example shows, as numbers: all that a selection score may read.

Knows no model: the student writes and scores, a recipe turns that into these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tuition.core.records import Record

__all__ = ["Evidence", "EvidenceKind"]

EvidenceKind = Literal["greedy", "samples", "confidence", "removal", "prefixes"]
"""What the student must do for a part of the evidence; a score names those it reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Record):
    """The numbers of one example; what no score asked for stays empty.

    Source: after ELAD (arXiv 2402.13098), whose formulas are not published; the definitions are ours. An
    answer that cannot be read is a vote of its own, so that a student who writes nonsense never looks sure.
    """

    example_id: str
    steps: int = 0
    """Steps of the greedy explanation, its closing sentence left out. (`greedy`)"""
    logprobs: tuple[float, ...] = ()
    """Natural log-probability of each token of the greedy explanation. (`greedy`)"""
    entropies: tuple[float, ...] = ()
    """Entropy of the student's distribution at each of its tokens, in nats. (`greedy`)"""
    votes: tuple[int, ...] = ()
    """How many sampled explanations end in each distinct answer, most first. (`samples`)"""
    confidence: float | None = None
    """p(a | q, r): of the greedy answer behind its own explanation, in [0, 1]; None: not asked for, or no
    answer could be read. (`confidence`)"""
    without_step: tuple[float, ...] = ()
    """p(a | q, r without step i), one a step. (`removal`)"""
    changed: tuple[bool, ...] = ()
    """Whether the answer given without step i is another one, one a step. (`removal`)"""
    prefix_votes: tuple[tuple[int, ...], ...] = ()
    """As `votes`, for continuations behind the first i steps, i = 0 .. n. (`prefixes`)"""
    student_tokens: Mapping[str, int] = field(default_factory=dict)
    """Tokens the student wrote for each kind of evidence."""
