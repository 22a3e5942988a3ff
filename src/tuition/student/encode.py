"""From targets to token ids. What is too long loses the end of its context, then that of its question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from tuition.core.errors import TrainingError, some_of
from tuition.core.records import Message, Target, written_turns
from tuition.student.config import StudentConfig
from tuition.student.look import room_for_input
from tuition.student.template import ask_in

__all__ = ["Cuts", "Encoder", "OptionRow", "Row", "TextRow", "input_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """How many texts did not fit."""

    contexts: int = 0
    """Inputs whose context lost its end."""
    outputs: int = 0
    """Targets that were cut; they carry no end mark, so that the student does not learn to stop there."""
    questions: int = 0
    """Questions that lost their end too, for they are longer than the limit even without context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """One target of a student that writes."""

    prompt: list[int]
    output: list[int]
    """Ends with the end mark unless it was cut; empty for a question that only asks."""
    head: Sequence[int] = ()
    """What the decoder of an encoder-decoder reads before it writes; not learnt."""
    asked: float = 0.0
    """What a token of the prompt weighs beside one of the output; 0: it is not learnt."""
    is_taught: bool = True
    """Whether there is a cross-entropy of its labels."""

    @property
    def length(self) -> int:
        """Tokens the model reads."""
        return len(self.prompt) + len(self.head) + len(self.output)

    @property
    def terms(self) -> int:
        """Number of cross-entropies: one a token."""
        return len(self.labels)

    @property
    def labels(self) -> list[int]:
        """What is learnt: the output, and before it the prompt where that weighs something."""
        return [*self.prompt[1:], *self.output] if self.asked else self.output

    @property
    def weights(self) -> list[float]:
        """What each label weighs."""
        return [self.asked] * (self.terms - len(self.output)) + [1.0] * len(self.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRow:
    """One target of a student that scores options."""

    options: list[dict[str, list[int]]]
    """One encoded pair of question and option each."""
    gold: int
    """Position of the right option; -1 for a question that only asks."""
    shares: tuple[float, ...] = ()
    """What each option deserves; empty: the right one everything."""

    @property
    def length(self) -> int:
        """Tokens the model reads."""
        return len(self.options) * max(len(option["input_ids"]) for option in self.options)

    @property
    def terms(self) -> int:
        """Number of cross-entropies: one a question."""
        return 1


Row = TextRow | OptionRow
"""One encoded target."""


def input_text(target: Target, context: str, *, instruction: str) -> str:
    """Write what the student reads."""
    body = f"{context}\n{target.input}" if context else target.input
    if instruction == "decoder":
        return body
    if instruction == "before":
        return target.prefix + body
    return "\n".join(part for part in (body, target.prefix.strip()) if part)


class Encoder:
    """Turns targets into rows of token ids and counts what had to be cut."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        config: StudentConfig,
        *,
        family: str,
        positions: int | None = None,
        template: str | None = None,
    ) -> None:
        """Set the limits, and the chat template that questions are asked in."""
        self._template = template
        self._tokenizer = tokenizer
        self._config = config
        self._family = family
        is_moved = config.instruction == "decoder" and family != "seq2seq"
        self._instruction = "behind" if is_moved else config.instruction
        self._positions = positions
        self.cuts = Cuts()
        """Of everything encoded since the last `forget_cuts`."""

    def forget_cuts(self) -> None:
        """Start counting anew."""
        self.cuts = Cuts()

    def rows(self, targets: Sequence[Target]) -> list[Row]:
        """Encode what the student shall learn."""
        if self._family == "options":
            return [self._option_row(target, _gold(target)) for target in targets]
        outputs = [self.output(target.output) for target in targets]
        heads = self.heads([target.prefix for target in targets])
        weights = [target.prompt_weight for target in targets]
        if self._family == "seq2seq" and any(weights):
            raise TrainingError(
                "prompt_weight is above 0, but an encoder-decoder never writes its question; take a "
                "decoder-only student, or set it to 0"
            )
        rows = zip(self.prompts(targets), heads, outputs, weights, strict=True)
        return [
            TextRow(prompt=prompt, head=head, output=output, asked=asked, is_taught=target.is_taught)
            for target, (prompt, head, output, asked) in zip(targets, rows, strict=True)
        ]

    def questions(self, targets: Sequence[Target]) -> list[OptionRow]:
        """Encode the options of questions without looking at the outputs."""
        return [self._option_row(target, -1) for target in targets]

    def prompts(self, targets: Sequence[Target]) -> list[list[int]]:
        """Encode what the student reads, without looking at the outputs."""
        texts = [self._text(target, target.example.context) for target in targets]
        encoded = self._encode(texts)
        limit = self._limit()
        return [
            ids if len(ids) <= limit else self._encode([self._fit(target, "", limit)])[0]
            for target, ids in zip(targets, encoded, strict=True)
        ]

    def heads(self, prefixes: Sequence[str]) -> list[list[int]]:
        """Encode the instructions a decoder reads before it writes; empty where the prompt has them."""
        is_apart = self._instruction == "decoder"
        return self._written([prefix.strip() if is_apart else "" for prefix in prefixes])

    def output(self, text: str) -> list[int]:
        """Encode what the student shall write."""
        end, [ids] = self._tokenizer.eos_token_id, self._output_ids([text])
        ids = ids if ids and ids[-1] == end else [*ids, end]
        if len(ids) > self._config.max_output_tokens:
            self.cuts = replace(self.cuts, outputs=self.cuts.outputs + 1)
            ids = ids[: self._config.max_output_tokens]
        return ids

    def beginnings(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode beginnings of outputs, to be gone on from.

        Blanks at the end are left for the token that follows, which is where tokenizers put them. What comes
        behind a line break, or behind a word and a blank, is then cut into tokens as it was in training; a
        beginning that ends within a word is not.
        """
        return self._written([text.rstrip(" \t") for text in texts])

    def endings(self, beginnings: Sequence[str], texts: Sequence[str]) -> list[list[int]]:
        """Encode endings as they are cut into tokens behind their beginnings."""
        heads = self.beginnings(beginnings)
        wholes = self._written([head + text for head, text in zip(beginnings, texts, strict=True)])
        ids = [
            whole[len(head) :] if whole[: len(head)] == head else self._written([text])[0]
            for head, whole, text in zip(heads, wholes, texts, strict=True)
        ]
        return [[*ending, self._tokenizer.eos_token_id] for ending in ids]

    def _written(self, texts: list[str]) -> list[list[int]]:
        """Encode parts of outputs, whole and without end mark."""
        if not texts:
            return []
        end, encoded = self._tokenizer.eos_token_id, self._output_ids(texts)
        rows = [ids if text else [] for text, ids in zip(texts, encoded, strict=True)]
        return [ids[:-1] if ids and ids[-1] == end else ids for ids in rows]

    def _output_ids(self, texts: list[str]) -> list[list[int]]:
        if self._family == "seq2seq":
            encoded = self._tokenizer(text_target=texts)
        else:
            encoded = self._tokenizer(texts, add_special_tokens=False)
        return [list(ids) for ids in encoded["input_ids"]]

    def _limit(self) -> int:
        """Tokens the input may have: what the user allows, and what the model can read beside its output."""
        room = room_for_input(self._config, family=self._family, positions=self._positions)
        most = self._config.max_input_tokens
        return most if room is None else min(most, room)

    def _text(self, target: Target, context: str) -> str:
        if self._template is not None:
            earlier, last = _turns(target)
            text = input_text(last, context, instruction=self._instruction)
            return ask_in(self._tokenizer, self._template, text, earlier=earlier)
        text = input_text(target, context, instruction=self._instruction)
        # A decoder-only student writes its output on a line of its own.
        return f"{text}\n" if self._family == "causal" else text

    def _encode(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        # A chat template writes the marks of its tokenizer itself.
        written = self._tokenizer(texts, add_special_tokens=self._template is None)
        encoded = [list(ids) for ids in written["input_ids"]]
        end = self._tokenizer.eos_token_id
        if self._family == "causal":
            # Some tokenizers close every text; here the text goes on.
            return [ids[:-1] if ids[-1] == end else ids for ids in encoded]
        return encoded

    def _option_row(self, target: Target, gold: int) -> OptionRow:
        choices = target.example.choices
        limit = self._limit()
        text = self._text(target, target.example.context)
        longest = max(choices, key=lambda choice: len(self._tokenizer(choice)["input_ids"]))
        if self._width(text, longest) > limit:
            text = self._fit(target, longest, limit)
        pairs = [dict(self._tokenizer(text, choice)) for choice in choices]
        shares = target.shares if gold >= 0 else ()
        if shares and (len(shares) != len(choices) or abs(sum(shares) - 1) > 1e-6 or min(shares) < 0):
            raise TrainingError(
                f"the shares of example {target.example.id!r} are {shares}, expected one for each of its "
                f"{len(choices)} choices, 1 together"
            )
        return OptionRow(options=pairs, gold=gold, shares=shares)

    def _width(self, text: str, option: str) -> int:
        if option:
            return len(self._tokenizer(text, option)["input_ids"])
        return len(self._encode([text])[0])

    def _fit(self, target: Target, option: str, limit: int) -> str:
        """Cut the end of the context until the text fits, then the end of the question; both are counted."""
        context = target.example.context
        text = self._cut(context, lambda left: self._text(target, left), option, limit=limit)
        if context:
            self.cuts = replace(self.cuts, contexts=self.cuts.contexts + 1)
        if self._width(text, option) <= limit:
            return text
        self.cuts = replace(self.cuts, questions=self.cuts.questions + 1)
        text = self._cut(
            target.input, lambda left: self._text(replace(target, input=left), ""), option, limit=limit
        )
        if self._positions is not None and self._width(text, option) > self._positions:
            raise TrainingError(
                f"an option of example {target.example.id!r} is longer than this student reads: at most "
                f"{self._positions} tokens. Leave the example out, or take a student that reads more."
            )
        return text

    def _cut(self, part: str, text_with: Callable[[str], str], option: str, *, limit: int) -> str:
        """Take tokens from the end of a part until the text fits, or the part is gone."""
        ends = list(range(1, len(part) + 1))
        if part and self._tokenizer.is_fast:
            encoded = self._tokenizer(part, add_special_tokens=False, return_offsets_mapping=True)
            ends = [end for _, end in encoded["offset_mapping"]]
        keep = len(ends)
        text = text_with(part)
        width = self._width(text, option)
        while width > limit and keep > 0:
            keep = max(0, keep - (width - limit))
            text = text_with(part[: ends[keep - 1]].rstrip() if keep else "")
            width = self._width(text, option)
        return text


def _turns(target: Target) -> tuple[tuple[Message, ...], Target]:
    """Part a conversation into its earlier turns and the last one; cut down to less, it is one text."""
    earlier = target.example.messages[:-1]
    head = f"{written_turns(earlier)}\nUser: "
    if not earlier or not target.input.startswith(head):
        return (), target
    return earlier, replace(target, input=target.input.removeprefix(head))


def _gold(target: Target) -> int:
    """Find the option a target teaches; an encoder that scores options learns nothing else."""
    choices = target.example.choices
    if target.objective != "answer":
        raise TrainingError(
            f"objective {target.objective!r} of example {target.example.id!r} is an explanation; a student"
            " that scores options learns answers only. Take an encoder-decoder or decoder-only student, or"
            " leave rationales out."
        )
    if target.output in choices:
        return choices.index(target.output)
    if target.example.answer_index is not None:
        return target.example.answer_index
    raise TrainingError(
        f"the answer {target.output!r} of example {target.example.id!r} is none of its choices: "
        f"{some_of(choices)}; a student that scores options needs multiple-choice questions"
    )
