"""One teacher for one item, from history and expected cost: fixed, random, cheapest adequate, bandit.

Numbers in, a name out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tuition.annotation.routing.config import AllocationConfig
from tuition.core.errors import ConfigError, DataError, near_name
from tuition.core.records import Example, Record

__all__ = [
    "CHOOSERS",
    "Choice",
    "History",
    "Look",
    "allocate",
    "bandit",
    "cheapest_adequate",
    "fixed",
    "lower_bound",
    "random",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Record):
    """One verified reply."""

    teacher: str
    domain: str = ""
    is_adequate: bool


class History:
    """Verified replies, counted by teacher and domain; never altered, `plus` gives a longer one."""

    def __init__(self, looks: Iterable[Look] = ()) -> None:
        """Take verified replies; one that was verified twice counts twice."""
        self.looks = tuple(looks)
        self._looked = Counter((look.teacher, look.domain) for look in self.looks)
        self._adequate = Counter((look.teacher, look.domain) for look in self.looks if look.is_adequate)

    def plus(self, looks: Iterable[Look]) -> History:
        """Give the history with more of them."""
        return History((*self.looks, *looks))

    def tally(self, teacher: str, domain: str) -> tuple[int, int]:
        """Say how many replies of a teacher in a domain were verified, and how many of them were adequate."""
        return self._looked[teacher, domain], self._adequate[teacher, domain]


_CONFIG = AllocationConfig()
_Z = 1.959963984540054
"""Standard normal quantile of 0.975."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is known when a teacher is chosen for one item."""

    item: str
    """Its id, which enters every draw."""
    domain: str
    """Of the item; other domains say nothing about it."""
    costs: Mapping[str, float]
    """Expected dollars of asking each teacher about it, in the order of the tables, 0 or more."""
    history: History
    seed: int
    """Equal seeds choose equal teachers for equal items."""
    config: AllocationConfig = _CONFIG
    promised: Mapping[str, int] = field(default_factory=dict)
    """By teacher, replies in the domain that are on their way and will be verified."""

    @property
    def names(self) -> list[str]:
        """The teachers, in the order of the tables; refused where there is none, or a cost is no price."""
        if not self.costs:
            raise ConfigError("there is no teacher to choose from; add a [[teacher]] table")
        odd = [name for name, cost in self.costs.items() if not 0 <= cost < math.inf]
        if odd:
            raise DataError(
                f"asking teacher {odd[0]!r} is expected to cost {self.costs[odd[0]]} dollars; expected a "
                "finite number of 0 or more. Give the teacher a price."
            )
        return list(self.costs)


def lower_bound(adequate: int, looked: int, *, prior: tuple[float, float] = (1.0, 1.0)) -> float:
    """Give the share of adequate replies that a teacher surely reaches; 0 without a reply, real or imagined.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927): the
    lower end of the 95 % score interval, (p + z²/2n - z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).

    Differs: the prior's imagined replies are counted in, p = (m + a) / (n + a + b).
    """
    n = looked + sum(prior)
    if n == 0:
        return 0.0
    share, slack = (adequate + prior[0]) / n, _Z**2 / n
    half = _Z * math.sqrt(share * (1 - share) / n + slack / (4 * n))
    return max(0.0, (share + slack / 2 - half) / (1 + slack))


def fixed(choice: Choice) -> str:
    """Choose the same teacher always: `config.teacher`, or the first of the tables."""
    names, teacher = choice.names, choice.config.teacher
    if teacher and teacher not in names:
        raise ConfigError(near_name(teacher, names, kind="teacher"))
    return teacher or names[0]


def random(choice: Choice) -> str:
    """Draw a teacher by seed and item, each as likely as every other."""
    return Random(f"{choice.seed}/{choice.item}").choice(sorted(choice.names))


