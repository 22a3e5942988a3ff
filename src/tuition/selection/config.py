"""What a user may say about what is asked next."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tuition.core.config import Section

__all__ = ["SelectionConfig"]


class SelectionConfig(Section):
    """Which examples of the pool the teachers are asked about."""

    strategy: str = "random"
    """Name of the strategy, or `package.module:Name`; all but `random` read what the student's reasoning
    shows."""
    examples: Annotated[int, Field(ge=1)] | None = None
    """How many examples of the training split to use; None: all."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """What share of the training split to use; give this or `examples`."""
    intra: Literal["hard", "soft"] = "soft"
    """egss_intra, egss: count answers that change without a step, or add up what their probability loses."""
    inter: Literal["mean", "max", "first_uncertain"] = "mean"
    """egss_inter, egss: how the doubts behind all prefixes become one number."""
    prefixes: Literal["all", "none"] = "all"
    """egss_inter, egss: doubt behind every prefix, or of whole explanations alone (i = 0)."""
    doubt: Literal["share", "entropy"] = "share"
    """egss_inter, egss: one minus the share of the most frequent answer, or the entropy in nats."""
    uncertain_above: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.3
    """first_uncertain: a prefix is uncertain where its doubt is greater."""
    intra_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    """egss: w, the weight of the intra score; the inter score has 1 - w."""
    diversity: Literal["none", "k_center", "clusters"] = "none"
    """Among the best-scored: take the best, the farthest from each other, or each cluster in turn."""
    diverse_among: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 3.0
    """diversity: how many times as many best-scored rows as are wanted it may choose from."""
    clusters: Annotated[int, Field(ge=1)] = 10
    """clusters: how many."""
    domain_quota: bool = False
    """Whether each domain's share of the chosen is its share of what is left, within one item."""
    candidates: Annotated[int, Field(ge=1)] | None = None
    """Score only so many rows, drawn at random before the student is asked anything; None: all."""
    leave_known: bool = False
    """Whether, behind the cold start, examples stay unasked whose draft is judged to be known, by its
    confidence and the drafts on validation: SlimPLM's gate. A plan supposes that none is."""
    per_dollar: bool = False
    """Whether the score is divided by the expected cost of asking."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.examples is not None and self.share is not None:
            raise ValueError("both examples and share are given; give one of them")
        return self
