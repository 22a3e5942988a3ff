"""See whether a model can be a student and how much of a question it reads.

Loads no weights, and torch only where a configuration does not say what kind of model it is.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tuition.core.errors import ConfigError, MissingExtra, TrainingError
from tuition.core.records import Message
from tuition.student.config import StudentConfig
from tuition.student.fresh import POSITIONS, learn_tokens, shape_of
from tuition.student.template import writer_in

__all__ = [
    "ADDITIONS",
    "TOKENIZER",
    "LookedAt",
    "base_of",
    "check_alike",
    "checked_family",
    "describe",
    "family_of",
    "find_model",
    "has_weights",
    "look_at",
    "most_positions",
    "room_for_input",
]

ADDITIONS = "adapter_config.json"
"""The file that says a folder holds low-rank additions alone, and to which model."""
TOKENIZER = "tokenizer.json"
"""The file that says all of a tokenizer; without it there are others to put together."""
_TOKENIZER_FILES = (
    *(TOKENIZER, "tokenizer_config.json", "tokenizer.model", "spiece.model"),
    *("sentencepiece.bpe.model", "vocab.json", "vocab.txt"),
)
_SMALL_FILES = (
    *("config.json", *_TOKENIZER_FILES),
    *("merges.txt", "special_tokens_map.json", "added_tokens.json"),
)
_INDEX = "model.safetensors.index.json"
_RELATIVE = frozenset({"t5", "mt5", "umt5", "longt5", "switch_transformers"})
"""Types whose positions are distances: they state 512 and read any length."""


def find_model(name: str, base_folder: Path | None) -> Path:
    """Find the folder of a model, and refuse one that lacks a part or holds a broken one.

    A name of the hub is looked up in the cache. What is not there whole is asked of the hub, and all but the
    weights fetched.
    """
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "train")
    if name == "base":
        if base_folder is None:
            raise ConfigError("the model is 'base', the embedded student, but its folder was not given")
        return _checked(base_folder)
    folder = Path(name).expanduser()
    is_path = folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1
    return _checked(folder) if folder.exists() or is_path else _of_hub(name)


def _of_hub(name: str) -> Path:
    import huggingface_hub
    from httpx2 import HTTPError

    try:
        cached = huggingface_hub.try_to_load_from_cache(name, "config.json")
        if isinstance(cached, str) and has_weights(Path(cached).parent):
            return _checked(Path(cached).parent)
        # asked once: loading would try an absent network for most of a minute
        found = huggingface_hub.model_info(name, timeout=10)
        if not any(file.rfilename.endswith(".safetensors") for file in found.siblings or ()):
            raise TrainingError(
                f"{name!r} on the hub has no weights as safetensors, the only form that is read; take "
                "another model"
            )
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(_SMALL_FILES)))
    except (OSError, ValueError, HTTPError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise TrainingError(
            f"{name!r} is no folder here and could not be had from the hub: {reason}. "
            "Name a folder, or check the name and the network."
        ) from None


def has_weights(folder: Path) -> bool:
    """Say whether a folder has the weights too, which those of the hub get when they are loaded."""
    return any(folder.glob("*.safetensors"))


def _checked(folder: Path) -> Path:
    """Refuse a folder that lacks a part of a model, or holds a broken one."""
    from safetensors import SafetensorError, safe_open

    if not folder.is_dir():
        raise TrainingError(
            f"there is no model folder {str(folder)!r}; student.model is a folder that from_pretrained "
            "reads, a hub name, 'base' or 'fresh:NAME'"
        )
    if not any((folder / name).is_file() for name in ("config.json", ADDITIONS)):
        raise TrainingError(f"{str(folder)!r} holds no config.json, so it is no model folder")
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise TrainingError(
            f"the model folder {str(folder)!r} holds no tokenizer (such as tokenizer.json); save it there "
            "with tokenizer.save_pretrained"
        )
    if not has_weights(folder):
        raise TrainingError(
            f"the model folder {str(folder)!r} holds no weights as safetensors, the only form that is read; "
            "save the model there with save_pretrained"
        )
    path, index = folder / TOKENIZER, folder / _INDEX
    model = _json_of(path).get("model") if path.is_file() else {"vocab": ()}
    if not isinstance(model, Mapping) or "vocab" not in model:
        raise TrainingError(
            f"the tokenizer in {str(folder)!r} cannot be loaded: {TOKENIZER} holds no vocabulary; save "
            "it there again with tokenizer.save_pretrained"
        )
    named = _json_of(index).get("weight_map", {}) if index.is_file() else {}
    missing = sorted({name for name in named.values() if not (folder / name).is_file()})
    if missing:
        raise TrainingError(
            f"the model in {str(folder)!r} cannot be loaded: it lacks {', '.join(missing)}, which {_INDEX} "
            "names; fetch or save it again"
        )
    for path in sorted(folder.glob("*.safetensors")):
        try:
            # reads the header alone, and compares it with the length of the file
            with safe_open(path, framework="np"):
                pass
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"the model in {str(folder)!r} cannot be loaded: {path.name} is broken ({error}); fetch or "
                "save it again"
            ) from None
    return folder


def _json_of(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(f"{str(path)!r} is broken: {reason}; fetch or save the model again") from None
    if not isinstance(found, dict):
        raise TrainingError(f"{str(path)!r} is broken: it holds no object; fetch or save the model again")
    return found


def base_of(folder: Path, name: str) -> tuple[Path, str]:
    """Find where the whole weights of a model are, and under which name: of low-rank additions, another's."""
    if not (folder / ADDITIONS).is_file():
        return folder, str(folder.resolve()) if Path(name).expanduser().exists() else name
    base = str(_json_of(folder / ADDITIONS).get("base_model_name_or_path"))
    try:
        return find_model(base, None), base
    except TrainingError as error:
        raise TrainingError(
            f"{str(folder)!r} holds low-rank additions alone, and their model cannot be had: {error}"
        ) from None