def cheapest_adequate(choice: Choice) -> str:
    """Choose the cheapest teacher that is surely almost as good as the best one of the domain.

    The rule. (1) While a teacher has fewer than `looks` verified replies in the domain, those promised
    included, the item goes to one of these unknown teachers, drawn by seed and item. (2) Else the best is the
    one of highest posterior mean (m + a) / (n + a + b), and a teacher is adequate when the lower bound of its
    share reaches `floor` times that mean; the cheapest of the adequate ones and the best itself is chosen, a
    tie going to the better, then to the first by name.

    Source: ours; neither TinyLLM (arXiv 2402.04616) nor ELAD (arXiv 2402.13098) chooses a teacher by item.
    """
    names, costs, config, promised = sorted(choice.names), choice.costs, choice.config, choice.promised
    tallies = {name: choice.history.tally(name, choice.domain) for name in names}
    unknown = [name for name in names if tallies[name][0] + promised.get(name, 0) < config.looks]
    if unknown:
        return Random(f"{choice.seed}/{choice.item}/unknown").choice(unknown)
    a, b = config.prior
    mean = {name: (adequate + a) / (looked + a + b) for name, (looked, adequate) in tallies.items()}
    best = min(names, key=lambda name: (-mean[name], costs[name], name))
    enough = config.floor * mean[best]
    fit = [
        name
        for name, (looked, adequate) in tallies.items()
        if name == best or lower_bound(adequate, looked, prior=config.prior) >= enough
    ]
    return min(fit, key=lambda name: (costs[name], -mean[name], name))


def bandit(choice: Choice) -> str:
    """Draw each teacher's adequacy from what is known of it, and choose the best for the dollar.

    θ ~ Beta(a + m, b + n - m) for each teacher of the domain, one draw an item. With `value` v the objective
    is θ·v - cost, in dollars; without it θ / cost, adequate replies a dollar, which a teacher of a tenth of
    the price wins with a little over a tenth of the adequacy: give a value where quality must hold.

    Source: Thompson, On the Likelihood that One Unknown Probability Exceeds Another, Biometrika 25 (1933).

    Differs: costs are known and enter the objective; one independent bandit a domain. What is promised counts
    for nothing, for the draws explore by themselves. Without a value a teacher who costs nothing comes before
    all who do.
    """
    draws, value = Random(f"{choice.seed}/{choice.item}/bandit"), choice.config.value
    a, b = choice.config.prior
    worth: dict[str, tuple[bool, float]] = {}
    for name in sorted(choice.names):
        (looked, adequate), cost = choice.history.tally(name, choice.domain), choice.costs[name]
        theta = draws.betavariate(a + adequate, b + looked - adequate)
        if value is not None:
            worth[name] = (True, theta * value - cost)
        else:
            worth[name] = (cost == 0, theta if cost == 0 else theta / cost)
    return max(worth, key=lambda name: worth[name])


CHOOSERS: Final[Mapping[str, Callable[[Choice], str]]] = {
    "fixed": fixed,
    "random": random,
    "cheapest": cheapest_adequate,
    "bandit": bandit,
}
"""Every allocation that chooses one teacher for one item."""


def allocate(
    items: Sequence[Example],
    history: History,
    costs: Sequence[Mapping[str, float]],
    *,
    seed: int,
    config: AllocationConfig = _CONFIG,
) -> dict[str, str]:
    """Choose a teacher for each item of a batch, by id, before any of them is asked.

    What an unknown teacher is given counts as promised at once, so that a large batch explores no more than
    `looks` items a teacher and domain; where it has fewer known, the rest goes by what is known then. `costs`
    are for each item the expected dollars by teacher, in the order of the tables.
    """
    if len(costs) != len(items) or len({item.id for item in items}) != len(items):
        raise DataError(
            f"{len(items)} items with {len({item.id for item in items})} ids and {len(costs)} mappings of "
            "costs; one id and one mapping an item are needed"
        )
    choose = CHOOSERS[config.allocation]
    promised: dict[str, Counter[str]] = {}
    chosen: dict[str, str] = {}
    for item, prices in zip(items, costs, strict=True):
        waiting = promised.setdefault(item.domain, Counter())
        name = choose(
            Choice(
                item=item.id,
                domain=item.domain,
                costs=prices,
                history=history,
                seed=seed,
                config=config,
                promised=waiting,
            )
        )
        waiting[name] += 1
        chosen[item.id] = name
    return chosen
