"""Small random students with a tokenizer of their own: for tests, for trials, for a start without a download.

Knows shapes and texts; knows no task and no training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from tuition.core.errors import ConfigError, TrainingError, near_name

__all__ = ["SHAPES", "Shape", "make_model", "train_tokenizer"]


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

_PAD, _END, _START = "<pad>", "</s>", "<s>"
_POSITIONS = 2048


def train_tokenizer(shape: Shape, texts: Iterable[str]) -> transformers.PreTrainedTokenizerBase:
    """Learn a byte-level tokenizer that reads numbers digit by digit; any text can be fed to it.

    Args:
        shape: Bounds the vocabulary and decides the marks around a text.
        texts: What to learn from.

    Returns:
        The tokenizer, with pad and end marks, and for encoders a start mark.

    Raises:
        TrainingError: There is no text.
    """
    texts = [text for text in texts if text.strip()]
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
        special_tokens=[_PAD, _END, _START],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (_START, _END)]
    if shape.family == "seq2seq":
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {_END}", special_tokens=marks)
    if shape.family == "options":
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{_START} $A {_END}",
            pair=f"{_START} $A {_END} $B:1 {_END}:1",
            special_tokens=marks,
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_PAD,
        eos_token=_END,
        bos_token=_START,
        clean_up_tokenization_spaces=False,
        model_input_names=_input_names(shape),
    )


def make_model(
    name: str, texts: Iterable[str], *, seed: int
) -> tuple[transformers.PreTrainedModel, transformers.PreTrainedTokenizerBase]:
    """Make a small student of a named shape.

    Args:
        name: One of `SHAPES`.
        texts: What its tokenizer learns from.
        seed: Of the weights.

    Returns:
        The model and its tokenizer.

    Raises:
        ConfigError: No shape has that name.
    """
    if name not in SHAPES:
        raise ConfigError(near_name(name, SHAPES, kind="fresh student"))
    shape = SHAPES[name]
    tokenizer = train_tokenizer(shape, texts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _MAKERS[shape.family](shape, tokenizer), tokenizer


def _input_names(shape: Shape) -> list[str]:
    types = ["token_type_ids"] if shape.family == "options" else []
    return ["input_ids", *types, "attention_mask"]


def _t5(shape: Shape, tokenizer: transformers.PreTrainedTokenizerBase) -> transformers.PreTrainedModel:
    config = transformers.T5Config(
        vocab_size=len(tokenizer),
        d_model=shape.width,
        d_kv=shape.width // shape.heads,
        d_ff=4 * shape.width,
        num_layers=shape.layers,
        num_heads=shape.heads,
        dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config.decoder_start_token_id = tokenizer.pad_token_id
    return transformers.T5ForConditionalGeneration(config)


def _llama(shape: Shape, tokenizer: transformers.PreTrainedTokenizerBase) -> transformers.PreTrainedModel:
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=4 * shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=_POSITIONS,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return transformers.LlamaForCausalLM(config)


def _bert(shape: Shape, tokenizer: transformers.PreTrainedTokenizerBase) -> transformers.PreTrainedModel:
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=4 * shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=_POSITIONS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    return transformers.BertForMultipleChoice(config)


_MAKERS: dict[str, Callable[[Shape, transformers.PreTrainedTokenizerBase], transformers.PreTrainedModel]] = {
    "seq2seq": _t5,
    "causal": _llama,
    "options": _bert,
}
