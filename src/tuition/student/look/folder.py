"""Find a model and see whether it can be a student: its files, its type, its weights' headers.

Loads no weights, and torch only where a configuration does not say what kind of model it is.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tuition.core.errors import ConfigError, MissingExtra, TrainingError

__all__ = ["TOKENIZER", "describe", "family_of", "find_model", "has_weights", "most_positions"]

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
    if not (folder / "config.json").is_file():
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


def describe(folder: Path) -> dict[str, Any]:
    """Read the configuration of a model."""
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
