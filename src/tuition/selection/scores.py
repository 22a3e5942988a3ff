"""How much a teacher's word may teach: one number a row from what the student's reasoning shows.

Higher means: ask first. Knows no model and no teacher.

Source: common practice; another where a score names it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tuition.core.errors import ConfigError, DataError
from tuition.core.plugins import Kind, check_whole, find
from tuition.core.protocols import Pool
from tuition.core.records import Evidence
from tuition.selection.config import SelectionConfig

__all__ = [
    "STRATEGIES",
    "STRATEGY",
    "Score",
    "disagreement",
    "egss",
    "egss_inter",
    "egss_intra",
    "entropy",
    "least_confidence",
    "margin",
    "max_token_entropy",
    "mean_token_entropy",
    "needs_of",
    "perplexity",
    "scores_of",
    "self_confidence",
]

STRATEGY = Kind(name="strategy", group="tuition.strategies", needs=("of", "needs"))
"""What a user's own strategy must have, such as a `Score`."""


_TOLD_BY = {"greedy": "entropies", "samples": "votes", "removal": "changed", "prefixes": "prefix_votes"}
"""The value that tells whether somebody looked for a kind of evidence; of others it has the kind's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a strategy reads, and the number it makes of it."""

    of: Callable[[Pool, SelectionConfig], np.ndarray]
    """One number a row of the pool; higher: ask first."""
    needs: Callable[[SelectionConfig], frozenset[str]]
    """The evidence it reads under a configuration."""


def needs_of(config: SelectionConfig) -> frozenset[str]:
    """Say which evidence the strategy reads, so that no other is computed.

    Args:
        config: Names the strategy and its variant.

    Returns:
        Kinds of evidence; none for `random`.

    Raises:
        ConfigError: The strategy is unknown.
    """
    return _score(config).needs(config)


def scores_of(pool: Pool, config: SelectionConfig) -> np.ndarray:
    """Score every row of the pool, the ones asked before included.

    Args:
        pool: With the evidence that `needs_of` names, one a row.
        config: Names the strategy and its variant; no wrapper (diversity, quota, cost) is looked at.

    Returns:
        Shape (size, ), finite; higher: ask first. `random` scores all rows 0.

    Raises:
        ConfigError: The strategy is unknown, or reads evidence where nobody looked.
        DataError: The evidence is not one a row, a row lacks what the strategy reads, or a score is no finite
            number.
    """
    score = _score(config)
    needs = sorted(score.needs(config))
    if needs and pool.size and not pool.evidence:
        raise ConfigError(
            f"strategy {config.strategy!r} reads what the student's reasoning shows "
            f"({', '.join(needs)}), and nobody looked. It chooses in rounds, where a student answers first; "
            "set selection.strategy = 'random' elsewhere."
        )
    if pool.evidence and len(pool.evidence) != pool.size:
        raise DataError(
            f"the pool has {pool.size} rows and evidence for {len(pool.evidence)}; give one a row, in order"
        )
    told_by = {_TOLD_BY.get(kind, kind) for kind in needs}
    for i, row in enumerate(pool.evidence if told_by else ()):
        if not told_by <= row.values.keys():
            absent = [kind for kind in needs if _TOLD_BY.get(kind, kind) not in row.values]
            raise DataError(
                f"row {i} (example {row.example_id!r}) has no evidence of {', '.join(absent)}, which "
                f"strategy {config.strategy!r} reads; ask the student for what needs_of names"
            )
    scores = np.asarray(score.of(pool, config), dtype=float)
    for i in np.flatnonzero(~np.isfinite(scores)):
        raise DataError(
            f"strategy {config.strategy!r} scores row {i} (example {pool.evidence[i].example_id!r}) as "
            f"{float(scores[i])!r}, which is no finite number; look at its evidence: the student's training "
            "may have come apart"
        )
    return scores


def _score(config: SelectionConfig) -> Score:
    found = find(STRATEGY, config.strategy, STRATEGIES)
    check_whole(STRATEGY, found, config.strategy)
    return found


def entropy(votes: Sequence[int]) -> float:
    """Score how evenly sampled answers are spread: -Σ s ln s over the shares s of the votes, in nats."""
    shares = np.asarray(votes) / np.sum(votes)
    return float(-np.sum(shares * np.log(shares))) + 0.0  # no minus zero


def least_confidence(votes: Sequence[int]) -> float:
    """Score by one minus the share of the most frequent answer."""
    return 1.0 - max(votes) / sum(votes)


def margin(votes: Sequence[int]) -> float:
    """Score by one minus the lead of the most frequent answer over the second, both as shares."""
    first, second, *_ = [*sorted(votes, reverse=True), 0]
    return 1.0 - (first - second) / sum(votes)


def disagreement(votes: Sequence[int]) -> float:
    """Score by the number of distinct answers over the number of samples.

    Source: Active-Prompt (arXiv 2302.12246), the disagreement h / k.
    Differs: an answer that cannot be read is one of its own, so that nonsense never looks sure.
    """
    return len(votes) / sum(votes)


def self_confidence(row: Evidence) -> float:
    """Score by one minus the probability of the answer behind the student's own explanation.

    Source: Active-Prompt (arXiv 2302.12246), self-confidence.
    Differs: there the model is asked in words how sure it is; here the probability p(a | q, r) is read; 1
    where no answer could be read.
    """
    return 1.0 - (0.0 if row.values["confidence"] is None else row.values["confidence"])


