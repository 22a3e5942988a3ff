"""What a panel of teachers says together: the plain majority, and one that weighs each by its reliability.

Pure numpy; knows no task: answers that mean the same must be written the same before they come here. Missing
answers are None and count for nothing. Libraries for crowds take classes that are the same for every example
and bring pandas and scikit-learn; here the possible answers differ from example to example and may be open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Consensus", "majority", "weighted_majority"]

_TIE = 1e-9
"""Probabilities nearer than this are a tie: the last digits of a sum must not decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """What a panel says of some examples, and how far each of its teachers is to be believed."""

    labels: tuple[str | None, ...]
    """One an example, in order; None: no teacher answered it."""
    confidence: tuple[float, ...]
    """Posterior probability of each label, in [0, 1]; 0 where there is none."""
    reliability: Mapping[str, float]
    """Estimated probability that a teacher's answer is the true one, strictly between 0 and 1."""
    log_posteriors: tuple[float, ...]
    """After each turn: log-likelihood of all answers, with the prior's part; natural log; never falls."""


def majority(answers: Sequence[Mapping[str, str | None]]) -> list[str | None]:
    """Take the answer that most teachers gave.

    Args:
        answers: One mapping an example, from the teacher's name to its answer; None: it gave none.

    Returns:
        One label an example; a tie goes to the answer of the teacher named first. None: nobody answered.
    """
    labels: list[str | None] = []
    for given in answers:
        # Counter keeps the order of first sight, and its most common entry is the earliest of equals.
        votes = Counter(answer for answer in given.values() if answer is not None)
        labels.append(votes.most_common(1)[0][0] if votes else None)
    return labels


def weighted_majority(
    answers: Sequence[Mapping[str, str | None]],
    *,
    options: Sequence[int | None] | None = None,
    iterations: int = 100,
    tolerance: float = 1e-6,
    prior: tuple[float, float] = (4.0, 2.0),
) -> Consensus:
    """Label examples by their teachers, each weighed by a reliability estimated from agreement alone.

    Teacher m gives the true answer with probability p_m, and else one of the L - 1 others, all alike. The
    posterior of an answer is its share of Π_m p_m^[m says it] · ((1 - p_m) / (L - 1))^[m says another]; the
    reliability is p_m = (a + Σ posterior of what m said) / (a + b + number of its answers). The two steps
    take turns (EM), beginning with the plain majority.

    Source: Dawid and Skene, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm,
    Applied Statistics 28 (1979), equations 2.3 to 2.5, with one coin a teacher in place of a whole confusion
    table.

    Differs: the possible answers differ from example to example and are equally likely beforehand, so there
    are no class rates; where their number is unknown it counts as one more than there are teachers, so that
    all of them can be wrong, each in its own way; answers may be missing; a Beta prior, of `a` right and `b`
    wrong answers, keeps every p_m inside (0, 1).

    Args:
        answers: One mapping an example, from the teacher's name to its answer; None: it gave none.
        options: Number of answers possible for each example; None, as a whole or for one: unknown.
        iterations: Turns at most.
        tolerance: Stop when no reliability moves by more.
        prior: Answers imagined for each teacher beforehand, right and wrong; both positive.

    Returns:
        Labels, their confidence, and the reliabilities. A tie goes to the teacher named first.

    Raises:
        ValueError: `options` is of another length, or a number is out of its range.
    """
    if options is not None and len(options) != len(answers):
        raise ValueError(f"{len(options)} numbers of options for {len(answers)} examples; one each is needed")
    if iterations < 1 or min(prior) <= 0:
        raise ValueError(
            f"at least one turn and positive priors are needed, not {iterations} turns and {prior}"
        )
    votes = _Votes.of(answers, options if options is not None else [None] * len(answers))
    posterior = votes.shares()
    reliability = votes.reliability(posterior, prior)
    history: list[float] = []
    for _turn in range(iterations):
        posterior, evidence = votes.posterior(reliability)
        priors = prior[0] * np.log(reliability) + prior[1] * np.log1p(-reliability)
        history.append(evidence + float(priors.sum()))
        before, reliability = reliability, votes.reliability(posterior, prior)
        if np.abs(reliability - before).max(initial=0) <= tolerance:
            break
    labels, confidence = votes.best(posterior)
    return Consensus(
        labels=labels,
        confidence=confidence,
        reliability=dict(zip(votes.teachers, reliability.tolist(), strict=True)),
        log_posteriors=tuple(history),
    )


