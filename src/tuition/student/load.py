"""Find a model, or make a small random one; check that it can be a student, and set it up.

Loads safetensors only and never code that comes with a model. Knows no task and no recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import torch
import transformers
from safetensors import SafetensorError
from torch import nn
from transformers.utils import logging

from tuition.core.errors import ConfigError, TrainingError
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.look import (
    END,
    PAD,
    POSITIONS,
    START,
    Shape,
    checked_family,
    describe,
    family_of,
    find_model,
    has_weights,
    learn_tokens,
    shape_of,
)
from tuition.student.student import Student

__all__ = ["load_student", "make_model", "train_tokenizer"]


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


_UNLOADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)
"""What `from_pretrained` raises over broken files."""
_AUTO_CLASSES = {
    "seq2seq": transformers.AutoModelForSeq2SeqLM,
    "causal": transformers.AutoModelForCausalLM,
    "options": transformers.AutoModelForMultipleChoice,
}


def load_student(
    config: StudentConfig,
    training: TrainingConfig,
    *,
    base_folder: Path | None = None,
    texts: Iterable[str] | None = None,
) -> Student:
    """Load the student a configuration names.

    Sets the number of CPU threads and lets denormal numbers become 0: both are settings of the process.
    What is named and cannot be a student (no folder, no tokenizer, no safetensors, not on the hub) is a
    TrainingError.
    """
    _set_process(config.threads)
    if config.model.startswith("fresh:"):
        if texts is None:
            raise ConfigError(
                f"{config.model!r} learns its tokenizer from training texts, but none were given"
            )
        model, tokenizer = make_model(config.model.removeprefix("fresh:"), texts, seed=training.seed)
        family = checked_family(config.family, family_of(model.config.to_dict()), config.model)
        model = model.to(getattr(torch, config.dtype))
    else:
        folder = find_model(config.model, base_folder)
        family = checked_family(config.family, family_of(describe(folder)), config.model)
        source = str(folder) if has_weights(folder) else config.model
        tokenizer = _load_tokenizer(source)
        model = _load_model(source, config, family=family, seed=training.seed)
    _check_tokenizer(model, tokenizer, config.model)
    return Student(
        model.to(_device(config.device)).eval(), tokenizer, family=family, config=config, training=training
    )


def _set_process(threads: int) -> None:
    torch.set_num_threads(threads)
    # Fresh weights give gradients so small that the CPU slows down several times over them.
    torch.set_flush_denormal(True)
    # Load reports and bars would run through our own progress; what matters comes back as an error.
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _first_line(error: Exception) -> str:
    return f"{str(error).strip().partition(chr(10))[0] or type(error).__name__}."


def _load_tokenizer(source: str) -> transformers.PreTrainedTokenizerBase:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except _UNLOADABLE as error:
        raise TrainingError(f"the tokenizer in {source!r} cannot be loaded: {_first_line(error)}") from None
    return cast("transformers.PreTrainedTokenizerBase", tokenizer)


def _load_model(
    source: str, config: StudentConfig, *, family: str, seed: int
) -> transformers.PreTrainedModel:
    try:
        with torch.random.fork_rng(devices=[]):
            # A head that the model does not bring is made here.
            torch.manual_seed(seed)
            return _AUTO_CLASSES[family].from_pretrained(
                source,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=getattr(torch, config.dtype),
            )
    except _UNLOADABLE as error:
        raise TrainingError(f"the model in {source!r} cannot be loaded: {_first_line(error)}") from None


def _check_tokenizer(
    model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerBase, name: str
) -> None:
    room = cast("nn.Embedding", model.get_input_embeddings()).num_embeddings
    if len(tokenizer) > room:
        raise TrainingError(
            f"the tokenizer of {name!r} knows {len(tokenizer)} tokens, its model {room}; "
            "they do not belong together"
        )
    if tokenizer.eos_token_id is None:
        tokenizer.eos_token = tokenizer.sep_token
    if tokenizer.eos_token_id is None:
        raise TrainingError(
            f"the tokenizer of {name!r} has no end mark (eos_token), so a text would never end"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("student.device is 'cuda', but there is no GPU here; take 'cpu' or 'auto'")
    return wanted
