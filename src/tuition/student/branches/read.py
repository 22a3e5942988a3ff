"""Read the branches of many questions, what they have in common once; then write on, or score endings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tuition.student.branches.memory import Memory
from tuition.student.families import n_common, pad

__all__ = [
    "Asked",
    "Choose",
    "Noted",
    "Written",
    "decode",
    "read_branches",
    "score_branches",
    "write",
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
    """Of the untempered distribution each token was taken from, in nats; empty where nobody asked."""


Choose = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""Given rows, (R, ), the logits of what may follow each, (R, V), and the number of tokens before: what
does follow, (R, ), and whether each row goes on, (R, ). Rows that have ended may be among them for a time."""


@torch.inference_mode()
def decode(memory: Memory, last: Tensor, *, limits: Tensor, marks: Sequence[int], choose: Choose) -> None:
    """Continue each row until an end mark, its limit, or as `choose` says: the one loop that writes."""
    ends = torch.tensor(list(marks), device=last.device)
    rows, writes = torch.arange(len(last), device=last.device), torch.ones_like(last, dtype=torch.bool)
    for step in range(int(limits.max())):
        last, goes_on = choose(rows, memory.read(last[:, None])[:, -1].float(), step)
        full = limits[rows] <= step + 1
        writes = writes & goes_on & ~torch.isin(last, ends) & ~full
        left = int(writes.sum())
        if left == 0:
            break
        # A full row must go at once: there may be no position for another token.
        if not memory.is_whole and (left < _FULL * len(rows) or bool(full.any())):
            chosen = writes.nonzero()[:, 0]
            memory = memory.select(chosen, memory.lengths[chosen])
            rows, last, writes = rows[chosen], last[chosen], writes[chosen]


