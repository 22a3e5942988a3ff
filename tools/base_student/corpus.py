"""Generic synthetic text for pre-training the base student, made from a seed, and true.

It holds arithmetic, ledgers, look-ups, spelling, calendars, states, positions and made-up kinds, in neutral
words. It knows no template of the playground's tasks, no tokenizer and no model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from base_student.corpus_numbers import (
    Task,
    any_number,
    calendar,
    codebook,
    compare,
    compute,
    count_words,
    facts,
    ledger,
)
from base_student.words import COMMON_WORDS, FIRST_NAMES, THINGS

__all__ = ["KINDS", "Document", "Kind", "documents"]


@dataclass(frozen=True, slots=True)
class Document:
    """A question and what should follow it."""

    kind: str
    """Which maker wrote it, a key of `KINDS`."""
    question: str
    """With its instruction, where it has one."""
    answer: str
    """Steps, an answer, or both; never empty."""

    @property
    def text(self) -> str:
        """Both parts, a line break between them."""
        return f"{self.question}\n{self.answer}"


def documents(seed: int, *, n: int, kinds: Sequence[str] | None = None) -> Iterator[Document]:
    """Write documents; equal seeds write equal documents.

    Args:
        seed: Where chance starts.
        n: How many.
        kinds: Names in `KINDS`; None: all, by their weights.

    Yields:
        One document after the other.
    """
    rng = Random(f"corpus/{seed}")
    names = list(kinds or KINDS)
    weights = [KINDS[name].weight for name in names]
    for name in rng.choices(names, weights, k=n):
        yield _write(name, rng)


def _write(name: str, rng: Random) -> Document:
    kind = KINDS[name]
    task = kind.make(rng)
    question = task.question
    if task.choices:
        question += "\nAnswer Choices:" + "".join(
            f"\n({letter}) {choice}" for letter, choice in zip("abcdefgh", task.choices, strict=False)
        )
    if not task.answer:
        return Document(name, question, rng.choice(("; ", ". ", "\n")).join(task.steps))
    if not task.steps or rng.random() < kind.direct:
        return Document(name, rng.choice(("predict: ", "predict: ", "answer: ")) + question, task.answer)
    begins = rng.choice((str, _capital))
    steps = [begins(step) for step in task.steps]
    if rng.random() < 0.2:
        steps = [f"{i}. {step}" for i, step in enumerate(steps, start=1)]
    text = rng.choice((". ", ". ", ".\n", "; ")).join(steps) + "."
    closing = rng.choice(("\nThe answer is {}.", "\nThe answer is {}.", " Answer: {}", "\nSo {}."))
    instruction = rng.choice(("explain: ", "explain: ", "steps: ", ""))
    if rng.random() < 0.15:
        return Document(name, instruction + question, text)
    return Document(name, instruction + question, text + closing.format(task.answer))


_ONSETS = tuple("b br c d dr f g gl h j k l m n p pr qu r s sh st t tr v w z".split())  # noqa: SIM905


def _capital(text: str) -> str:
    """Begin with a capital letter, but leave a spelled word as it is."""
    return text if re.match(r"\w[- ]\w(?!\w)", text) else text[0].upper() + text[1:]


def _name(rng: Random) -> str:
    """Make up a word of two or three syllables."""
    syllables = (
        rng.choice(_ONSETS) + rng.choice("aeiou") + rng.choice(("", "", "l", "m", "n", "r", "x", "k", "v"))
        for _ in range(rng.choice((1, 2, 2)))
    )
    return "".join(syllables) + rng.choice(("", "", "er", "op", "it"))


def _names(rng: Random, n: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < n:
        found[_name(rng)] = None
    return list(found)


def _lookup(rng: Random) -> Task:
    n = rng.randint(2, 6)
    holders = rng.sample(FIRST_NAMES, n) if rng.random() < 0.5 else rng.sample(COMMON_WORDS, n)
    values = rng.choice((rng.sample(COMMON_WORDS, n), rng.sample(THINGS, n), _names(rng, n)))
    if rng.random() < 0.3:
        values = [str(any_number(rng)) for _ in range(n)]
    pairs = list(zip(holders, values, strict=True))
    wanted, value = rng.choice(pairs)
    link = rng.choice((": ", " - ", " gets ", " = "))
    listed = rng.choice(("; ", ", ", "\n")).join(f"{holder}{link}{held}" for holder, held in pairs)
    if rng.random() < 0.3:
        return Task(f"Copy. {listed}", (), listed)
    return Task(f"{listed}. {rng.choice(('which for', 'look up', 'find'))} {wanted}?", (), value)


def _spell(rng: Random) -> Task:
    n = rng.randint(1, 4)
    chosen = rng.sample([word for word in COMMON_WORDS if len(word) > 1], n)
    if rng.random() < 0.25:
        chosen = _names(rng, n)
    mark = rng.choice(("-", "-", " "))
    spelled = [mark.join(word) for word in chosen]
    if rng.random() < 0.3:
        return Task("Spell: " + ", ".join(chosen), spelled)
    at, which = rng.choice(((-1, "end"), (-1, "end"), (0, "start"), (1, "second"), (-2, "last but one")))
    shown = chosen if rng.random() < 0.3 else spelled
    letters = [word[at] for word in chosen]
    joined = [mark.join(letters[: i + 1]) for i in range(n)]
    steps = [f"{word}: {letter}" for word, letter in zip(spelled, letters, strict=True)]
    if rng.random() < 0.6:
        steps = [f"{step}, so {so_far}" for step, so_far in zip(steps, joined, strict=True)]
    return Task(f"Letters at the {which} of: {', '.join(shown)}", steps, joined[-1])


def _toggle(rng: Random) -> Task:
    a, b = rng.choice(
        (("on", "off"), ("up", "down"), ("heads", "tails"), ("open", "closed"), ("red", "blue"))
    )
    at = start = rng.choice((a, b))
    flips, keeps = rng.choice(((("flip",), ("keep",)), (("turn", "flip"), ("stay", "wait"))))
    who = rng.random() < 0.5
    told: list[str] = []
    steps: list[str] = []
    for _ in range(rng.randint(1, 6)):
        flip = rng.random() < 0.5
        act = rng.choice(flips if flip else keeps)
        at = (b if at == a else a) if flip else at
        told.append(f"{rng.choice(FIRST_NAMES)} {act}" if who else act)
        steps.append(f"{told[-1]} -> {at}")
    asked = rng.choice((f"at the end {a} or {b}?", "state?"))
    if rng.random() < 0.4:
        return Task(
            f"Begin {start}. {', '.join(told)}. Still {start}?", steps, "yes" if at == start else "no"
        )
    return Task(f"Begin {start}. {', '.join(told)}. {asked}", steps, at)


def _swap(rng: Random) -> Task:
    n = rng.choice((2, 3, 3, 3, 4))
    slots = rng.choice(([str(i + 1) for i in range(n)], rng.sample(FIRST_NAMES, n), list("ABCD"[:n])))
    items = rng.sample(THINGS, n)
    held = dict(zip(slots, items, strict=True))
    mark = rng.choice((" ", ": ", " "))
    opening = ", ".join(f"{slot}{mark}{item}" for slot, item in held.items())
    told, steps = [], []
    for _ in range(rng.randint(1, 4)):
        a, b = rng.sample(slots, 2)
        held[a], held[b] = held[b], held[a]
        told.append(f"swap {a} with {b}")
        steps.append(f"{told[-1]}: " + ", ".join(f"{slot}{mark}{item}" for slot, item in held.items()))
    wanted = rng.choice(slots)
    choices = rng.choice(((), rng.sample(items, n)))
    return Task(f"{opening}. {', '.join(told)}. Item of {wanted}?", steps, held[wanted], choices)


_TRAITS = (
    ("eat", "food", ("grain", "clay", "fruit", "bark", "honey", "salt")),
    ("sleep in", "bed", ("barns", "boats", "towers", "holes", "tents", "nests")),
    ("like", "joy", ("rain", "music", "sand", "wind", "sun", "songs")),
    ("carry", "load", ("bags", "stones", "letters", "water", "wood", "books")),
    ("are", "look", ("tall", "round", "loud", "slow", "shy", "bright")),
    ("turn", "tint", ("gold", "gray", "black", "pink", "brown", "silver")),
)


def _kinds_told(rng: Random) -> Task:
    names = _names(rng, 6)
    members, kinds = names[:3], names[3:]
    of = {member: rng.choice(kinds) for member in members}
    verb, _, values = rng.choice(_TRAITS)
    trait = dict(zip(kinds, rng.sample(values, 3), strict=True))
    lines = [f"a {member} is a {kind}" for member, kind in of.items()]
    lines += [f"{kind}s {verb} {value}" for kind, value in trait.items()]
    rng.shuffle(lines)
    member = rng.choice(members)
    kind = of[member]
    choices = rng.choice(((), rng.sample(list(trait.values()), 3)))
    steps = (f"a {member} is a {kind}", f"{kind}s {verb} {trait[kind]}")
    return Task(f"{'. '.join(lines)}. A {member}: {verb} what?", steps, trait[kind], choices)


@cache
def _lasting() -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Kinds that stay the same in every document: member to kind, and kind and verb to value."""
    rng = Random("the lasting kinds of the corpus")
    names = _names(rng, 176)
    kinds, members = names[:16], names[16:]
    of = {member: kinds[i % 16] for i, member in enumerate(members)}
    return of, {(kind, verb): rng.choice(values[:4]) for kind in kinds for verb, _, values in _TRAITS}


