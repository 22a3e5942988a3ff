"""Find a model, or make a small random one; check that it can be a student, and set it up.

Loads safetensors only and never code that comes with a model. Knows no task and no recipe.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from tuition.core.errors import ConfigError, TrainingError
from tuition.core.run import threads_here
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.fresh import END, PAD, POSITIONS, START, Shape, learn_tokens, shape_of
from tuition.student.look import base_of, checked_family, describe, family_of, find_model, has_weights
from tuition.student.predict import end_marks
from tuition.student.student import Student
from tuition.student.template import end_of_turn, is_chat, own_template, read_form
from tuition.student.training.optimizer import with_saved

__all__ = ["devices", "load_student", "make_model", "train_tokenizer"]

_UNLOADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)
"""What `from_pretrained` raises over broken files."""
_AUTO_CLASSES = {
    "seq2seq": transformers.AutoModelForSeq2SeqLM,
    "causal": transformers.AutoModelForCausalLM,
    "options": transformers.AutoModelForMultipleChoice,
}


def devices() -> list[str]:
    """List what torch computes on here: what `student.device` takes, and Apple's beside it."""
    found = [f"CPU, {torch.get_num_threads()} threads"]
    for i in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(i)
        found.append(f"CUDA {i}: {card.name}, {card.total_memory / 2**30:.0f} GiB")
    return found + ["MPS, which no student uses yet"] * torch.backends.mps.is_available()


def train_tokenizer(shape: Shape, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """Learn a byte-level tokenizer that reads numbers digit by digit; any text can be fed to it."""
    types = ["token_type_ids"] if shape.family == "options" else []
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=learn_tokens(shape, texts),
        pad_token=PAD,
        eos_token=END,
        bos_token=START,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", *types, "attention_mask"],
    )


def make_model(
    name: str, texts: Iterable[str], *, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Make a small student of a named shape."""
    shape = shape_of(name)
    tokenizer = train_tokenizer(shape, texts)
    marks: dict[str, Any] = {"pad_token_id": tokenizer.pad_token_id}
    if shape.family != "options":
        marks["eos_token_id"] = tokenizer.eos_token_id
    sizes: dict[str, Any] = {
        "hidden_size": shape.width,
        "intermediate_size": 4 * shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "max_position_embeddings": POSITIONS,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if shape.family == "seq2seq":
            config = transformers.T5Config(
                vocab_size=len(tokenizer),
                d_model=shape.width,
                d_kv=shape.width // shape.heads,
                d_ff=4 * shape.width,
                num_layers=shape.layers,
                num_heads=shape.heads,
                dropout_rate=0.0,
                **marks,
            )
            config.decoder_start_token_id = tokenizer.pad_token_id
            return transformers.T5ForConditionalGeneration(config), tokenizer
        if shape.family == "causal":
            config = transformers.LlamaConfig(
                vocab_size=len(tokenizer), tie_word_embeddings=True, bos_token_id=None, **sizes, **marks
            )
            return transformers.LlamaForCausalLM(config), tokenizer
        config = transformers.BertConfig(
            vocab_size=len(tokenizer),
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **sizes,
            **marks,
        )
        return transformers.BertForMultipleChoice(config), tokenizer


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
    torch.set_num_threads(config.threads or threads_here())
    # Fresh weights give gradients so small that the CPU slows down several times over them.
    torch.set_flush_denormal(True)
    # Load reports and bars would run through our own progress; what matters comes back as an error.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    form = base = None
    stored = getattr(torch, config.dtype if config.saved_dtype == "auto" else config.saved_dtype)
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
        whole, name = base_of(folder, config.model)
        source = str(whole) if has_weights(whole) else name
        base = None if name == "base" or family == "options" else name
        form = read_form(folder)
        additions = None if whole == folder else folder
        model, tokenizer = _loaded(source, config, family=family, seed=training.seed, additions=additions)
        if config.saved_dtype == "auto":
            stored = _narrower(stored, whole)
    if config.update == "prompt" and (base is None or config.saved == "merged"):
        raise ConfigError(
            f"student.update = 'prompt' leaves {config.model!r} as it is, and what is learnt lies beside it: "
            "it must be a model in a folder or on the hub, student.saved 'adapter', and trained once; else "
            "take 'lora'"
        )
    _check_tokenizer(model, tokenizer, config.model)
    own = own_template(tokenizer.chat_template, form)
    chats = is_chat(config, family=family, own=own, form=form)
    if own is not None and chats:
        _end_turns(model, tokenizer, own)
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("student.device is 'cuda', but there is no GPU here; take 'cpu' or 'auto'")
    return Student(
        model.to(device).eval(),
        tokenizer,
        family=family,
        config=config,
        training=training,
        own_template=own,
        is_chat=chats,
        stored=stored,
        base=base,
    )


def _end_turns(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, template: str) -> None:
    """Let an answer end as its chat template ends it, here and in what is saved."""
    mark = end_of_turn(tokenizer, template)
    if mark is not None and mark != tokenizer.eos_token:
        tokenizer.eos_token = mark
    if model.generation_config is not None:
        marks = end_marks(model, tokenizer.eos_token_id)
        model.generation_config.eos_token_id = marks if len(marks) > 1 else marks[0]


def _narrower(dtype: torch.dtype, folder: Path) -> torch.dtype:
    """The precision a student is saved in: its file's, where this is narrower than the one in memory."""
    path = next(iter(sorted(folder.glob("*.safetensors"))), None)
    if path is None:
        return dtype
    with safe_open(path, framework="pt") as weights:
        kinds = {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    return torch.bfloat16 if kinds == {"BF16"} else dtype


def _loaded(
    source: str, config: StudentConfig, *, family: str, seed: int, additions: Path | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    part = "tokenizer"
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(additions or source, trust_remote_code=False)
        part = "model"
        with torch.random.fork_rng(devices=[]):
            # A head that the model does not bring is made here.
            torch.manual_seed(seed)
            model = _AUTO_CLASSES[family].from_pretrained(
                source, trust_remote_code=False, use_safetensors=True, dtype=getattr(torch, config.dtype)
            )
        if additions is not None:
            part = "additions"
            model = with_saved(model, additions)
    except _UNLOADABLE as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise TrainingError(f"the {part} in {source!r} cannot be loaded: {reason}.") from None
    return model, cast("PreTrainedTokenizerBase", tokenizer)


def _check_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
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