def mean_token_entropy(row: Evidence) -> float:
    """Score by how unsure the student is of a token on average, in nats."""
    return float(np.mean(row.values["entropies"]))


def max_token_entropy(row: Evidence) -> float:
    """Score by how unsure the student is of its least certain token, in nats."""
    return float(np.max(row.values["entropies"]))


def perplexity(row: Evidence) -> float:
    """Score by how surprising the question itself is to the student, whatever it answers.

    Source: ours; the perplexity of a text is the usual one.
    """
    return row.values["perplexity"]


def egss_intra(row: Evidence, config: SelectionConfig) -> float:
    """Score how much the answer leans on single steps of the explanation, by leaving one out at a time.

    hard: (1/n) Σ 1[a_{-i} ≠ a]; soft: (1/n) Σ max(0, p(a | q, r) - p(a | q, r without i)). 0 where there are
    no steps to leave out; 1 where there are, and no answer could be read.

    Source: after ELAD (arXiv 2402.13098), whose formula is not published; the definition is ours.
    """
    if not row.values["changed"]:
        return 0.0
    if config.intra == "hard":
        return float(np.mean(row.values["changed"]))
    if row.values["confidence"] is None:
        return 1.0
    return float(np.mean(np.maximum(0.0, row.values["confidence"] - np.asarray(row.values["without_step"]))))


def egss_inter(row: Evidence, config: SelectionConfig) -> float:
    """Score how far explanations disagree that begin with the same steps.

    D_i is the doubt behind the first i steps: one minus the share of the most frequent answer among the
    continuations, or the entropy of their answers. mean: (1/(n+1)) Σ D_i, i = 0 .. n; max: the greatest
    D_i; first_uncertain: (n + 1 - i) / (n + 1) for the first i with D_i above the threshold, 0 where there is
    none, so that doubt weighs more the earlier it comes. Without prefixes it is D_0 of the sampled
    explanations. In [0, 1] where the doubt is a share; else in nats, but for first_uncertain.

    Source: after ELAD (arXiv 2402.13098), whose formula is not published; the definition is ours.
    """
    doubt = least_confidence if config.doubt == "share" else entropy
    doubts = [
        doubt(votes)
        for votes in (row.values["prefix_votes"] if config.prefixes == "all" else [row.values["votes"]])
    ]
    if config.inter == "first_uncertain":
        early = (len(doubts) - i for i, found in enumerate(doubts) if found > config.uncertain_above)
        return next(early, 0) / len(doubts)
    return float(np.max(doubts) if config.inter == "max" else np.mean(doubts))


def egss(pool: Pool, config: SelectionConfig) -> np.ndarray:
    """Score by both: w·z(intra) + (1 - w)·z(inter), z over the pool; a score without spread counts as 0.

    Source: after ELAD (arXiv 2402.13098), whose formula is not published; the definition is ours.
    """
    intra = _z(np.array([egss_intra(row, config) for row in pool.evidence]))
    inter = _z(np.array([egss_inter(row, config) for row in pool.evidence]))
    return config.intra_weight * intra + (1.0 - config.intra_weight) * inter


def _z(values: np.ndarray) -> np.ndarray:
    # The spread of equal floats may come out as a rounding error; their range cannot.
    if not values.size or np.ptp(values) == 0:
        return np.zeros(values.shape)
    return (values - values.mean()) / values.std()


def _of_votes(score: Callable[[Sequence[int]], float]) -> Score:
    # A pool has few patterns of votes.
    known = functools.cache(score)
    return Score(
        of=lambda pool, config: np.array([known(tuple(row.values["votes"])) for row in pool.evidence]),
        needs=lambda config: frozenset({"samples"}),
    )


def _of_row(score: Callable[[Evidence], float], kind: str) -> Score:
    return Score(
        of=lambda pool, config: np.array([score(row) for row in pool.evidence]),
        needs=lambda config: frozenset({kind}),
    )


def _intra_needs(config: SelectionConfig) -> frozenset[str]:
    return frozenset({"removal"} if config.intra == "hard" else {"removal", "confidence"})


def _inter_needs(config: SelectionConfig) -> frozenset[str]:
    return frozenset({"prefixes"} if config.prefixes == "all" else {"samples"})


STRATEGIES: dict[str, Score] = {
    "random": Score(of=lambda pool, config: np.zeros(pool.size), needs=lambda config: frozenset()),
    "entropy": _of_votes(entropy),
    "least_confidence": _of_votes(least_confidence),
    "margin": _of_votes(margin),
    "disagreement": _of_votes(disagreement),
    "self_confidence": _of_row(self_confidence, "confidence"),
    "mean_token_entropy": _of_row(mean_token_entropy, "greedy"),
    "max_token_entropy": _of_row(max_token_entropy, "greedy"),
    "perplexity": _of_row(perplexity, "perplexity"),
    "egss_intra": Score(
        of=lambda pool, config: np.array([egss_intra(row, config) for row in pool.evidence]),
        needs=_intra_needs,
    ),
    "egss_inter": Score(
        of=lambda pool, config: np.array([egss_inter(row, config) for row in pool.evidence]),
        needs=_inter_needs,
    ),
    "egss": Score(of=egss, needs=lambda config: _intra_needs(config) | _inter_needs(config)),
}
"""Every strategy by name; `random` scores all rows alike, and ties are drawn."""
