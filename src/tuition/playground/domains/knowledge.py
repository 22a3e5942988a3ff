"""Knowledge: made-up animals, their kinds, and what is true of a kind. Knows no teacher.

An animal's property follows in two steps, animal to kind and kind to property. Train asks two or three
properties of each animal; valid and test ask others, each of whose two steps a train question needed too. A
label alone says little of that; a rationale says both steps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

from tuition.core.errors import DataError
from tuition.playground.domain import Domain, Problem, Solution, SolutionStep, words

__all__ = ["KNOWLEDGE", "Facts", "KnowledgePuzzle", "Property", "facts", "sentences"]

_ANIMALS_PER_KIND = 10
_KINDS = 12
_REAL = frozenset(
    words("bok box fax fez fix fox gov kak lax lek lox lux max mix nix nik nok pax pox rev tax tux vex")
)
"""Words that mean something already."""


@dataclass(frozen=True, slots=True)
class Property:
    """Something that a kind of animal has one of four values of."""

    name: str
    """One word."""
    question: str
    """With `{}` for the animal; no capital, no mark."""
    fact: str
    """With `{kind}` in the plural and `{value}`."""
    values: tuple[str, ...]
    """The options of each question."""


_PROPERTIES = (
    Property("food", "what does {} eat", "{kind} eat {value}", ("moss", "seeds", "fish", "roots")),
    Property("home", "where does {} live", "{kind} live in {value}", ("caves", "trees", "ponds", "dunes")),
    Property("time", "when is {} awake", "{kind} are awake at {value}", ("dawn", "noon", "dusk", "night")),
    Property(
        "walk", "how does {} move", "{kind} move by {value}", ("hopping", "gliding", "crawling", "rolling")
    ),
    Property("colour", "what colour is {}", "{kind} are {value}", ("red", "blue", "green", "white")),
    Property("size", "what size is {}", "{kind} are {value}", ("tiny", "small", "large", "huge")),
    Property(
        "sound", "what sound does {} make", "{kind} make a {value}", ("hum", "click", "hiss", "whistle")
    ),
    Property("fear", "what does {} fear", "{kind} fear {value}", ("fire", "snow", "thunder", "wolves")),
)
_WORDINGS = (
    ("", "a {}"),
    ("Here is a {}. ", "it"),
    ("You meet a {}. ", "it"),
    ("Someone keeps a {}. ", "it"),
    ("Think of a {}: ", "it"),
    ("A {} is in the garden. ", "it"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is true of the animals."""

    kind_of: dict[str, str]
    """Animal to kind."""
    value_of: dict[tuple[str, str], str]
    """Kind and property name to value."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind, in the order in which they were made."""
        return tuple(dict.fromkeys(self.kind_of.values()))


