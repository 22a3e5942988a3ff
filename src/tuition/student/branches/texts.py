"""Turn the tokens of continuations into texts, and say which letters each token wrote.

Knows the tokenizer; knows no model.
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from tuition.core.protocols import Generation
from tuition.student.branches.decode import Written

__all__ = ["Texts"]

_WINDOW = 4
"""Tokens decoded together to see what the last of them adds: a letter has four bytes at most."""


class Texts:
    """Decodes continuations; what one token adds behind a few others is worked out once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Remember nothing yet."""
        self._tokenizer = tokenizer
        self._added: dict[tuple[int, ...], int] = {}

    def generation(self, written: Written, *, prefix: list[int], beginning: str) -> Generation:
        """Write one continuation as a text."""
        head = self._decode(prefix)
        whole = self._decode([*prefix, *written.tokens])
        text = whole[_common(head, whole) :]
        kept = text.rstrip() if beginning and not beginning[-1].isspace() else text.strip()
        front = len(text.rstrip()) - len(kept)
        return Generation(
            text=kept,
            tokens=len(written.tokens),
            logprobs=tuple(written.logprobs),
            entropies=tuple(written.entropies),
            ends=self._ends(prefix, written.tokens, front=front, length=len(kept)),
        )

    def _ends(self, prefix: list[int], tokens: list[int], *, front: int, length: int) -> tuple[int, ...]:
        """Count letters of the text token by token; never more than there are, at last all of them."""
        ids = [*prefix[-_WINDOW:], *tokens]
        letters, ends = -front, []
        for place in range(len(ids) - len(tokens), len(ids)):
            letters += self._letters(tuple(ids[max(0, place - _WINDOW) : place + 1]))
            ends.append(min(max(letters, 0), length))
        return (*ends[:-1], length) if ends else ()

    def _letters(self, ids: tuple[int, ...]) -> int:
        """Count what the last of some tokens adds to the others' text."""
        if ids not in self._added:
            added = len(self._decode(list(ids))) - len(self._decode(list(ids[:-1])))
            self._added[ids] = max(0, added)
        return self._added[ids]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True)) if ids else ""


def _common(head: str, whole: str) -> int:
    """Count the letters of the prefix that are still there once more tokens follow it: nearly always all."""
    if whole.startswith(head):
        return len(head)
    return next((i for i, (a, b) in enumerate(zip(head, whole, strict=False)) if a != b), len(whole))
