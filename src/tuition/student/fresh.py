"""The shapes of fresh students: small and random. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from tuition.core.errors import ConfigError, TrainingError, near_name

__all__ = ["END", "PAD", "POSITIONS", "SHAPES", "START", "Shape", "learn_tokens", "shape_of"]

PAD, END, START = "<pad>", "</s>", "<s>"
POSITIONS = 2048
"""Most tokens a fresh student reads at once, where its positions are no distances."""
_LONGEST = 1000
_LONG_RUN = re.compile(rf"(\S{{{_LONGEST}}})\S+|(\s{{{_LONGEST}}})\s+")
"""Of a word without end, such as an encoded picture, the beginning is enough: time grows with its square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A family and its size."""

    family: str
    """seq2seq, causal or options."""
    width: int
    layers: int
    """In each stack."""
    heads: int
    vocabulary: int
    """Upper bound; the texts may give fewer tokens."""


SHAPES: dict[str, Shape] = {
    "t5-nano": Shape(family="seq2seq", width=32, layers=1, heads=2, vocabulary=400),
    "t5-mini": Shape(family="seq2seq", width=128, layers=2, heads=4, vocabulary=1024),
    "t5-midi": Shape(family="seq2seq", width=256, layers=4, heads=4, vocabulary=4096),
    "llama-nano": Shape(family="causal", width=32, layers=1, heads=2, vocabulary=400),
    "llama-mini": Shape(family="causal", width=128, layers=3, heads=4, vocabulary=1024),
    "llama-midi": Shape(family="causal", width=256, layers=4, heads=4, vocabulary=4096),
    "bert-nano": Shape(family="options", width=32, layers=1, heads=2, vocabulary=400),
    "bert-mini": Shape(family="options", width=128, layers=3, heads=4, vocabulary=1024),
    "bert-midi": Shape(family="options", width=256, layers=4, heads=4, vocabulary=4096),
}


def shape_of(name: str) -> Shape:
    """Find a shape by its name."""
    if name not in SHAPES:
        raise ConfigError(near_name(name, SHAPES, kind="fresh student"))
    return SHAPES[name]


def learn_tokens(shape: Shape, texts: Iterable[str]) -> Tokenizer:
    """Learn a byte-level tokenizer that reads numbers digit by digit; any text can be fed to it."""
    texts = [_LONG_RUN.sub(r"\1\2", text) for text in texts if text.strip()]
    if not texts:
        raise TrainingError(
            "a fresh student learns its tokenizer from the training texts, but there are none"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocabulary,
        special_tokens=[PAD, END, START],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (START, END)]
    if shape.family == "seq2seq":
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=marks)
    if shape.family == "options":
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{START} $A {END}", pair=f"{START} $A {END} $B:1 {END}:1", special_tokens=marks
        )
    return tokenizer
