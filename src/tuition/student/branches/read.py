"""Read the branches of many questions, what they have in common once; then write on, or score endings.

Knows a model and token ids; knows no texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import transformers
from torch import Tensor

from tuition.student.branches.memory import Memory
from tuition.student.families import pad

__all__ = [
    "Asked",
    "Read",
    "Sampling",
    "Written",
    "decode",
    "read_branches",
    "score_branches",
    "write_branches",
]

_FULL = 0.75
"""Share of rows that still write below which the others are dropped: dropping copies what is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The tokens of one row, the end mark included."""

    tokens: list[int]
    logprobs: list[float]
    """Natural log-probability of each token, whatever the temperature."""
    entropies: list[float]
    """Of the untempered distribution each token was taken from, in nats."""


@torch.inference_mode()
def decode(
    memory: Memory,
    last: Tensor,
    *,
    limits: Tensor,
    marks: Sequence[int],
    temperature: float,
    uniforms: Tensor | None,
) -> list[Written]:
    """Continue each row until an end mark or its limit.

    A token is drawn by inverting the distribution function at a number the caller gives, so that what a row
    writes depends neither on the rows beside it nor on how many there are.
    """
    size, steps = len(last), int(limits.max())
    tokens = torch.full((size, steps), -1, dtype=torch.long)
    logprobs, entropies = torch.zeros(size, steps), torch.zeros(size, steps)
    ends = torch.tensor(list(marks), device=last.device)
    rows, writes = torch.arange(size, device=last.device), torch.ones_like(last, dtype=torch.bool)
    for step in range(steps):
        known = memory.read(last[:, None])[:, -1].float().log_softmax(-1)  # (rows, V)
        drawn = None if uniforms is None else uniforms[rows, step]
        last = _choose(known, temperature=temperature, drawn=drawn)
        here = rows[writes].cpu()
        tokens[here, step] = last[writes].cpu()
        logprobs[here, step] = known.gather(-1, last[:, None])[writes, 0].cpu()
        entropies[here, step] = torch.special.entr(known.exp()).sum(-1)[writes].cpu()
        full = limits[rows] <= step + 1
        writes = writes & ~torch.isin(last, ends) & ~full
        left = int(writes.sum())
        if left == 0:
            break
        # A full row must go at once: there may be no position for another token.
        if left < _FULL * len(rows) or bool(full.any()):
            chosen = writes.nonzero()[:, 0]
            memory = memory.select(chosen, memory.lengths[chosen])
            rows, last, writes = rows[chosen], last[chosen], writes[chosen]
    counts = (tokens >= 0).sum(-1).tolist()
    return [
        Written(tokens=row[:n], logprobs=chances[:n], entropies=spread[:n])
        for n, row, chances, spread in zip(
            counts, tokens.tolist(), logprobs.tolist(), entropies.tolist(), strict=True
        )
    ]


def _choose(known: Tensor, *, temperature: float, drawn: Tensor | None) -> Tensor:
    """Take the likeliest token of each row, or the one at its number; known (rows, V)."""
    if drawn is None or temperature == 0:
        return known.argmax(-1)
    below = (known / temperature).softmax(-1).cumsum(-1)  # (rows, V)
    # Rounding leaves the last sum a little beside 1.
    places = torch.searchsorted(below, drawn[:, None] * below[:, -1:], right=True)[:, 0]
    return places.clamp(max=known.shape[-1] - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question and the beginnings of its output, as token ids."""

    prompt: list[int]
    prefixes: list[list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How branches are written on."""

    samples: int
    """Continuations of each branch."""
    temperature: float
    """0: greedy."""
    max_tokens: int
    """Most tokens of a continuation."""
    seed: int
    """Equal seeds draw equal tokens."""
    marks: Sequence[int]
    """What ends a text."""
    positions: int | None
    """Most tokens a decoder reads at once; None: no such limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What has been read of some branches, one row each."""

    memory: Memory
    """Of each branch all but its last token."""
    last: Tensor
    """Shape (rows, ), the last token of each."""
    places: Tensor
    """Shape (branches, ), the row of each branch, question by question."""


def read_branches(model: transformers.PreTrainedModel, asked: Sequence[Asked], *, pad_id: int) -> Read:
    """Read every branch but for its last token; what the branches of a question have in common, once.

    Of each question the branch that has most in common with the others is read first, and the others go on
    from where they part with it. Steps left out one at a time, and beginnings of one explanation, part with
    one of them or with the whole: nothing common is read twice.
    """
    branches = [_branches(model, question) for question in asked]
    plans = [_shared(question.prefixes) for question in asked]
    trunks, owners, shared, rests = [], [], [], []
    for i, (rows, (first, common)) in enumerate(zip(branches, plans, strict=True)):
        front = len(rows[0]) - len(asked[i].prefixes[0])
        trunks.append(rows[first][:-1])
        for row, n in zip(rows, common, strict=True):
            kept = min(front + n, len(row) - 1, len(rows[first]) - 1)
            owners.append(i)
            shared.append(kept)
            rests.append(row[kept:-1])
    trunk = Memory.begin(model, [question.prompt for question in asked], pad_id=pad_id)
    trunk.absorb(trunks, pad_id=pad_id)
    parts, order = [], []
    for group in _alike([len(rest) for rest in rests]):
        part = trunk.select(_on(model, [owners[i] for i in group]), _on(model, [shared[i] for i in group]))
        part.absorb([rests[i] for i in group], pad_id=pad_id)
        parts.append(part)
        order += group
    last = [row[-1] for rows in branches for row in rows]
    places = sorted(range(len(order)), key=order.__getitem__)
    return Read(
        memory=Memory.join(parts), last=_on(model, [last[i] for i in order]), places=_on(model, places)
    )


def write_branches(
    model: transformers.PreTrainedModel,
    asked: Sequence[Asked],
    *,
    sampling: Sampling,
    pad_id: int,
    batch_rows: int,
) -> list[list[list[Written]]]:
    """Continue every branch."""
    k = sampling.samples
    first_row, uniforms = _uniforms(asked, sampling)
    written: list[list[list[Written]]] = [[] for _ in asked]
    for batch in _batches(asked, [k * len(question.prefixes) for question in asked], batch_rows):
        read = read_branches(model, [asked[i] for i in batch], pad_id=pad_id)
        owners = read.places.repeat_interleave(k)
        rows = [first_row[i] + j for i in batch for j in range(k * len(asked[i].prefixes))]
        done = decode(
            read.memory.select(owners, read.memory.lengths[owners]),
            read.last[owners],
            limits=_limits(read.memory, sampling)[owners],
            marks=sampling.marks,
            temperature=sampling.temperature,
            uniforms=None if uniforms is None else uniforms[rows].to(model.device),
        )
        each = iter(done)
        for i in batch:
            written[i] = [[next(each) for _ in range(k)] for _ in asked[i].prefixes]
    return written


@torch.inference_mode()
def score_branches(
    model: transformers.PreTrainedModel,
    asked: Sequence[Asked],
    endings: Sequence[Sequence[Sequence[list[int]]]],
    *,
    pad_id: int,
    batch_rows: int,
) -> list[list[list[list[float]]]]:
    """Give the log-probability of each token of several endings behind every branch.

    Returns:
        For each question, branch and ending one natural log-probability a token.
    """
    scored: list[list[list[list[float]]]] = [[] for _ in asked]
    sizes = [sum(len(branch) for branch in branches) for branches in endings]
    for batch in _batches(asked, sizes, batch_rows):
        read = read_branches(model, [asked[i] for i in batch], pad_id=pad_id)
        branches = [branch for i in batch for branch in endings[i]]
        owners = read.places[_on(model, [row for row, branch in enumerate(branches) for _ in branch])]
        labels = pad([ending for branch in branches for ending in branch], 0).to(model.device)
        tokens = torch.cat([read.last[owners][:, None], labels[:, :-1]], dim=1)
        memory = read.memory.select(owners, read.memory.lengths[owners])
        logprobs = memory.read(tokens).float().log_softmax(-1)
        picked = iter(logprobs.gather(-1, labels[..., None])[..., 0].tolist())  # (rows, T)
        for i in batch:
            scored[i] = [[next(picked)[: len(ending)] for ending in branch] for branch in endings[i]]
    return scored


def _branches(model: transformers.PreTrainedModel, question: Asked) -> list[list[int]]:
    """Give what the decoder reads of each branch; never empty."""
    if model.config.is_encoder_decoder:
        return [[model.config.decoder_start_token_id, *prefix] for prefix in question.prefixes]
    return [[*question.prompt, *prefix] for prefix in question.prefixes]


def _shared(prefixes: Sequence[list[int]]) -> tuple[int, list[int]]:
    """Find the branch that has most in common with all of them, and how many tokens each shares with it."""
    common = [[_common(a, b) for b in prefixes] for a in prefixes]
    first = max(range(len(prefixes)), key=lambda i: sum(common[i]))
    return first, common[first]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _alike(lengths: Sequence[int]) -> list[list[int]]:
    """Group places by length, so that padding at most doubles what is read; those of length 0 are a group."""
    groups: dict[int, list[int]] = {}
    for i, length in enumerate(lengths):
        groups.setdefault(length.bit_length(), []).append(i)
    return list(groups.values())


def _uniforms(asked: Sequence[Asked], sampling: Sampling) -> tuple[list[int], Tensor | None]:
    """Draw a number for every token that may be written; and give the first row of each question."""
    firsts, rows = [], 0
    for question in asked:
        firsts.append(rows)
        rows += sampling.samples * len(question.prefixes)
    if sampling.temperature == 0:
        return firsts, None
    generator = torch.Generator().manual_seed(sampling.seed)
    return firsts, torch.rand(rows, sampling.max_tokens, generator=generator)


def _limits(memory: Memory, sampling: Sampling) -> Tensor:
    """Most tokens each row may write: the last of them is never read again."""
    most = torch.full_like(memory.lengths, sampling.max_tokens)
    if sampling.positions is None:
        return most
    return most.minimum(sampling.positions - memory.lengths)


def _batches(asked: Sequence[Asked], sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Give questions in batches of similar lengths, longest first; those without a row in none."""
    lengths = [len(question.prompt) + max(map(len, question.prefixes), default=0) for question in asked]
    batch: list[int] = []
    rows = 0
    for i in sorted((i for i, size in enumerate(sizes) if size), key=lambda i: -lengths[i]):
        if batch and rows + sizes[i] > most:
            yield batch
            batch, rows = [], 0
        batch.append(i)
        rows += sizes[i]
    if batch:
        yield batch


def _on(model: transformers.PreTrainedModel, numbers: list[int]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.long, device=model.device)
