"""Find the files of a model that a teacher runs itself, and name them by their content. Loads nothing."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tuition.core.errors import MissingExtra, TeacherError, nearest, some_of

__all__ = ["Weights", "find_weights"]

_WRITES_TEXT = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""How the architectures that write text are called."""
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
_MIB = 1 << 20
_READ_OF_EACH_MIB = 1 << 12
_READ_WHOLE = 64 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where a model lies and which one it is."""

    source: str
    """What `from_pretrained` is given: a folder, or a name on the hub."""
    name: str
    """What it is called wherever it lies."""
    revision: str
    """A commit of the hub, or a hash of the folder's files."""
    is_folder: bool


def find_weights(model: str, *, teacher: str) -> Weights:
    """Find a model and make sure that it can write text, without loading it.

    It is a folder that `from_pretrained` reads, or a name on the hub, with or without `@revision`. One that
    cannot be found, lacks files or writes no text is a TeacherError in which `teacher` is named.
    """
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "train")
    folder = Path(model).expanduser()
    is_path = folder.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1
    if folder.exists() or is_path:
        _check_folder(folder, teacher=teacher)
        _check_kind(folder / "config.json", model=model, teacher=teacher)
        files = [file for file in sorted(folder.iterdir()) if file.is_file()]
        read = [file for file in files if file.suffix in (".json", ".model", ".safetensors")]
        read += [file for file in files if file.suffix in (".txt", ".jinja")]
        stats = [(file, file.stat()) for file in read]
        digest = _digest_of(tuple((file, stat.st_size, stat.st_mtime_ns) for file, stat in stats))
        return Weights(source=str(folder), name=folder.resolve().name, revision=digest, is_folder=True)
    name, _, wanted = model.partition("@")
    config, revision = _hub_config(name, wanted or None, teacher=teacher)
    _check_kind(config, model=name, teacher=teacher)
    return Weights(source=name, name=name, revision=revision, is_folder=False)


def _check_folder(folder: Path, *, teacher: str) -> None:
    if not folder.is_dir():
        beside = [item.name for item in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise TeacherError(
            f"teacher {teacher!r} names the model {str(folder)!r}, and there is no such folder"
            f"{nearest(folder.name, beside) or ';'} expected a folder that from_pretrained reads, or a name "
            "on the hub such as 'organisation/model'."
        )
    wanted = [
        ("config.json", (folder / "config.json").is_file()),
        (f"a tokenizer ({_TOKENIZERS[0]})", any((folder / name).is_file() for name in _TOKENIZERS)),
        ("weights as safetensors, the only form that is read", any(folder.glob("*.safetensors"))),
    ]
    missing = [what for what, is_there in wanted if not is_there]
    if missing:
        raise TeacherError(
            f"the model folder {str(folder)!r} of teacher {teacher!r} lacks {' and '.join(missing)}; "
            "write it with save_pretrained of the model and of its tokenizer."
        )


def _check_kind(config: Path, *, model: str, teacher: str) -> None:
    try:
        found = json.loads(config.read_text(encoding="utf-8"))
        architectures = [str(name) for name in found.get("architectures") or []]
    except (ValueError, AttributeError, TypeError) as error:
        raise TeacherError(f"{str(config)!r} of teacher {teacher!r} is damaged: {error}.") from None
    if architectures and not any(name.endswith(_WRITES_TEXT) for name in architectures):
        raise TeacherError(
            f"teacher {teacher!r} names {model!r}, a model of the kind {some_of(architectures)}, which "
            "writes no text; expected a decoder-only or encoder-decoder language model."
        )


@functools.lru_cache(maxsize=64)
def _digest_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Hash files: small ones whole, of large ones each MiB's beginning, which no training leaves alone."""
    whole = hashlib.sha256()
    for file, size, _ in files:
        whole.update(f"{file.name} {size}\n".encode())
        step = _MIB if size <= _READ_WHOLE else _READ_OF_EACH_MIB
        with file.open("rb") as opened:
            for start in range(0, size, _MIB):
                opened.seek(start)
                whole.update(opened.read(step))
    return whole.hexdigest()[:16]


def _hub_config(name: str, wanted: str | None, *, teacher: str) -> tuple[Path, str]:
    """Give a model's config.json and its commit, from the cache where it is there."""
    # Comes with transformers; takes a moment to import, and a folder needs none of it.
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=wanted)
    try:
        if not isinstance(cached, str):
            revision = huggingface_hub.model_info(name, revision=wanted, timeout=10).sha
            cached = huggingface_hub.hf_hub_download(name, "config.json", revision=revision)
    except (OSError, ValueError, httpx2.HTTPError) as error:
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        raise TeacherError(
            f"teacher {teacher!r} names the model {name!r}, which is no folder here and could not be had "
            f"from the hub: {first} Name a folder, or check the name, the revision and the network."
        ) from None
    # A cached file lies in .../snapshots/COMMIT/config.json.
    return Path(cached), Path(cached).parent.name
