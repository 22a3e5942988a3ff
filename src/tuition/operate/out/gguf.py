"""GGUF for llama.cpp and Ollama, by the script of the user's llama.cpp and a Modelfile with the template."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tuition.core.errors import ConfigError, TrainingError
from tuition.operate.out.about import About
from tuition.operate.out.card import write_card
from tuition.operate.student import Student

__all__ = ["OUTTYPES", "frame", "modelfile", "write_gguf"]

OUTTYPES = ("f16", "bf16", "q8_0", "f32")
"""Precisions that llama.cpp's script writes."""
_SCRIPT = "convert_hf_to_gguf.py"
_MARK = "tuition-question"


def write_gguf(found: About, out: Path, *, outtype: str) -> None:
    """Write the weights as GGUF, and the Modelfile by which Ollama asks as the student was taught."""
    if found.form["family"] != "causal":
        raise ConfigError(
            f"{str(found.place)!r} is of family {found.form['family']!r}; llama.cpp's servers and Ollama run "
            "decoder-only students. Take --form hf, or ct2 for an encoder-decoder."
        )
    folder = os.environ.get("LLAMA_CPP", "")
    script = Path(folder).expanduser() / _SCRIPT
    if not folder or not script.is_file():
        state = f"is {folder!r}, which holds no {_SCRIPT}" if folder else "is not set"
        raise ConfigError(
            f"--form gguf takes llama.cpp's own script, and the environment variable LLAMA_CPP {state}. Set "
            f"it to the folder of your checkout of github.com/ggml-org/llama.cpp, where {_SCRIPT} lies."
        )
    from tuition.student.predict import end_marks

    learner: Any = Student.load(found.place, device="cpu").learner
    ids = end_marks(learner.model, learner.tokenizer.eos_token_id)
    marks = [str(learner.tokenizer.convert_ids_to_tokens(id)) for id in ids]
    name = f"{found.name}-{outtype}.gguf"
    text = modelfile(name, *frame(learner.tokenizer), marks=marks, max_tokens=found.max_tokens)
    with tempfile.TemporaryDirectory() as scratch:
        copy = _unmarked(found.place, Path(scratch))
        command = [sys.executable, str(script), str(copy), "--outfile", str(out / name), "--outtype", outtype]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0 or not (out / name).is_file():
        said = [line for line in done.stderr.splitlines() if line.strip()][-3:]
        raise TrainingError(
            f"{str(script)!r} could not convert {str(found.place)!r} (exit {done.returncode}): "
            f"{' | '.join(said) or 'it said nothing'}. Install what llama.cpp's requirements name; the "
            "tokenizers of `fresh:` and `base` students it does not know."
        )
    (out / "Modelfile").write_text(text, encoding="utf-8")
    note = "The run's figures are those of the student before it was converted; this file was not examined."
    write_card(found, out, form="gguf", file=name, note=note)


def _unmarked(place: Path, scratch: Path) -> Path:
    """Link a student's files, with a tokenizer that adds no marks by itself: the template writes them all."""
    for path in place.iterdir():
        if path.is_file() and path.name != "tokenizer_config.json":
            (scratch / path.name).symlink_to(path.resolve())
    settings = json.loads((place / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings |= {"add_bos_token": False, "add_eos_token": False}
    (scratch / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return scratch


def frame(tokenizer: Any) -> tuple[str, str]:
    """Find what the template of a saved student writes before a question and behind it."""
    asked = [{"role": "user", "content": _MARK}]
    text = str(tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False))
    front, _, back = text.partition(_MARK)
    if text.count(_MARK) != 1 or '"""' in text or back.endswith('"'):
        raise TrainingError(
            "the student's chat template writes a question not once, or with quotes that a Modelfile cannot "
            "hold; serve it with llama-server, which reads the template in the GGUF file itself."
        )
    return front, back


def modelfile(name: str, front: str, back: str, *, marks: list[str], max_tokens: int) -> str:
    """Write Ollama's recipe: the file, the template around one question, the end marks, greedy."""
    before, behind = (part.replace("{{", '{{ "{{" }}') for part in (front, back))
    stops = [f"PARAMETER stop {json.dumps(mark, ensure_ascii=False)}" for mark in marks]
    lines = [f"FROM ./{name}", f'TEMPLATE """{before}{{{{ .Prompt }}}}{behind}"""', *stops]
    return "\n".join([*lines, "PARAMETER temperature 0", f"PARAMETER num_predict {max_tokens}", ""])
