"""What is known of a student that goes out: what it began from, whose texts taught it, what it came to."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuition.core.config import read_toml
from tuition.core.errors import DataError, TrainingError
from tuition.core.records import Example, Grade
from tuition.core.rows import read_metrics
from tuition.core.splits import fingerprint
from tuition.exchange.training_rows import Terms, read_terms
from tuition.experiment.checks import load_splits
from tuition.operate.compare import graded_rows
from tuition.operate.execute import reread
from tuition.operate.student import student_folder
from tuition.playground import BASE_FOLDER
from tuition.recipes import RECIPES
from tuition.student.template import FORM, read_form

__all__ = ["About", "Exam", "about", "exam_of", "objections"]

_LICENCES = {
    "apache-2.0": re.compile(r"Apache License\s+Version 2\.0"),
    "mit": re.compile(r"Permission is hereby granted, free of charge"),
}
"""Licences that are known by their text."""
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A student that goes out."""

    place: Path
    run: Path | None
    """The run folder that it lies in; None: nothing is known but what its own folder says."""
    name: str
    form: Mapping[str, Any]
    """How it is asked: its `tuition.json`."""
    metrics: Mapping[str, Any]
    """The figures of the run; empty without it."""
    sources: tuple[str, ...]
    """Data sets of the hub that its questions came from."""
    teachers: tuple[Terms, ...]
    """Whose texts taught it."""
    base: str
    """The model it began from, as its configuration names it; empty: not known."""
    base_model: str
    """That model's name on the hub; empty: it has none that is known."""
    licence: str
    """As the hub spells it, where it knows it; empty: not known."""
    base_licence_file: Path | None
    """The text of the base model's licence, where its folder has it."""

    @property
    def max_tokens(self) -> int:
        """Tokens of an answer, at most."""
        return int(self.form.get("max_tokens") or self.form["max_output_tokens"])


def about(given: Path, *, licence: str = "", base_model: str = "") -> About:
    """Find what is known of the student in a folder, or of the one that a run trained."""
    place = student_folder(given)
    try:
        form = read_form(place)
    except TrainingError as error:
        raise DataError(str(error)) from None
    if form is None:
        raise DataError(
            f"{str(place)!r} has no {FORM}, which says how the student is asked: tuition 0.1.0 saved it. Run "
            "its configuration again, with another `out`."
        )
    resolved = place.resolve()
    inside = resolved.name == "student"
    run = place.parent if inside and (place.parent / "config.toml").exists() else None
    tables: Any = read_toml(run / "config.toml") if run else {}
    base = str(tables.get("student", {}).get("model", "base")) if run else ""
    folder = _base_folder(base)
    texts = sorted(folder.glob("LICENSE*")) if folder else []
    named = [str(tables.get("task", {}).get(split, "")) for split in ("train", "valid", "test")]
    if not base_model and _HUB_NAME.fullmatch(base) and not Path(base).exists():
        base_model = base
    return About(
        place=place,
        run=run,
        name=(resolved.parent if inside else resolved).name,
        form=form,
        metrics=read_metrics(run) if run else {},
        sources=tuple(dict.fromkeys(one.split(":")[1] for one in named if one.startswith("hub:"))),
        teachers=tuple(_teachers(run, tables)) if run else (),
        base=base,
        base_model=base_model,
        licence=licence or ("apache-2.0" if base == "base" else _licence_in(folder)),
        base_licence_file=texts[0] if texts else None,
    )


def _teachers(run: Path, tables: Mapping[str, Any]) -> Iterable[Terms]:
    terms = read_terms(run)
    asked = tables.get("teacher", []) if RECIPES[tables["recipe"]].asks else []
    named = [*tables.get("labels", {}).get("panel", []), *asked]
    return [terms[name] for name in dict.fromkeys(table["name"] for table in named)]


def _base_folder(base: str) -> Path | None:
    """The folder of a model as it lies on this disk; the hub is not asked."""
    from huggingface_hub import try_to_load_from_cache

    if base == "base":
        return BASE_FOLDER
    folder = Path(base).expanduser()
    if not base or base.startswith("fresh:") or folder.is_dir():
        return folder if base and folder.is_dir() else None
    found = try_to_load_from_cache(base, "config.json") if _HUB_NAME.fullmatch(base) else None
    return Path(found).parent if isinstance(found, str) else None


def _licence_in(folder: Path | None) -> str:
    """Read the licence of a model from its card, its configuration, or the text of the licence itself."""
    from huggingface_hub import ModelCard

    if folder is None:
        return ""
    card, settings = folder / "README.md", folder / "config.json"
    if card.is_file():
        data = ModelCard.load(card, ignore_metadata_errors=True).data
        stated = data.get("license_name") if data.get("license") == "other" else data.get("license")
        if isinstance(stated, str) and stated != "unknown":
            return stated
    stated = json.loads(settings.read_text(encoding="utf-8")).get("license") if settings.is_file() else None
    if isinstance(stated, str) and stated:
        return stated
    for path in sorted(folder.glob("LICENSE*")):
        text = path.read_text(encoding="utf-8", errors="replace")
        known = [name for name, words in _LICENCES.items() if words.search(text)]
        if known:
            return known[0]
    return ""


def objections(found: About) -> list[str]:
    """Say why a student must not be published."""
    why = []
    if not found.licence:
        why.append("its licence is not known: name it with --license")
    if found.run is None:
        why.append("whose texts taught it is not known: name its run folder")
    for teacher in found.teachers:
        if not teacher.train_on_outputs:
            why.append(f"teacher {teacher.teacher!r} has train_on_outputs = false: its terms forbid training")
        elif teacher.kind != "playground" and not teacher.licence:
            why.append(
                f"the licence of teacher {teacher.teacher!r} is not known: write `licence` into its table in "
                "the run's config.toml"
            )
    return why


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """The questions that the figures of a run stand on, and what its student got for them."""

    split: str
    examples: tuple[Example, ...]
    """Labelled as they were graded."""
    grades: Mapping[str, Grade]
    """Of the student, by example id."""
    unread: frozenset[str]
    """Questions too long for the student, which was not asked them."""


def exam_of(run: Path) -> Exam:
    """Find the questions of the split that was examined last: test, and validation where there is none.

    The run opened its test split and ended. Nothing is chosen by it here.
    """
    split, rows = graded_rows(run)
    splits, _ = load_splits(reread(run))
    sealed = splits.test.open(str(run)) if split == "test" and splits.test is not None else ()
    known = {example.id: example for example in (sealed if split == "test" else splits.valid)}
    examples = []
    for row in rows:
        example = known.get(row["example_id"])
        if example is None or fingerprint(example)[:16] != row["fingerprint"]:
            raise DataError(
                f"the {split} question {row['example_id']!r} of {str(run)!r} is another one now, or gone; "
                "bring back the files that its config.toml names"
            )
        label = {"answer": row["label"], "label_source": row["label_source"]}
        examples.append(dataclasses.replace(example, **label))
    if not examples:
        raise DataError(f"the run in {str(run)!r} examined its student on no question")
    return Exam(
        split=split,
        examples=tuple(examples),
        grades={row["example_id"]: Grade(row["grade"]) for row in rows},
        unread=frozenset(row["example_id"] for row in rows if not row.get("output_tokens")),
    )
