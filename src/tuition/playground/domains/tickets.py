"""Tickets: what customers write to a shop; six categories, a product and an urgency. Knows no teacher.

One sentence says what is wanted; another may tell of an old matter of another category, which does not count.
The categories are uneven. A ticket is solved by the labels or fields that are told, by names and meanings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from tuition.core.records import Json
from tuition.playground.domain import (
    PEOPLE,
    Domain,
    Problem,
    Puzzle,
    Solution,
    SolutionStep,
    draw_apart,
    words,
)

__all__ = ["TICKETS", "TicketPuzzle"]

_LABELS = {
    "billing": "invoices, charges and payments",
    "delivery": "where a parcel is and when it arrives",
    "technical": "a device that does not work as it should",
    "returns": "sending goods back or exchanging them",
    "account": "signing in, passwords and personal data",
    "sales": "questions before buying, stock and offers",
}
_WEIGHTS = (30, 22, 18, 12, 10, 8)
_WANTED = {
    "billing": (
        "I was charged twice", "the invoice shows the wrong amount", "my card was declined though it is good",
        "the discount is missing on my bill", "I need a receipt for my payment",
        "you took the money too early",        "the tax on the bill is wrong", "I cannot see what I paid for",
    ),
    "delivery": (
        "my parcel has not come", "the courier left the box at a wrong door", "the tracking page has no news",
        "I want another delivery day", "half of the shipment is missing", "the parcel went to my old street",
        "nobody rang when the driver came", "the box has been at customs for days",
    ),
    "technical": (
        "the screen stays black", "it does not switch on", "it loses the connection again and again",
        "the update stops in the middle", "the battery is empty after an hour", "it makes a loud noise",
        "an error appears at every start", "the buttons do not react",
    ),
    "returns": (
        "I want to send it back", "it is the wrong colour and I want another", "how do I get a return slip",
        "it is broken and I want a new one", "I changed my mind about the order",
        "I would like to swap it for a smaller one", "where do I take things I do not want to keep",
        "the return form does not accept my order number",
    ),
    "account": (
        "I cannot sign in", "I forgot my password", "please change my e-mail address", "my login is locked",
        "delete my personal data", "somebody else used my profile", "the code by text never arrives",
        "my name is spelled wrongly in my profile",
    ),
    "sales": (
        "is it in stock", "do you have an offer for schools", "which one is best for a beginner",
        "can I try it in a shop", "when does the new model come out", "is there a cheaper one",
        "does it come with a case", "do you give a price for ten of them",
    ),
}  # fmt: skip
_PRODUCTS = words("phone laptop tablet camera printer router")
_URGENCY = {
    "low": ("There is no hurry.", "Take your time.", "Whenever it suits you."),
    "normal": ("Thank you.", "Kind regards.", "I look forward to your answer."),
    "high": ("I need this today.", "This is urgent.", "Please call me at once."),
}
_SCHEMA: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "product": {"type": "string", "enum": list(_PRODUCTS), "description": "what the ticket is about"},
        "urgency": {"type": "string", "enum": list(_URGENCY), "description": "how soon an answer is needed"},
    },
    "required": ["product", "urgency"],
}
_OLD = "Last year it was another matter ({aside}), and that is settled."
_WORDINGS = (
    "Hello, I write about the {product} of order {order}: {wanted}. {old}{urgency}",
    "Dear team, {wanted}. It is about my {product} of order {order}. {old}{urgency}",
    "{old}Now I have a {product} of order {order}, and this: {wanted}. {urgency}",
    "{name} here, with a {product} of order {order}. {urgency} To be short: {wanted}. {old}",
    "Good morning. {old}Today about the {product} of order {order}: {wanted}. {urgency}",
)
_CATEGORY = {text: name for name, texts in _WANTED.items() for text in texts}
_URGENCY_OF = {text: name for name, texts in _URGENCY.items() for text in texts}


def _any(texts: Mapping[str, str]) -> str:
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))


_ASIDE = re.compile(rf"Last year it was another matter \(({_any(_CATEGORY)})\), and that is settled\.")
_CUE = re.compile(rf"(?:: |, |\. |\A)({_any(_CATEGORY)})\.")
_HURRY = re.compile(_any(_URGENCY_OF))
_PRODUCT = re.compile(rf"\b(?:the|my|a) ({'|'.join(_PRODUCTS)})(?: of order (\d+))?\b")
_LINE = re.compile(r"(?m)^- ([^:(\n]+?)(?: \(([^)\n]*)\))?(?:: (.*))?$")
_IDLE = frozenset(
    words("a an and as before do does for in is it not of on or the they to what when where with")
)


@dataclass(frozen=True, slots=True)
class TicketPuzzle:
    """A ticket, understood."""

    wanted: str
    """What the customer wants, word for word."""
    aside: str
    """The old matter; empty: there is none."""
    product: str
    order: str
    """Its number; empty: it is not told."""
    hurry: str
    """The sentence that says how urgent it is."""
    labels: Mapping[str, str] | None = None
    """What the answer may be and what it means; None: the categories by their own names."""
    fields: tuple[tuple[str, str, str], ...] = ()
    """Name, values and meaning of the fields of the answer; empty: it is a label."""
    topic: str = ""
    """Nothing must be known."""

    def solve(self, slip: Random | None = None) -> Solution:
        """Go by what is wanted now; a slip mistakes the category, the product or the urgency."""
        if self.fields:
            return self._record(slip)
        category = _CATEGORY[self.wanted]
        if slip:
            others = [name for name in _LABELS if name != category]
            aside = _CATEGORY.get(self.aside, category)
            category = aside if aside != category and slip.random() < 0.5 else slip.choice(others)
        label = self._label(category)
        about = SolutionStep("", f"Order {self.order} is the {self.product}")
        old = [SolutionStep("", "The old matter is settled")] if self.aside else []
        return Solution(
            (about, *old, SolutionStep(f"The customer says {self.wanted}", f"a case of {label}")), label
        )

    def _label(self, category: str) -> str:
        """Find the label of a category by its name, else by the words it shares with what each means."""
        if self.labels is None or category in self.labels:
            return category
        known = _terms(f"{category} {_LABELS[category]}")
        shared = {name: len(known & _terms(f"{name} {said}")) for name, said in self.labels.items()}
        best = max(shared, key=shared.__getitem__)
        # one that is told nothing it understands can but say it in its own words
        return best if shared[best] else category

    def _record(self, slip: Random | None) -> Solution:
        product, urgency = self.product, _URGENCY_OF[self.hurry]
        if slip and slip.random() < 0.5:
            product = slip.choice([one for one in _PRODUCTS if one != product])
        elif slip:
            urgency = slip.choice([one for one in _URGENCY if one != urgency])
        found = {
            name: _value(of, f"{name} {said}".casefold(), product=product, urgency=urgency)
            for name, of, said in self.fields
        }
        answer = json.dumps(found, ensure_ascii=False)
        steps = (
            SolutionStep(f"Order {self.order} is the {self.product}", f"it is about the {product}"),
            SolutionStep(f"The ticket says {self.hurry.rstrip('.')}", f"the urgency is {urgency}"),
            SolutionStep("", f"Together {answer}"),
        )
        return Solution(steps, answer)


def _terms(text: str) -> set[str]:
    return {*re.findall(r"[a-z]+", text.casefold())} - _IDLE


def _value(of: str, about: str, *, product: str, urgency: str) -> Json:
    if re.search(r"urgen|hurry|soon|priority", about):
        return urgency == "high" if of == "true or false" else urgency
    return product if set(_PRODUCTS) & _terms(of) or "product" in about else None


def _told(puzzle: Puzzle, form: str) -> Puzzle:
    lines = _LINE.findall(form)
    if not isinstance(puzzle, TicketPuzzle) or not lines:
        return puzzle
    if "JSON" in form:
        return replace(puzzle, fields=tuple(lines))
    return replace(puzzle, labels={name: said for name, _, said in lines})


def _draw(rng: Random) -> Problem:
    [category] = rng.choices(list(_LABELS), _WEIGHTS)
    urgency, product = rng.choice(list(_URGENCY)), rng.choice(_PRODUCTS)
    others = [text for text, name in _CATEGORY.items() if name != category]
    old = _OLD.format(aside=rng.choice(others)) + " " if rng.random() < 0.4 else ""
    text = rng.choice(_WORDINGS).format(
        name=rng.choice(PEOPLE),
        product=product,
        order=rng.randint(1000, 9999),
        wanted=rng.choice(_WANTED[category]),
        old=old,
        urgency=rng.choice(_URGENCY[urgency]),
    )
    record = json.dumps({"product": product, "urgency": urgency})
    return Problem(question=text.strip(), answer=category, record=record)


def _recognise(question: str) -> TicketPuzzle | None:
    aside, rest = _ASIDE.search(question), _ASIDE.sub("", question)
    found = [pattern.search(rest) for pattern in (_CUE, _PRODUCT, _HURRY)]
    if not all(found):
        return None
    cue, product, hurry = (match for match in found if match)
    return TicketPuzzle(cue[1], aside[1] if aside else "", product[1], product[2] or "", hurry[0])


TICKETS = Domain(
    name="tickets",
    answer="text",
    make=partial(draw_apart, _draw),
    recognise=_recognise,
    told=_told,
    labels=_LABELS,
    json_schema=_SCHEMA,
)
"""One of six labels, or a record of two fields."""