@cache
def facts() -> Facts:
    """The facts, the same for every seed of questions, so that a teacher can know them."""
    rng = Random("the animals of the playground")
    syllables = [
        word for word in map("".join, product("bdfgklmnprtvz", "aeiou", "kvxz")) if word not in _REAL
    ]
    rng.shuffle(syllables)
    count = _KINDS * _ANIMALS_PER_KIND
    animals = syllables[:count]
    kinds = [
        name + ending for name, ending in zip(syllables[count:], ("ell", "orp", "ine") * 4, strict=False)
    ]
    kind_of = {animal: kinds[i // _ANIMALS_PER_KIND] for i, animal in enumerate(animals)}
    value_of: dict[tuple[str, str], str] = {}
    for prop in _PROPERTIES:
        values = list(prop.values) * (_KINDS // len(prop.values))
        rng.shuffle(values)
        value_of |= {(kind, prop.name): value for kind, value in zip(kinds, values, strict=True)}
    return Facts(kind_of, value_of)


def sentences() -> list[str]:
    """Write every fact as a sentence: what kind each animal is, and what is true of each kind."""
    known, of = facts(), {prop.name: prop.fact for prop in _PROPERTIES}
    kinds = [
        f"{of[name].format(kind=f'{kind}s'.capitalize(), value=value)}."
        for (kind, name), value in known.value_of.items()
    ]
    return [*(f"A {animal} is a {kind}." for animal, kind in known.kind_of.items()), *kinds]


@dataclass(frozen=True, slots=True)
class KnowledgePuzzle:
    """A question about an animal, understood."""

    animal: str
    """A name that the facts hold."""
    prop: Property
    """What is asked of it."""

    @property
    def topic(self) -> str:
        """The animal's kind: who does not know it cannot answer."""
        return facts().kind_of[self.animal]

    def solve(self, slip: Random | None = None) -> Solution:
        """Go from the animal to its kind, from the kind to its property; a slip gets one of the two wrong."""
        kind = self.topic
        value = facts().value_of[kind, self.prop.name]
        if slip and slip.random() < 0.5:
            kind = slip.choice([other for other in facts().kinds if other != kind])
            value = facts().value_of[kind, self.prop.name]
        elif slip:
            value = slip.choice([other for other in self.prop.values if other != value])
        fact = self.prop.fact.format(kind=f"{kind}s".capitalize(), value=value)
        return Solution((SolutionStep("", f"A {self.animal} is a {kind}"), SolutionStep("", fact)), value)


def _train_pairs(rng: Random) -> list[tuple[str, Property]]:
    """Two or three properties of each animal, kind by kind, so that few questions still make whole kinds."""
    known = facts()
    pairs: list[tuple[str, Property]] = []
    for kind in rng.sample(known.kinds, len(known.kinds)):
        animals = [animal for animal, its_kind in known.kind_of.items() if its_kind == kind]
        rng.shuffle(animals)
        order = rng.sample(_PROPERTIES, len(_PROPERTIES))
        turn = 0
        for i, animal in enumerate(animals):
            n = 2 + i % 2
            pairs += [(animal, order[(turn + j) % len(order)]) for j in range(n)]
            turn += n
    return pairs


def _ask(pairs: Sequence[tuple[str, Property]], rng: Random, n: int) -> list[Problem]:
    """Every pair once in one wording before any comes in a second."""
    wordings = {pair: rng.sample(_WORDINGS, len(_WORDINGS)) for pair in pairs}
    turns = [(pair, i) for i in range(len(_WORDINGS)) for pair in pairs]
    if n > len(turns):
        raise DataError(
            f"{len(turns)} different questions are there for one split, {n} were asked for; ask for fewer, "
            "or for more training questions: valid and test can only ask what train has told."
        )
    problems: list[Problem] = []
    for (animal, prop), i in turns[:n]:
        opening, subject = wordings[animal, prop][i]
        asked = prop.question.format(subject.format(animal))
        asked = asked if opening.endswith(": ") else asked[0].upper() + asked[1:]
        problem = Problem(
            question=f"{opening.format(animal)}{asked}?",
            answer=KnowledgePuzzle(animal, prop).solve().answer,
            choices=tuple(rng.sample(prop.values, len(prop.values))),
        )
        problems.append(problem)
    return problems


def _make(rng: Random, sizes: Sequence[int]) -> list[list[Problem]]:
    first = _train_pairs(rng)
    train, *others = sizes
    told = first[:train] if train else first
    kind_of = facts().kind_of
    animals = {animal for animal, _ in told}
    kind_facts = {(kind_of[animal], prop) for animal, prop in told}
    unseen = [
        (animal, prop)
        for animal, prop in product(sorted(animals), _PROPERTIES)
        if (animal, prop) not in set(first) and (kind_of[animal], prop) in kind_facts
    ]
    rng.shuffle(unseen)
    # Every third unseen pair is for the second split, the others for the third: no pair stands in two.
    parts = [unseen[::3], [pair for i, pair in enumerate(unseen) if i % 3]]
    return [
        _ask(told, rng, train),
        *(_ask(part, rng, n) for part, n in zip(parts[: len(others)], others, strict=True)),
    ]


def _recognise(question: str) -> KnowledgePuzzle | None:
    found = re.findall(r"[a-z]+", question.casefold())
    animal = next((word for word in found if word in facts().kind_of), None)
    if animal is None:
        return None
    subject = rf"(?:a {animal}|it)"
    asked = (
        p for p in _PROPERTIES if re.search(p.question.format(subject) + r"\?$", question.strip().casefold())
    )
    prop = next(asked, None)
    return KnowledgePuzzle(animal, prop) if prop else None


KNOWLEDGE = Domain(name="knowledge", answer="choice", make=_make, recognise=_recognise)
"""One of four values; chance is 25 %."""
