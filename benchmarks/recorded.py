"""Recorded answers of language models with their prices, and the ways to make one label of them.

Belongs to `teachers.py`; asks nobody.
"""

import math
import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from tuition.annotation.votes import majority, weighted_majority
from tuition.core.records import Example, Grade
from tuition.core.rows import read_rows, resolve_data
from tuition.tasks import make_task
from tuition.tasks.config import TaskConfig
from tuition.tasks.load import read_examples
from tuition.tasks.numbers import parse_number, plain_number

PRICES = tomllib.loads((Path(__file__).parent / "prices.toml").read_text())
FILES = {"gsm8k": ("gsm8k/test", "gsm8k/test"), "mmlu_pro": ("mmlu_pro/valid", "mmlu_pro/test")}
"""Where the calibration part is drawn, and what is evaluated; of one and the same file the rest is."""
MARKETS = ("list", "second", "sourced")
"""List prices; the second, cheaper market; list prices without the teachers whose price is an estimate."""
MORE_MARKETS = ("open", "ratio3", "ratio10", "ratio30")
"""List prices without MMLU-Pro's Gemini; two tiers of price, see `scaled`: here the learnt cascades alone."""
LEARNT_FROM = {"gsm8k": ["gsm8k/test"], "mmlu_pro": ["mmlu_pro/train", "mmlu_pro/valid"]}
"""Where cascades are learnt; of the evaluated file itself, the other folds."""
NONE, GOLD = -1, 0
USUAL_TOKENS = 100
TIER = 0.03
PER_ITEM = ("answers", "usd", "traits")
DOUBT = re.compile(
    r"\b(?:however|wait|assum\w*|might|perhaps|maybe|approximately|unclear|closest|none of)\b", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Recorded answers of some items, as numbers."""

    examples: list[Example]
    teachers: list[str]
    answers: np.ndarray
    """Shape (items, teachers): 0 where it is the gold one, NONE where there is none to read; else any number,
    the same for the same answer to the same item."""
    usd: np.ndarray
    """What each answer costs, shape (items, teachers)."""
    usual: np.ndarray
    """What a call costs by the list, shape (teachers, ): a mean question and USUAL_TOKENS of answer; known
    before anybody is asked."""
    traits: np.ndarray
    """What a text shows without being read: log of its tokens, words of doubt; shape (items, teachers, 2)."""

    def only(self, teachers):
        return self.take(range(len(self.examples)), teachers)

    def take(self, items, teachers=None):
        columns = [self.teachers.index(name) for name in teachers or self.teachers]
        return Pool(
            examples=[self.examples[i] for i in items],
            teachers=[self.teachers[t] for t in columns],
            answers=self.answers[np.ix_(items, columns)],
            usd=self.usd[np.ix_(items, columns)],
            usual=self.usual[columns],
            traits=self.traits[np.ix_(items, columns)],
        )

    def by_price(self):
        """Give the columns from the cheapest to the dearest by the list."""
        return sorted(range(len(self.teachers)), key=lambda t: (self.usual[t], self.teachers[t]))


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What a method says: one answer an item, and what it cost."""

    answers: np.ndarray
    usd: np.ndarray


def joined(pools):
    """Put the items of several pools of the same teachers together."""
    first = pools[0]
    parts = {name: np.concatenate([getattr(pool, name) for pool in pools]) for name in PER_ITEM}
    return replace(first, examples=[example for pool in pools for example in pool.examples], **parts)


def scaled(pool, like, ratio):
    """Price in two tiers: who comes within 3 points of the best of `like` costs what it does, the rest less.

    The mean answer to an item of `like` costs each dear teacher as much as the best one's by the list, each
    cheap one that divided by `ratio`; between items a teacher's cost varies as it does by the list.
    """
    right, mean = is_right(like.answers, GOLD).mean(0), like.usd.mean(0)
    best = right.argmax()
    factor = mean[best] / mean / np.where(right > right[best] - TIER, 1, ratio)
    return replace(pool, usd=pool.usd * factor, usual=pool.usual * factor)


# ---- what was recorded, and what it costs ----


@cache
def read_pool(data, file, market):
    """Read answers and price them; grades are those of Tuition's own task."""
    task = make_task("number" if data == "gsm8k" else "multiple_choice")
    path = resolve_data(f"data:{file}.jsonl.gz")
    rows = list(read_rows(path))
    examples = list(read_examples(path, TaskConfig(kind=task.name), split="test")[0])
    teachers = list(PRICES[data])
    answers = np.full((len(rows), len(teachers)), NONE)
    usd, traits = np.zeros(answers.shape), np.zeros((*answers.shape, 2))
    for i, (example, row) in enumerate(zip(examples, rows, strict=True)):
        seen: dict[str, int] = {}
        for t, name in enumerate(teachers):
            said = row["rationales"].get(name)
            if said is not None:
                counted = tokens(data, example, said["text"])
                usd[i, t] = price(data, name, market) @ counted
                traits[i, t] = math.log1p(counted[1]), len(DOUBT.findall(said["text"]))
                answers[i, t] = number_of(said["answer"], task=task, example=example, seen=seen)
    asked = np.mean([tokens(data, example, "")[0] for example in examples])
    usual = np.array([price(data, name, market) @ [asked, USUAL_TOKENS] for name in teachers])
    return Pool(examples=examples, teachers=teachers, answers=answers, usd=usd, usual=usual, traits=traits)


def number_of(answer, *, task, example, seen):
    grade = task.grade(answer, example)
    if grade is Grade.UNREADABLE:
        return NONE
    if grade is Grade.RIGHT:
        return GOLD
    name = plain_number(parse_number(answer)) if task.name == "number" else answer
    return seen.setdefault(name, len(seen) + 1)


def tokens(data, example, text):
    rule = PRICES["tokens"]
    prompt = rule["instruction_characters"][data] + rule["prefix_characters"][data] + len(example.question)
    prompt += sum(len(choice) + rule["choice_characters"] for choice in example.choices)
    per_token = rule["characters_per_token"]
    return np.array([math.ceil(prompt / per_token), math.ceil(len(text) / per_token)])


def price(data, name, market):
    """Give dollars a prompt token and a completion token."""
    entry = PRICES[data][name]
    place = "second_" if market == "second" and "second_input" in entry else ""
    pair = np.array([entry[f"{place}input"], entry[f"{place}output"]])
    return pair * entry.get("samples", 1) / 1e6


def candidates(data, market):
    return [
        name
        for name, entry in PRICES[data].items()
        if entry.get("is_candidate", True)
        and not (market == "sourced" and entry.get("is_estimate", False))
        and not (market == "open" and data == "mmlu_pro" and entry["provider"] == "Google")
    ]


def is_right(answers, target):
    return (answers == target) & (answers != NONE)


# ---- methods: a pool in, labels out ----


def single(pool, t):
    return Labels(answers=pool.answers[:, t], usd=pool.usd[:, t])


def plain(pool, order):
    """Give the most frequent answer; of equals that of the teacher named first."""
    said = pool.answers[:, order]
    votes = ((said[:, :, None] == said[:, None, :]) & (said != NONE)[:, :, None]).sum(2)  # (N, K)
    best = votes.argmax(1)
    return Labels(answers=said[np.arange(len(said)), best], usd=pool.usd[:, order].sum(1))


def fallback(pool, order):
    """Ask the second only where the first gave nothing to read."""
    first, second = order
    failed = pool.answers[:, first] == NONE
    answers = np.where(failed, pool.answers[:, second], pool.answers[:, first])
    return Labels(answers=answers, usd=pool.usd[:, first] + failed * pool.usd[:, second])


def escalate(pool, order):
    """Ask one after the other until two agree; where none do, the last that can be read decides."""
    n = len(pool.examples)
    answers, usd, open_ = np.full(n, NONE), np.zeros(n), np.ones(n, dtype=bool)
    for place, t in enumerate(order):
        said = pool.answers[:, t]
        usd += open_ * pool.usd[:, t]
        agrees = np.zeros(n, dtype=bool)
        for before in order[:place]:
            agrees |= (pool.answers[:, before] == said) & (said != NONE)
        answers = np.where(open_ & (said != NONE), said, answers)
        open_ &= ~agrees
    return Labels(answers=answers, usd=usd)


def spoken(pool, order):
    """Give the answers as the panel's functions take them."""
    return [
        {pool.teachers[t]: None if row[t] == NONE else str(row[t]) for t in order} for row in pool.answers
    ]


def numbered(labels):
    return np.array([NONE if label is None else int(label) for label in labels])


def majority_of(pool, order):
    return Labels(answers=numbered(majority(spoken(pool, order))), usd=pool.usd[:, order].sum(1))


def weighted_of(pool, order):
    options = [len(example.choices) or None for example in pool.examples]
    panel = weighted_majority(spoken(pool, order), options=options)
    return Labels(answers=numbered(panel.labels), usd=pool.usd[:, order].sum(1))


def stepwise(pool, order, *, start, enough=0.95):
    """Ask the first ones everywhere, each later one where the weighted majority is not yet sure enough.

    Reliabilities are estimated anew at each step from all answers so far; none is known beforehand.
    """
    asked = np.zeros(pool.answers.shape, dtype=bool)
    asked[:, order[:start]] = True
    options = [len(example.choices) or None for example in pool.examples]
    for place in range(start, len(order) + 1):
        so_far = np.where(asked, pool.answers, NONE)
        panel = weighted_majority(spoken(replace(pool, answers=so_far), order[:place]), options=options)
        if place < len(order):
            asked[np.array(panel.confidence) < enough, order[place]] = True
    return Labels(answers=numbered(panel.labels), usd=(asked * pool.usd).sum(1))


def by_price_alone(pool):
    """Give the methods that need no calibration: list prices say who is cheap, and who decides."""
    cheap = pool.by_price()
    dear = cheap[::-1]  # a tie goes to the dearer one: before anything is known, price stands for skill
    return {
        "majority_cheap3": majority_of(pool, cheap[:3][::-1]),
        "majority_cheap5": majority_of(pool, cheap[:5][::-1]),
        "weighted_cheap3": weighted_of(pool, cheap[:3][::-1]),
        "weighted_cheap5": weighted_of(pool, cheap[:5][::-1]),
        "cascade_cheap2": escalate(pool, [*cheap[:2], dear[0]]),
        "cascade_cheap3": escalate(pool, [*cheap[:3], dear[0]]),
        "stepwise_cheap2": stepwise(pool, [*cheap[:2], *cheap[2:][::-1]], start=2),
        "stepwise_cheap3": stepwise(pool, [*cheap[:3], *cheap[3:][::-1]], start=3),
        "majority_all": majority_of(pool, dear),
        "weighted_all": weighted_of(pool, dear),
    }
