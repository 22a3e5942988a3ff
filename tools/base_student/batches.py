"""The first batches of a student from scratch: random tokens to copy, then questions with their answers.

Knows tokens and lengths; knows no task.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random

import torch
from transformers import PreTrainedTokenizerBase

__all__ = ["copy_batches", "text_batches"]

_ROWS = 16
_MARKS = 2
_UNTRAINED = -100


def copy_batches(vocabulary: int, *, n: int, seed: int) -> Iterator[dict[str, torch.Tensor]]:
    """Give random tokens that are to be said again; towards the end, every other time as shuffled pairs.

    Args:
        vocabulary: Number of tokens; the first two are marks and are left out.
        n: How many batches; about 1,000 are needed.
        seed: Where chance starts.

    Yields:
        Token ids, mask and labels, each of shape (16, T), T from 16 to 40.
    """
    generator = torch.Generator().manual_seed(seed)
    for step in range(n):
        pairs = int(torch.randint(8, 21, (), generator=generator)) // 2
        told = torch.randint(_MARKS, vocabulary, (_ROWS, pairs, 2), generator=generator)
        by_pairs = step > 0.7 * n and step % 2 == 1
        order = torch.randperm(pairs, generator=generator) if by_pairs else torch.arange(pairs)
        ids = torch.cat([told, told[:, order]], dim=1).flatten(1)  # (rows, 4 * pairs)
        labels = ids.clone()
        half = 2 * pairs
        labels[:, : half + 1] = _UNTRAINED
        if by_pairs:
            # Which pair comes next cannot be known, only how it ends.
            labels[:, half::2] = _UNTRAINED
        yield {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def text_batches(
    texts: Iterable[tuple[str, str]], tokenizer: PreTrainedTokenizerBase, *, tokens: int, rng: Random
) -> list[dict[str, torch.Tensor]]:
    """Batch questions and answers of like length; the question is read, the answer learnt.

    Args:
        texts: Question and answer.
        tokenizer: Of the student.
        tokens: Most tokens a batch, padding included, unless one text alone has more.
        rng: Shuffles the batches.

    Returns:
        Token ids, mask and labels, each of shape (B, T).
    """
    rows = sorted((_encode(*text, tokenizer) for text in texts), key=lambda row: len(row[0]))
    groups: list[list[tuple[list[int], int]]] = [[]]
    for row in rows:
        if groups[-1] and (len(groups[-1]) + 1) * len(row[0]) > tokens:
            groups.append([])
        groups[-1].append(row)
    rng.shuffle(groups)
    return [_padded(group, tokenizer.pad_token_id) for group in groups]


def _encode(question: str, answer: str, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], int]:
    """Give the tokens of a text and how many of them are question."""
    asked = tokenizer(f"{question}\n", add_special_tokens=False)["input_ids"]
    said = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return [*asked, *said, tokenizer.eos_token_id], len(asked)


def _padded(group: Sequence[tuple[list[int], int]], pad: int) -> dict[str, torch.Tensor]:
    shape = (len(group), max(len(ids) for ids, _ in group))
    batch = {
        "input_ids": torch.full(shape, pad),
        "attention_mask": torch.zeros(shape, dtype=torch.long),
        "labels": torch.full(shape, _UNTRAINED),
    }
    for i, (ids, asked) in enumerate(group):
        batch["input_ids"][i, : len(ids)] = torch.tensor(ids)
        batch["attention_mask"][i, : len(ids)] = 1
        batch["labels"][i, asked : len(ids)] = torch.tensor(ids[asked:])
    return batch
