"""Cheap teacher first, the next where its check fails. Knows no teacher and no check: both are handed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from tuition.core.errors import ConfigError, DataError, some_of
from tuition.core.records import Example

__all__ = ["Cascaded", "Ending", "by_expected_price", "cascade"]

Result = TypeVar("Result")

Ending = Literal["held", "last", "unescalated", "unchecked", "unanswered"]
"""How it ended for an item: its check held; the last teacher's word, which is not checked; the check failed
and nobody after it replied; the check could not be made and nobody after it replied; nobody replied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascaded(Generic[Result]):
    """The results of asking one teacher after the other."""

    results: Mapping[str, Result]
    """The result taken, by item id; an unanswered item is missing."""
    endings: Mapping[str, Ending]


def by_expected_price(costs: Mapping[str, float]) -> list[str]:
    """Order teachers by what asking them is expected to cost, the cheapest first."""
    return sorted(costs, key=lambda name: costs[name])


def cascade(
    items: Sequence[Example],
    teachers: Sequence[str],
    *,
    ask: Callable[[Sequence[Example], str], Mapping[str, Result]],
    check: Callable[[Example, Result], bool | None],
) -> Cascaded[Result]:
    """Ask the first teacher about every item, and each later one where the check so far did not hold.

    Money that ends on the way shows as results that `ask` does not give. Such an item goes on to the next
    teacher (refused without a call where the money is gone) and in the end keeps the last result it
    has, marked `unescalated` or `unchecked`; it is never taken for one that held. The last teacher's result
    stands without a check. A check that costs calls is best asked in `ask`, for all items at once, and looked
    up by `check`, which is asked once a result; its None is a result that could not be looked at.

    Source: ours, after cascades such as FrugalGPT (arXiv 2305.05176).

    Differs: there is no learnt scorer; what holds is the caller's rule.
    """
    if not teachers or len(set(teachers)) != len(teachers):
        raise ConfigError(
            f"teachers of a cascade are {list(teachers)}; at least one is needed, and each once"
        )
    twice = [name for name, n in Counter(item.id for item in items).items() if n > 1]
    if twice:
        raise DataError(
            f"{len(twice)} ids occur twice among the items: {some_of(twice)}; ask about each once"
        )
    results: dict[str, Result] = {}
    endings: dict[str, Ending] = {item.id: "unanswered" for item in items}
    open_ = list(items)
    for place, name in enumerate(teachers):
        is_last = place == len(teachers) - 1
        if not open_:
            break
        given = ask(open_, name)
        strange = sorted(given.keys() - {item.id for item in open_})
        if strange:
            raise DataError(
                f"asking teacher {name!r} about {len(open_)} items gave results for {len(strange)} others: "
                f"{some_of(strange)}; results are keyed by the id of the item"
            )
        still: list[Example] = []
        for item in open_:
            if item.id not in given:
                still.append(item)
                continue
            results[item.id] = given[item.id]
            endings[item.id] = "last" if is_last else _ENDINGS[check(item, given[item.id])]
            if endings[item.id] not in ("last", "held"):
                still.append(item)
        open_ = still
    return Cascaded(results=results, endings=endings)


_ENDINGS: Mapping[bool | None, Ending] = {True: "held", False: "unescalated", None: "unchecked"}
