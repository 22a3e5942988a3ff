"""What a pilot's numbers speak for: which teachers, which route. Pure arithmetic and stated rules.

Knows no store and asks nobody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tuition.core.records import Json, Record
from tuition.evaluation.accuracy import wilson

__all__ = ["Advice", "Share", "Tried", "advise", "oracle_of"]

_OFTEN, _MOSTLY = 0.2, 0.5
"""Shares of a teacher's texts with a fault: from the first on it is told, from the second on it counts."""
_FAULTS = {"duplicate": "repeat a text that it wrote for another question", "cut": "break off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Record):
    """A share of examples and its 95 % Wilson interval."""

    count: int
    n: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, count: int, n: int) -> Share:
        """Make it from counts."""
        low, high = wilson(count, n)
        return cls(count=count, n=n, share=count / n, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried(Record):
    """How one teacher did in a pilot."""

    teacher: str
    is_simulated: bool
    """A program that stands in for a language model."""
    samples: int
    """Rationales the run would ask for each example; the pilot asks one."""
    kept: Share
    """Rationales the filters kept, of all examples asked."""
    right: Share | None
    """Its own answers that are right, of those it answered; None: unknown."""
    usd_per_call: float | None
    """Mean price of a call for a rationale; 0: free; None: unknown."""
    solve_usd_per_call: float | None
    """The same where it solves by itself."""
    latency_s: float | None
    """Median seconds of a call; None: recorded, or taken from the store without one."""
    faults: Mapping[str, float]
    """For each health check the share of its rationales that fail it."""
    failures: Mapping[str, int]
    tokens: Mapping[str, float] = field(default_factory=dict)
    """Mean tokens of a reply by prompt."""
    chance: float | None = None
    """Share of these questions that guessing among their options gets right; None: unknown, as `right` is."""

    @property
    def is_guessing(self) -> bool:
        """Whether its own answers are no better than guessing, as far as these questions tell."""
        return self.right is not None and self.chance is not None and self.right.low <= self.chance

    def mostly(self, fault: str) -> bool:
        """Say whether most of its texts have a fault."""
        return self.faults.get(fault, 0.0) >= _MOSTLY

    def complaints(self) -> list[str]:
        """Say what is wrong with its texts and answers."""
        found = [
            f"writes texts of which {100 * self.faults[name]:.0f} % {words}."
            for name, words in _FAULTS.items()
            if self.faults.get(name, 0.0) >= _OFTEN
        ]
        if self.is_guessing and self.right is not None and self.chance is not None:
            guessed = f"guessing is right in {100 * self.chance:.0f} %"
            found.insert(0, f"is no better than guessing: right in {_percent(self.right)}, and {guessed}.")
        return found

    @property
    def usd_per_kept(self) -> float | None:
        """Dollars for a rationale that is kept; None: unknown, or none was kept."""
        if self.usd_per_call is None or not self.kept.count:
            return None
        return self.usd_per_call / self.kept.share

    def to_json(self) -> dict[str, Json]:
        """Give it as JSON."""
        more = {"usd_per_kept": self.usd_per_kept, "is_guessing": self.is_guessing}
        return {**super(Tried, self).to_json(), **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice(Record):
    """What the numbers speak for."""

    route: str
    """all (of the teachers named), similarity, or none: no teacher is fit."""
    teachers: tuple[str, ...]
    dropped: tuple[str, ...]
    """Those that guess, whose texts repeat or break off, or that another one beats for no more money."""
    because: tuple[str, ...]


def oracle_of(right: Mapping[str, Sequence[bool | None]]) -> Share | None:
    """Say how often at least one of several teachers is right. None: there is none."""
    rows = [row for row in zip(*right.values(), strict=True) if row and None not in row]
    return Share.of(sum(any(row) for row in rows), len(rows)) if rows else None


def advise(
    tried: Sequence[Tried],
    *,
    right: Mapping[str, Sequence[bool | None]],
    similar: Callable[[Sequence[str]], Share | None],
) -> Advice:
    """Apply the rule of docs/how-to/choose-teachers.md to the numbers."""
    reasons = [f"{one.teacher} {fault}" for one in tried for fault in one.complaints()]
    fit = [one for one in tried if not one.is_guessing and not one.mostly("duplicate")]
    fit = [one for one in fit if not one.mostly("cut")] or fit
    stay = list(fit)
    for one in fit:
        better = next((other for other in fit if _beats(other, one)), None)
        if better is None:
            continue
        stay.remove(one)
        facts = [f"keeps {_percent(one.kept)} against {_percent(better.kept)}"]
        if one.right is not None and better.right is not None:
            facts.append(f"is right in {_percent(one.right)} against {_percent(better.right)}")
        reasons.append(
            f"{one.teacher} {' and '.join(facts)} of {better.teacher}, which costs no more: leave it out."
        )
    dropped = tuple(one.teacher for one in tried if one not in stay)
    names = tuple(one.teacher for one in stay)
    if not stay:
        reasons.append("No teacher is fit to learn from: mend the prompts, or take others.")
        return Advice(route="none", teachers=(), dropped=dropped, because=tuple(reasons))
    if len(stay) == 1:
        reasons.append(f"{names[0]} is {'left' if dropped else 'the only teacher there is'}.")
        return Advice(route="all", teachers=names, dropped=dropped, because=tuple(reasons))
    is_whole = all(name in right for name in names)
    oracle = oracle_of({name: right[name] for name in names}) if is_whole else None
    is_complementary, why = _complement(stay, oracle=oracle, similar=similar(names))
    reasons += why
    if is_complementary:
        return Advice(route="similarity", teachers=names, dropped=dropped, because=tuple(reasons))
    single, why_single = _best_single(stay)
    because = (*reasons, f"Of those that are not surely worse, {single.teacher} {why_single}")
    return Advice(route="all", teachers=(single.teacher,), dropped=dropped, because=because)


def _beats(other: Tried, one: Tried) -> bool:
    """Whether another costs no more and is surely better."""
    prices = (other.usd_per_call, one.usd_per_call)
    if other is one or prices[0] is None or prices[1] is None:
        return False
    return prices[0] <= prices[1] and _is_surely_better(other, one)


def _is_surely_better(other: Tried, one: Tried) -> bool:
    keeps_more = one.kept.high < other.kept.low
    knows_more = one.right is not None and other.right is not None and one.right.high < other.right.low
    # A teacher that is surely worse in the one and surely better in the other is a matter of taste.
    keeps_less = one.kept.low > other.kept.high
    knows_less = one.right is not None and other.right is not None and one.right.low > other.right.high
    return (keeps_more and not knows_less) or (knows_more and not keeps_less)


def _complement(
    stay: Sequence[Tried], *, oracle: Share | None, similar: Share | None
) -> tuple[bool, list[str]]:
    known = [one.right for one in stay if one.right is not None]
    if oracle is None or len(known) < len(stay):
        return False, ["Whether the teachers complement one another is unknown, for there are no labels."]
    best = max(known, key=lambda right: right.share)
    facts = f"at least one is right in {_percent(oracle)}, the best alone in {_percent(best)}"
    if oracle.share <= best.high:
        return False, [f"The teachers do not surely complement one another: {facts}."]
    alone = max(one.kept.share for one in stay)
    if similar is None or similar.share < alone:
        share = "unknown" if similar is None else f"{100 * similar.share:.0f} %"
        return False, [
            f"The teachers complement one another ({facts}), but similar questions do not tell whose turn it "
            f"is: kept by the route similarity {share}, by the best teacher alone {100 * alone:.0f} %. The "
            "routes vote and judge ask all of them."
        ]
    return True, [
        f"The teachers complement one another: {facts}; asked by similar questions, {_percent(similar)} of "
        "rationales would be kept."
    ]


def _best_single(stay: Sequence[Tried]) -> tuple[Tried, str]:
    """The teacher that gives most for its money, and why in words."""
    fit = [one for one in stay if not any(_is_surely_better(other, one) for other in stay)] or list(stay)
    if not any(one.usd_per_kept for one in fit):
        # Nothing is told apart by money: the most kept, then the most right.
        best = max(fit, key=lambda one: (one.kept.share, one.right.share if one.right else 0.0))
        kept = _percent(best.kept)
        return best, f"keeps most ({kept})." if best.usd_per_kept is None else f"is free and keeps {kept}."
    best = min(
        fit, key=lambda one: (math.inf if one.usd_per_kept is None else one.usd_per_kept, -one.kept.share)
    )
    if not best.usd_per_kept:
        return best, f"is free and keeps {_percent(best.kept)}."
    return best, f"gives the most kept rationales for a dollar: {1 / best.usd_per_kept:,.0f}."


def _percent(share: Share) -> str:
    return f"{100 * share.share:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"