def describe(folder: Path) -> dict[str, Any]:
    """Read the configuration of a model."""
    folder, _ = base_of(folder, "")
    described = _json_of(folder / "config.json")
    kind = described.get("model_type")
    found = importlib.util.find_spec("transformers")
    home = Path(found.origin).parent / "models" if found and found.origin else Path()
    # nearly every type has a folder of its name; the list of all of them takes a second to import
    if isinstance(kind, str) and (home / kind.replace("-", "_")).is_dir():
        return described
    from transformers.models.auto.auto_mappings import CONFIG_MAPPING_NAMES

    if isinstance(kind, str) and kind in CONFIG_MAPPING_NAMES:
        return described
    raise TrainingError(
        f"the model in {str(folder)!r} cannot be loaded: it is of type {kind!r}, which transformers "
        f"{version('transformers')} does not know, and no code that comes with a model is run. Take "
        "another model, or a newer transformers."
    )


def family_of(described: Mapping[str, Any]) -> str:
    """Read from a model's configuration which family it belongs to."""
    if described.get("is_encoder_decoder"):
        return "seq2seq"
    architectures = described.get("architectures") or []
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
        return "causal"
    if any(name.endswith("ForMultipleChoice") for name in architectures):
        return "options"
    # the one place that needs torch: what a type could be, where the configuration does not say what it is
    from transformers.models.auto import modeling_auto

    kind = described.get("model_type")
    if kind in modeling_auto.MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES:
        return "options"
    if kind in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "causal"
    raise TrainingError(
        f"a model of type {kind!r} is no encoder-decoder, no decoder-only model and no encoder that scores "
        "options; take another model"
    )


def most_positions(described: Mapping[str, Any]) -> int | None:
    """Say how many tokens a model can read at once. None: any number, or it does not say."""
    if described.get("model_type") in _RELATIVE:
        return None
    return described.get("max_position_embeddings") or described.get("n_positions")


