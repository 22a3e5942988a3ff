"""The branches of questions as texts: what is asked for becomes token ids, and comes back as records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tuition.core.errors import TrainingError
from tuition.core.protocols import Generation
from tuition.core.records import Target
from tuition.student.branches.read import Asked, Written, score_branches, write_branches
from tuition.student.encode import Encoder
from tuition.student.families import n_common
from tuition.student.predict import end_marks

__all__ = ["Branches", "Texts"]

_WINDOW = 4
"""Tokens decoded together to see what the last of them adds: a letter has four bytes at most."""


class Texts:
    """Decodes continuations; what one token adds behind a few others is worked out once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._added: dict[tuple[int, ...], int] = {}

    def generation(self, written: Written, *, prefix: list[int], beginning: str) -> Generation:
        """Write one continuation as a text."""
        head = self._decode(prefix)
        whole = self._decode([*prefix, *written.tokens])
        # Nearly always all of the prefix is still there once more tokens follow it.
        text = whole[n_common(head, whole) :]
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
            window = tuple(ids[max(0, place - _WINDOW) : place + 1])
            if window not in self._added:
                # what the last of some tokens adds to the others' text
                added = len(self._decode(list(window))) - len(self._decode(list(window[:-1])))
                self._added[window] = max(0, added)
            letters += self._added[window]
            ends.append(min(max(letters, 0), length))
        return (*ends[:-1], length) if ends else ()

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True)) if ids else ""


@dataclass(kw_only=True)
class Branches:
    """Questions, and the beginnings of output behind each."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    encoder: Encoder
    questions: Sequence[Target]
    prefixes: Sequence[Sequence[str]]
    """A list for each question."""
    positions: int | None
    """Most tokens the decoder reads at once; None: any number."""
    batch_rows: int
    """Branches that are read at once."""

    def __post_init__(self) -> None:
        _refuse_uneven(self.questions, self.prefixes, what="lists of prefixes")
        encoded = iter(self.encoder.beginnings([text for texts in self.prefixes for text in texts]))
        self._asked = [
            Asked(prompt=prompt, prefixes=[next(encoded) for _ in texts], head=head)
            for prompt, head, texts in zip(
                self.encoder.prompts(self.questions),
                self.encoder.heads([target.prefix for target in self.questions]),
                self.prefixes,
                strict=True,
            )
        ]

    def write(
        self, *, samples: int, temperature: float, max_tokens: int, seed: int
    ) -> list[list[list[Generation]]]:
        """Continue every branch."""
        if samples < 1 or max_tokens < 1 or temperature < 0 or (temperature == 0 and samples > 1):
            raise ValueError(
                f"{samples!r} samples of {max_tokens!r} tokens at temperature {temperature!r} were asked "
                "for; ask for 1 or more of each, and at temperature 0, where all are equal, for 1 sample"
            )
        self._refuse_too_long([[1 for _ in question.prefixes] for question in self._asked])
        written = write_branches(
            self.model,
            self._asked,
            samples=samples,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            marks=end_marks(self.model, self.tokenizer.eos_token_id),
            positions=self.positions,
            pad_id=self.tokenizer.pad_token_id,
            batch_rows=self.batch_rows,
        )
        texts = Texts(self.tokenizer)
        return [
            [
                [texts.generation(row, prefix=ids, beginning=beginning) for row in rows]
                for ids, beginning, rows in zip(question.prefixes, beginnings, branches, strict=True)
            ]
            for question, beginnings, branches in zip(self._asked, self.prefixes, written, strict=True)
        ]

    def score(self, outputs: Sequence[Sequence[str]]) -> list[list[list[tuple[float, ...]]]]:
        """Score endings behind every branch: one natural log-probability a token."""
        _refuse_uneven(self.questions, outputs, what="lists of endings")
        pairs = [
            (beginning, ending)
            for beginnings, endings in zip(self.prefixes, outputs, strict=True)
            for beginning in beginnings
            for ending in endings
        ]
        encoded = iter(self.encoder.endings([pair[0] for pair in pairs], [pair[1] for pair in pairs]))
        ids = [
            [[next(encoded) for _ in endings] for _ in beginnings]
            for beginnings, endings in zip(self.prefixes, outputs, strict=True)
        ]
        # The last token of an ending is never read.
        self._refuse_too_long(
            [[max(map(len, branch), default=1) - 1 for branch in branches] for branches in ids]
        )
        scored = score_branches(
            self.model, self._asked, ids, pad_id=self.tokenizer.pad_token_id, batch_rows=self.batch_rows
        )
        return [
            [[tuple(ending) for ending in endings] for endings in branches]
            if branches
            else [[] for _ in texts]
            for branches, texts in zip(scored, self.prefixes, strict=True)
        ]

    def _refuse_too_long(self, more: Sequence[Sequence[int]]) -> None:
        """A question leaves room for an output of the longest length, but prefixes may be longer."""
        if self.positions is None:
            return
        for target, question, counts in zip(self.questions, self._asked, more, strict=True):
            for prefix, n in zip(question.prefixes, counts, strict=True):
                length = len(question.prompt) + len(prefix) + n
                if length > self.positions:
                    raise TrainingError(
                        f"example {target.example.id!r} and what is to be read behind it have {length} "
                        f"tokens; this student reads at most {self.positions}. Raise "
                        "student.max_output_tokens, which leaves the question less room, or take a student "
                        "that reads more."
                    )


def _refuse_uneven(questions: Sequence[Target], lists: Sequence[Sequence[str]], *, what: str) -> None:
    if len(questions) != len(lists):
        raise ValueError(f"{len(questions)} questions came with {len(lists)} {what}; give one a question")