@dataclass(frozen=True, slots=True)
class _Votes:
    """All answers as numbers: one row a vote, one row a candidate (an answer given to an example)."""

    teachers: tuple[str, ...]
    texts: tuple[str, ...]
    """Of the candidates; those of one example stand together, in the order of the teachers."""
    home: np.ndarray
    """Example of each candidate, shape (candidates, )."""
    teacher: np.ndarray
    """Teacher of each vote, shape (votes, )."""
    candidate: np.ndarray
    """Candidate of each vote, shape (votes, )."""
    possible: np.ndarray
    """Answers possible for each example, at least 2, shape (examples, )."""

    @classmethod
    def of(cls, answers: Sequence[Mapping[str, str | None]], options: Sequence[int | None]) -> _Votes:
        teachers = tuple(dict.fromkeys(name for given in answers for name in given))
        texts: list[str] = []
        homes: list[int] = []
        votes: list[tuple[int, int]] = []
        possible: list[int] = []
        for i, (given, n) in enumerate(zip(answers, options, strict=True)):
            said = {name: answer for name, answer in given.items() if answer is not None}
            seen = {answer: len(texts) + k for k, answer in enumerate(dict.fromkeys(said.values()))}
            votes += [(teachers.index(name), seen[answer]) for name, answer in said.items()]
            texts += seen
            homes += [i] * len(seen)
            possible.append(max(n if n is not None else len(teachers) + 1, len(seen), 2))
        rows = np.array(votes, dtype=np.intp).reshape(-1, 2)
        return cls(
            teachers=teachers,
            texts=tuple(texts),
            home=np.array(homes, dtype=np.intp),
            teacher=rows[:, 0],
            candidate=rows[:, 1],
            possible=np.array(possible, dtype=np.float64),
        )

    def shares(self) -> np.ndarray:
        """Give the plain majority: 1 for an example's most frequent candidate, shared evenly in a tie."""
        count = np.bincount(self.candidate, minlength=len(self.texts))
        most = np.zeros(len(self.possible))
        np.maximum.at(most, self.home, count)
        top = (count == most[self.home]).astype(np.float64)
        ties = np.bincount(self.home, weights=top, minlength=len(self.possible))
        return top / ties[self.home]

    def reliability(self, posterior: np.ndarray, prior: tuple[float, float]) -> np.ndarray:
        """Estimate each teacher from how likely what it said is, shape (teachers, )."""
        n = len(self.teachers)
        right = np.bincount(self.teacher, weights=posterior[self.candidate], minlength=n)
        return (prior[0] + right) / (sum(prior) + np.bincount(self.teacher, minlength=n))

    def posterior(self, reliability: np.ndarray) -> tuple[np.ndarray, float]:
        """Weigh the candidates, shape (candidates, ), and give the log-likelihood of all answers."""
        n, home = len(self.possible), self.home[self.candidate]
        right = np.log(reliability)[self.teacher]
        wrong = np.log1p(-reliability)[self.teacher] - np.log(self.possible - 1)[home]
        all_wrong = np.bincount(home, weights=wrong, minlength=n)
        gain = np.bincount(self.candidate, weights=right - wrong, minlength=len(self.texts))
        score = all_wrong[self.home] + gain
        top = all_wrong.copy()
        np.maximum.at(top, self.home, score)
        # The answers that nobody gave stay possible: each has the score of "all teachers are wrong".
        unseen = self.possible - np.bincount(self.home, minlength=n)
        total = np.bincount(self.home, weights=np.exp(score - top[self.home]), minlength=n)
        total = total + unseen * np.exp(all_wrong - top)
        evidence = float((np.log(total) + top - np.log(self.possible)).sum())
        return np.exp(score - top[self.home]) / total[self.home], evidence

    def best(self, posterior: np.ndarray) -> tuple[tuple[str | None, ...], tuple[float, ...]]:
        """Take the likeliest candidate of each example; of equals, the first."""
        labels: list[str | None] = [None] * len(self.possible)
        confidence = [0.0] * len(self.possible)
        for text, home, share in zip(self.texts, self.home, posterior.tolist(), strict=True):
            if labels[home] is None or share > confidence[home] + _TIE:
                labels[home], confidence[home] = text, share
        return tuple(labels), tuple(confidence)