_MARKS = 4
"""Tokens that a tokenizer puts around a text, at most."""
_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """A student that can be had, and was not loaded."""

    family: str
    """seq2seq, causal or options."""
    cut_at: int
    """Tokens; longer inputs lose their end."""
    reads: int | None
    """Tokens of the longest question that it can read whole; None: any number."""
    tokenizer: Callable[[], Tokenizer]
    """Loads or learns it."""
    write: Callable[..., str] | None = None
    """Writes a text in the student's chat template, behind earlier turns, with the marks of its tokenizer.
    None: the plain form."""

    def longer(
        self, texts: Sequence[str], limit: int, *, earlier: Sequence[Sequence[Message]] = ()
    ) -> list[int]:
        """Find the texts of more than so many tokens, each with the turns before it."""
        if self.write is not None:
            told = zip_longest(texts, earlier, fillvalue=())
            texts = [self.write(str(text).rstrip("\n"), earlier=turns) for text, turns in told]
        # a letter is at most one token, but for those that normalising spreads: none of ASCII
        unsure = [i for i, text in enumerate(texts) if len(text) + _MARKS > limit or not text.isascii()]
        if not unsure:
            return []
        tokenizer = self.tokenizer()
        found: list[int] = []
        for start in range(0, len(unsure), _AT_ONCE):
            part = unsure[start : start + _AT_ONCE]
            encoded = tokenizer.encode_batch_fast(
                [texts[i] for i in part], add_special_tokens=self.write is None
            )
            found += [i for i, one in zip(part, encoded, strict=True) if len(one) > limit]
        return found


def check_alike(student: tuple[str, Mapping[str, int]], mentor: tuple[str, Mapping[str, int]]) -> None:
    """Refuse a mentor of another family or vocabulary, each given as a pair of both."""
    if student != mentor:
        (family, tokens), (other, others) = student, mentor
        raise TrainingError(
            "mentor and student cut text differently, so that one's probabilities say nothing of the other's "
            f"tokens ({other} with {len(others)} tokens, {family} with {len(tokens)}); take a mentor of the "
            "same family and tokenizer, or learn its texts alone"
        )


def look_at(
    config: StudentConfig, *, base_folder: Path | None, texts: Callable[[], Iterable[str]]
) -> LookedAt:
    """Look at the student a configuration names, not loaded; what cannot be one is a TrainingError."""
    write = None
    if config.model.startswith("fresh:"):
        shape = shape_of(config.model.removeprefix("fresh:"))
        family, positions = shape.family, None if shape.family == "seq2seq" else POSITIONS

        def tokenizer() -> Tokenizer:
            return learn_tokens(shape, texts())
    else:
        folder = find_model(config.model, base_folder)
        described = describe(folder)
        family, positions = family_of(described), most_positions(described)

        def tokenizer() -> Tokenizer:
            return _tokenizer_in(folder)

    family = checked_family(config.family, family, config.model)
    if not config.model.startswith("fresh:"):
        write = writer_in(folder, config, family=family)
    elif config.template == "chat":
        raise ConfigError(
            f"student.template = 'chat', and {config.model!r} brings no chat template; set it to 'auto' or "
            "'plain'."
        )
    reads = room_for_input(config, family=family, positions=positions)
    cut_at = config.max_input_tokens if reads is None else min(config.max_input_tokens, reads)
    return LookedAt(family=family, cut_at=cut_at, reads=reads, tokenizer=cache(tokenizer), write=write)


def room_for_input(config: StudentConfig, *, family: str, positions: int | None) -> int | None:
    """Say how many tokens of input a model can read beside its output. None: any number."""
    return None if positions is None else max(1, positions - config.max_output_tokens * (family == "causal"))


def checked_family(wanted: str, found: str, name: str) -> str:
    """Take the configured family where it can be; an encoder-decoder cannot be read as anything else."""
    if wanted in ("auto", found):
        return found
    if "seq2seq" in (wanted, found):
        raise ConfigError(f"student.family is {wanted!r}, but {name!r} is a model of family {found!r}")
    return wanted


def _tokenizer_in(folder: Path) -> Tokenizer:
    if (folder / TOKENIZER).is_file():
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    else:
        # an older form, which transformers (and torch with it) puts together
        from transformers import AutoTokenizer, TokenizersBackend

        try:
            loaded = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            raise TrainingError(f"the tokenizer in {str(folder)!r} cannot be loaded: {error}") from None
        if not isinstance(loaded, TokenizersBackend):
            raise TrainingError(f"the tokenizer in {str(folder)!r} is of an old form; save it as {TOKENIZER}")
        tokenizer = loaded.backend_tokenizer
    # what a file says of its last use is not heeded
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
