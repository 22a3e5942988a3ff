"""The plan of a training: the targets of each step, their forward passes, their shares in the loss, its rate.

Pure numbers: knows lengths, objectives and weights; knows no text, no model and no torch.

Source: TinyLLM (arXiv 2402.04616), the multi-task loss γ·L_A + Σ α_m·L_m over one batch of examples.
Differs: the published code makes one forward pass per objective over inputs padded to the maximum; here the
targets of a question share a row where its input is the same to all (`share.py`), rows of similar lengths
share a pass, and each token carries its share, so that the sum over the passes is the same number.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuition.core.errors import TrainingError, some_of
from tuition.core.records import Json
from tuition.student.config import TrainingConfig

__all__ = ["PASS_TOKENS", "Item", "kappas", "pass_tokens_of", "plan_steps", "rate_at", "shares", "split_step"]

PASS_TOKENS = 256
"""What a forward pass of a small student costs beside its tokens, in tokens: on a CPU, measured with the
embedded student."""

_WINDOW = 8
"""Steps whose examples are sorted by length together: saves most padding, keeps the order random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What planning needs to know of one target."""

    example_id: str
    objective: str
    weight: float
    """γ or α."""
    length: int
    """Tokens of input and output."""
    terms: int
    """Cross-entropies it adds to the loss: tokens of the output, or one decision."""
    group: str = ""
    """Of the mixture that is drawn from; empty: there is none."""

    @property
    def unit(self) -> tuple[str, str]:
        """What is drawn as one: the targets of an example that are of one group."""
        return self.group, self.example_id


def plan_steps(
    items: Sequence[Item],
    *,
    batch_examples: int,
    steps: int | None,
    epochs: float | None,
    seed: int,
    mixture: Mapping[str, float] | None = None,
) -> list[list[int]]:
    """Draw the examples of each optimizer step; an example brings all its targets.

    Examples come in shuffled epochs, one after the other. Those of eight steps are sorted by length
    together, so that the examples of one step are similar; then the eight steps are shuffled. The last step
    of an epoch holds what is left over. With a mixture of groups there are no epochs: each draw is of a group
    by its share, and of its next example; a group that was seen whole is shuffled anew.
    """
    if not items:
        raise ValueError("there is nothing to plan: no targets")
    targets: dict[tuple[str, str], list[int]] = {}
    for position, item in enumerate(items):
        targets.setdefault(item.unit, []).append(position)
    examples = list(targets)
    longest = {name: max(items[i].length for i in targets[name]) for name in examples}
    size = min(batch_examples, len(examples))
    left = max(1, round((epochs or 1.0) * len(examples)))
    generator = random.Random(seed)
    plan: list[list[tuple[str, str]]] = []
    while len(plan) < steps if steps is not None else left > 0:
        if mixture:
            order = _drawn(examples, mixture, left if steps is None else steps * size, by=generator)
        else:
            order = generator.sample(examples, len(examples))
        order = order if steps is not None else order[:left]
        left -= len(order)
        full = len(order) - len(order) % size
        for start in range(0, full, _WINDOW * size):
            window = sorted(order[start : min(start + _WINDOW * size, full)], key=longest.__getitem__)
            drawn = [window[i : i + size] for i in range(0, len(window), size)]
            generator.shuffle(drawn)
            plan += drawn
        if full < len(order):
            plan.append(order[full:])
    return [[i for name in step for i in targets[name]] for step in plan[:steps]]


def _drawn(
    units: Sequence[tuple[str, str]], mixture: Mapping[str, float], n: int, *, by: random.Random
) -> list[tuple[str, str]]:
    """Draw units of groups, with replacement of the groups."""
    of_group = {group: [unit for unit in units if unit[0] == group] for group in mixture}
    bare = [group for group, share in mixture.items() if share > 0 and not of_group[group]]
    if bare:
        raise TrainingError(f"the mixture draws from {some_of(bare)}, and there is no target of it to learn")
    left: dict[str, list[tuple[str, str]]] = {group: [] for group in mixture}
    drawn = []
    for group in by.choices(list(mixture), weights=list(mixture.values()), k=n):
        left[group] = left[group] or by.sample(of_group[group], len(of_group[group]))
        drawn.append(left[group].pop())
    return drawn


def pass_tokens_of(parameters: int) -> int:
    """Say what a forward pass on a CPU costs beside its tokens, in tokens.

    Calls cost the same in every model, and are worth the fewer tokens the larger it is; what is left is to
    add the gradients up. Measured with 1 and with 61 million weights (17 % faster than with 256).
    """
    return min(PASS_TOKENS, 32 + 240_000_000 // parameters)


def split_step(sizes: Sequence[tuple[int, int]], *, token_budget: int, pass_tokens: int) -> list[list[int]]:
    """Split rows into forward passes of similar lengths, with the least padding that is worth a pass.

    `sizes` are what encoder and decoder read of each row, padded apart; a row longer than the budget is a
    pass of its own.
    """
    orders = (
        sorted(range(len(sizes)), key=lambda i: (-sizes[i][1], -sizes[i][0])),
        sorted(range(len(sizes)), key=lambda i: (-sizes[i][0], -sizes[i][1])),
        sorted(range(len(sizes)), key=lambda i: -sum(sizes[i])),
    )
    split = [_cheapest(sizes, order, token_budget=token_budget, pass_tokens=pass_tokens) for order in orders]
    return min(split, key=lambda found: found[0])[1]


def _cheapest(
    sizes: Sequence[tuple[int, int]], order: Sequence[int], *, token_budget: int, pass_tokens: int
) -> tuple[int, list[list[int]]]:
    """Split an order into passes at the least cost; give the cost, too."""
    # For the first n in order: the cost of their cheapest split, and where its last pass begins.
    cheapest = [(0, 0)]
    for end in range(1, len(order) + 1):
        found, widest, deepest = [], 0, 0
        for start in range(end - 1, -1, -1):
            one, other = sizes[order[start]]
            widest, deepest = max(widest, one), max(deepest, other)
            tokens = (widest + deepest) * (end - start)
            if found and tokens > token_budget:
                break
            found.append((cheapest[start][0] + tokens + pass_tokens, start))
        cheapest.append(min(found))
    passes: list[list[int]] = []
    end = len(order)
    while end:
        start = cheapest[end][1]
        passes.append(list(order[start:end]))
        end = start
    return cheapest[-1][0], passes[::-1]


def shares(items: Sequence[Item], step: Sequence[int], *, normaliser: str) -> list[float]:
    """Give the factor of each target's cross-entropies, so that their sum is the loss of the step.

    With `item`, an objective is the mean over its examples of each one's token mean (the paper's formula); an
    example with several targets of the objective, such as two samples of one teacher, counts once, by their
    mean. With `batch`, it is the mean over all tokens of that objective in the step (the published code).
    Only the examples that have a target of the objective count. Weights add up and are not normalised: a
    convex combination is a choice of weights.
    """
    chosen = [items[i] for i in step]
    if normaliser == "item":
        targets = Counter((item.objective, item.example_id) for item in chosen)
        examples = Counter(objective for objective, _ in targets)
        return [
            item.weight / (examples[item.objective] * targets[item.objective, item.example_id] * item.terms)
            for item in chosen
        ]
    terms: Counter[str] = Counter()
    for item in chosen:
        terms[item.objective] += item.terms
    return [item.weight / terms[item.objective] for item in chosen]


def kappas(found: Mapping[str, float]) -> dict[str, Json]:
    """Say how far one part moves what a student writes beside each other part: the ratio of divergences, κ.

    1: alike. The first part's divergence stands above; of one that moves nothing there is no κ.

    Source: in the style of CoMMIT (arXiv 2407.20454), whose κ is the ratio of two KL divergences of the
    output, each caused by the update of one module.
    """
    first, *others = found
    return {name: found[first] / found[name] if found[name] > 0 else None for name in others}


def rate_at(step: int, steps: int, *, config: TrainingConfig) -> float:
    """Give the share of the peak learning rate at a step, in [0, 1]."""
    if step < config.warmup_steps:
        return (step + 1) / (config.warmup_steps + 1)
    done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    match config.schedule:
        case "linear":
            return max(0.0, 1.0 - done)
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        case "flat_cosine":
            return 0.5 * (1 + math.cos(math.pi * min(max(2 * done - 1, 0.0), 1.0)))
        case _:
            return 1.0
