"""Small random students with a tokenizer of their own: for tests, for trials, for a start without a download.

Knows shapes and texts; knows no task and no training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import transformers

from tuition.student.look.shapes import END, PAD, POSITIONS, START, Shape, learn_tokens, shape_of

__all__ = ["make_model", "train_tokenizer"]


def train_tokenizer(shape: Shape, texts: Iterable[str]) -> transformers.PreTrainedTokenizerBase:
    """Learn a byte-level tokenizer that reads numbers digit by digit; any text can be fed to it."""
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=learn_tokens(shape, texts),
        pad_token=PAD,
        eos_token=END,
        bos_token=START,
        clean_up_tokenization_spaces=False,
        model_input_names=_input_names(shape),
    )


def make_model(
    name: str, texts: Iterable[str], *, seed: int
) -> tuple[transformers.PreTrainedModel, transformers.PreTrainedTokenizerBase]:
    """Make a small student of a named shape."""
    shape = shape_of(name)
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
        max_position_embeddings=POSITIONS,
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
        max_position_embeddings=POSITIONS,
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