def _kinds_known(rng: Random) -> Task:
    of, trait = _lasting()
    member = rng.choice(list(of))
    kind = of[member]
    verb, noun, values = rng.choice(_TRAITS)
    value = trait[kind, verb]
    asked = rng.choice((f"the {noun} of a {member}?", f"a {member}: {verb} what?", f"{member}, {noun}?"))
    steps = (f"a {member} is a {kind}", f"{kind}s {verb} {value}")
    return Task(asked, steps, value, rng.choice(((), rng.sample(values[:4], 4))))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of document."""

    make: Callable[[Random], Task]
    """Draws a task."""
    weight: float
    """Its share, relative to the others."""
    direct: float = 0.1
    """How often the answer stands without its steps, in [0, 1]."""


KINDS: dict[str, Kind] = {
    "facts": Kind(facts, 8),
    "number words": Kind(count_words, 1),
    "compute": Kind(compute, 10, 0.05),
    "ledger": Kind(ledger, 17, 0.05),
    "codebook": Kind(codebook, 10, 0.0),
    "lookup": Kind(_lookup, 12),
    "compare": Kind(compare, 4),
    "spell": Kind(_spell, 10),
    "calendar": Kind(calendar, 8),
    "toggle": Kind(_toggle, 6),
    "swap": Kind(_swap, 10),
    "kinds told": Kind(_kinds_told, 5, 0.5),
    "kinds known": Kind(_kinds_known, 7, 0.6),
}
"""Every kind of document by its name."""
