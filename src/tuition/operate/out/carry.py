"""Write a student in a form that others load: for the hub, llama.cpp, CTranslate2, an evaluation harness."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuition.core.errors import ConfigError, MissingExtra, near_name
from tuition.core.records import Record
from tuition.operate.out.about import About, about, objections
from tuition.operate.out.card import write_card
from tuition.operate.out.ct2 import write_ct2
from tuition.operate.out.gguf import OUTTYPES, write_gguf
from tuition.operate.out.harness import write_task
from tuition.student.template import FORM

__all__ = ["STUDENT_FORMS", "Carried", "carry_out", "write_hf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried(Record):
    """A student in another form."""

    folder: str
    files: tuple[str, ...]
    is_new: bool
    """False: it was there already, and was left as it is."""
    licence: str
    """Empty: not known."""
    objections: tuple[str, ...]
    """Why it must not be published."""


def write_hf(found: About, out: Path, *, outtype: str) -> None:
    """Write the folder as the hub wants it: weights, tokenizer with the taught template, form, card."""
    for path in found.place.iterdir():
        if path.is_file() and path.name != "README.md":
            shutil.copy2(path, out / path.name)
    if found.base_licence_file is not None:
        shutil.copy2(found.base_licence_file, out / found.base_licence_file.name)
    figures = {split: found.metrics[split] for split in ("valid", "test") if found.metrics.get(split)}
    write_card(found, out, form="hf", figures=figures)


STUDENT_FORMS: dict[str, Callable[..., None]] = {
    "hf": write_hf,
    "gguf": write_gguf,
    "ct2": write_ct2,
    "lm-eval": write_task,
}
"""Forms of a student by name; each writes into an empty folder."""


def carry_out(
    given: Path,
    out: Path | None,
    *,
    form: str,
    licence: str = "",
    base_model: str = "",
    outtype: str = "f16",
    is_kept: bool = False,
) -> Carried:
    """Write a student in another form, into a folder that is there only when it is whole.

    `given` is its folder or its run's; `out`, `licence` and `base_model` left empty are the student's own.
    """
    if form not in STUDENT_FORMS:
        raise ConfigError(near_name(form, STUDENT_FORMS, kind="form"))
    if outtype not in OUTTYPES:
        raise ConfigError(near_name(outtype, OUTTYPES, kind="outtype"))
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtra("huggingface_hub", "train")
    found = about(given, licence=licence, base_model=base_model)
    out = Path(f"{found.name}-{form}") if out is None else out
    is_new, own = not out.exists(), (found.place / FORM).read_bytes()
    is_own = (out / "README.md").is_file() and (out / FORM).is_file() and (out / FORM).read_bytes() == own
    if not is_new and not (is_kept and is_own):
        raise ConfigError(f"{str(out)!r} exists; name another folder with --out.")
    if is_new:
        draft = out.with_name(f".{out.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        try:
            STUDENT_FORMS[form](found, draft, outtype=outtype)
            (draft / FORM).write_bytes(own)
            draft.rename(out)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    why_not = ["it holds the questions of the examination"] if form == "lm-eval" else []
    return Carried(
        folder=str(out),
        files=tuple(sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())),
        is_new=is_new,
        licence=found.licence,
        objections=(*why_not, *objections(found)),
    )