class Noted:
    """Chooses the likeliest token of each row, or draws one, and notes what is known of it.

    A token is drawn by inverting the distribution function at a number the caller gives, so that what a row
    writes depends neither on the rows beside it nor on how many there are.
    """

    def __init__(
        self, size: int, most: int, *, temperature: float, uniforms: Tensor | None, with_entropies: bool
    ) -> None:
        self.tokens = torch.zeros((size, most), dtype=torch.long)
        self.logprobs = torch.zeros(size, most)
        self.entropies = torch.zeros(size, most if with_entropies else 0)
        self._temperature, self._uniforms, self._with_entropies = temperature, uniforms, with_entropies

    def choose(self, rows: Tensor, logits: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """As `Choose` says; every row goes on."""
        here, goes_on = rows.cpu(), torch.ones_like(rows, dtype=torch.bool)
        if not self._with_entropies and self._uniforms is None:
            best = logits.max(-1)
            self.tokens[here, step] = best.indices.cpu()
            self.logprobs[here, step] = (best.values - logits.logsumexp(-1)).cpu()
            return best.indices, goes_on
        known = logits.log_softmax(-1)  # (R, V)
        if self._uniforms is None or self._temperature == 0:
            last = known.argmax(-1)
        else:
            below = (known / self._temperature).softmax(-1).cumsum(-1)  # (R, V)
            # Rounding leaves the last sum a little beside 1.
            drawn = self._uniforms[rows, step][:, None] * below[:, -1:]
            last = torch.searchsorted(below, drawn, right=True)[:, 0].clamp(max=known.shape[-1] - 1)
        self.tokens[here, step] = last.cpu()
        self.logprobs[here, step] = known.gather(-1, last[:, None])[:, 0].cpu()
        if self._with_entropies:
            self.entropies[here, step] = torch.special.entr(known.exp()).sum(-1).cpu()
        return last, goes_on

    def written(self, limits: Sequence[int], marks: Sequence[int]) -> list[Written]:
        """Give each row up to its end; what was read of it afterwards, beside others, is nothing."""
        rows = []
        for limit, tokens, logprobs, entropies in zip(
            limits, self.tokens.tolist(), self.logprobs.tolist(), self.entropies.tolist(), strict=True
        ):
            n = next((i + 1 for i, token in enumerate(tokens[:limit]) if token in marks), limit)
            rows.append(Written(tokens=tokens[:n], logprobs=logprobs[:n], entropies=entropies[:n]))
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question and the beginnings of its output, as token ids."""

    prompt: list[int]
    prefixes: list[list[int]]
    head: Sequence[int] = ()
    """What an encoder-decoder's decoder reads in front of each."""


def read_branches(
    model: PreTrainedModel, asked: Sequence[Asked], *, pad_id: int
) -> tuple[Memory, Tensor, Tensor]:
    """Read every branch but for its last token; what the branches of a question have in common, once.

    Gives the memory, a row for each branch; the last token of each row, (rows,); and the row of each branch,
    question by question, (branches,).

    Of each question the branch that has most in common with the others is read first, and the others go on
    from where they part with it. Steps left out one at a time, and beginnings of one explanation, part with
    one of them or with the whole: nothing common is read twice.
    """
    config = model.config
    trunks, owners, shared, rests, last = [], [], [], [], []
    for i, question in enumerate(asked):
        is_apart = config.is_encoder_decoder
        front = [config.decoder_start_token_id, *question.head] if is_apart else question.prompt
        branches = [[*front, *prefix] for prefix in question.prefixes]
        common = [[n_common(a, b) for b in question.prefixes] for a in question.prefixes]
        totals = [sum(row) for row in common]
        first = totals.index(max(totals))
        trunks.append(branches[first][:-1])
        for branch, n in zip(branches, common[first], strict=True):
            kept = min(len(front) + n, len(branch) - 1, len(branches[first]) - 1)
            owners.append(i)
            shared.append(kept)
            rests.append(branch[kept:-1])
            last.append(branch[-1])
    trunk = Memory.begin(model, [question.prompt for question in asked], pad_id=pad_id)
    trunk.absorb(trunks, pad_id=pad_id)
    # By length, so that padding at most doubles what is read; those of length 0 are a group.
    groups: dict[int, list[int]] = {}
    for i, rest in enumerate(rests):
        groups.setdefault(len(rest).bit_length(), []).append(i)
    parts = []
    for group in groups.values():
        part = trunk.select(_on(model, [owners[i] for i in group]), _on(model, [shared[i] for i in group]))
        part.absorb([rests[i] for i in group], pad_id=pad_id)
        parts.append(part)
    order = [i for group in groups.values() for i in group]
    places = sorted(range(len(order)), key=order.__getitem__)
    return Memory.join(parts), _on(model, [last[i] for i in order]), _on(model, places)


def write_branches(
    model: PreTrainedModel,
    asked: Sequence[Asked],
    *,
    samples: int,
    temperature: float,
    max_tokens: int,
    seed: int,
    marks: Sequence[int],
    positions: int | None,
    pad_id: int,
    batch_rows: int,
    with_entropies: bool = True,
) -> list[list[list[Written]]]:
    """Continue every branch, greedily at temperature 0; equal seeds draw equal tokens.

    A decoder reads at most so many positions at once; None: any number.
    """
    k = samples
    first_row = [0, *accumulate(k * len(question.prefixes) for question in asked)]
    uniforms = None
    if temperature:
        # A number for every token that may be written.
        generator = torch.Generator().manual_seed(seed)
        uniforms = torch.rand(first_row[-1], max_tokens, generator=generator)
    written: list[list[list[Written]]] = [[] for _ in asked]
    for batch in _batches(asked, [k * len(question.prefixes) for question in asked], batch_rows):
        memory, last, places = read_branches(model, [asked[i] for i in batch], pad_id=pad_id)
        owners = places.repeat_interleave(k)
        rows = [first_row[i] + j for i in batch for j in range(k * len(asked[i].prefixes))]
        # The last token that a row writes is never read again.
        limits = torch.full_like(memory.lengths, max_tokens)
        if positions is not None:
            limits = limits.minimum(positions - memory.lengths)
        chances = None if uniforms is None else uniforms[rows].to(model.device)
        noted = Noted(
            len(rows), max_tokens, temperature=temperature, uniforms=chances, with_entropies=with_entropies
        )
        chosen = memory.select(owners, memory.lengths[owners])
        limits = limits[owners]
        decode(chosen, last[owners], limits=limits, marks=marks, choose=noted.choose)
        each = iter(noted.written(limits.tolist(), marks))
        for i in batch:
            written[i] = [[next(each) for _ in range(k)] for _ in asked[i].prefixes]
    return written


def write(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    *,
    heads: Sequence[list[int]] | None = None,
    max_tokens: int,
    marks: Sequence[int],
    positions: int | None = None,
    pad_id: int,
    batch_questions: int,
) -> list[Written]:
    """Continue each prompt greedily, as `transformers` would, without entropies."""
    heads = heads or [[]] * len(prompts)
    written = write_branches(
        model,
        [Asked(prompt=prompt, prefixes=[[]], head=head) for prompt, head in zip(prompts, heads, strict=True)],
        samples=1,
        temperature=0.0,
        max_tokens=max_tokens,
        seed=0,
        marks=marks,
        positions=positions,
        pad_id=pad_id,
        batch_rows=batch_questions,
        with_entropies=False,
    )
    return [row for [[row]] in written]


@torch.inference_mode()
def score_branches(
    model: PreTrainedModel,
    asked: Sequence[Asked],
    endings: Sequence[Sequence[Sequence[list[int]]]],
    *,
    pad_id: int,
    batch_rows: int,
) -> list[list[list[list[float]]]]:
    """Give the natural log-probability of each token of several endings behind every branch."""
    scored: list[list[list[list[float]]]] = [[] for _ in asked]
    sizes = [sum(len(branch) for branch in branches) for branches in endings]
    for batch in _batches(asked, sizes, batch_rows):
        memory, last, places = read_branches(model, [asked[i] for i in batch], pad_id=pad_id)
        branches = [branch for i in batch for branch in endings[i]]
        owners = places[_on(model, [row for row, branch in enumerate(branches) for _ in branch])]
        labels = pad([ending for branch in branches for ending in branch], 0).to(model.device)
        tokens = torch.cat([last[owners][:, None], labels[:, :-1]], dim=1)
        chosen = memory.select(owners, memory.lengths[owners])
        logprobs = chosen.read(tokens).float().log_softmax(-1)
        picked = iter(logprobs.gather(-1, labels[..., None])[..., 0].tolist())  # (rows, T)
        for i in batch:
            scored[i] = [[next(picked)[: len(ending)] for ending in branch] for branch in endings[i]]
    return scored


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


def _on(model: PreTrainedModel, numbers: list[int]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.long, device=model.device)
