"""Hand what the teachers of a finished run wrote over to other tools, worded as a student would learn it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tuition.core.config import read_toml
from tuition.core.errors import TuitionError
from tuition.core.records import Annotation, Example, canonical_json
from tuition.core.rows import read_rows
from tuition.exchange import Exported, export_run
from tuition.exchange.training_rows import read_terms
from tuition.experiment.bench import choose_train
from tuition.experiment.checks import load_splits
from tuition.experiment.config import Experiment
from tuition.experiment.form import asked_text
from tuition.experiment.labels.labels import LABELS_FILE
from tuition.experiment.labels.tally import Tally
from tuition.experiment.targets import AnswerForm, answer_text, chain_targets
from tuition.operate.execute import reread
from tuition.recipes import RECIPES

__all__ = ["export", "find_questions", "taught_examples", "word"]


def export(folder: Path, out: Path, *, form: str, uses_all: bool = False, licence: str = "") -> Exported:
    """Write what the teachers of a finished run wrote."""
    read_terms(folder)
    config = reread(folder)
    examples = {example.id: example for example in taught_examples(config, folder)}
    wording = partial(word, form=config.student.answer_form)
    return export_run(folder, out, examples, form=form, wording=wording, uses_all=uses_all, licence=licence)


def taught_examples(config: Experiment, folder: Path) -> list[Example]:
    """Read the training examples of a run, labelled as its student saw them."""
    splits, _ = load_splits(config)
    data = folder / "data.json"
    aside = json.loads(data.read_text(encoding="utf-8")).get("set_aside", ()) if data.exists() else ()
    kept = tuple(example for example in splits.train if example.id not in set(aside))
    train = choose_train(config, dataclasses.replace(splits, train=kept))
    path = folder / LABELS_FILE
    rows = [Tally.from_json(row) for row in read_rows(path)] if path.exists() else []
    labels = {row.example_id: row for row in rows if row.split == "train"}
    known: list[Example] = []
    for example in train:
        tally = labels.get(example.id)
        if tally is not None and tally.label is not None:
            example = dataclasses.replace(example, answer=tally.label, label_source=tally.source)
        known.append(example)
    return RECIPES[config.recipe].shown(config, known)


def find_questions(
    runs: Mapping[str, Path], *, trust: bool = False
) -> tuple[dict[str, dict[str, Example]], tuple[str, ...]]:
    """Load the data of finished runs again: examples by run and id, and why some could not be found."""
    loaded: dict[str, dict[str, Example]] = {}
    keys, missing = {}, []
    for name, path in runs.items():
        keys[name] = canonical_json(read_toml(path / "config.toml").get("task", {}))
        if keys[name] in loaded:
            continue
        loaded[keys[name]] = {}
        try:
            splits, _ = load_splits(reread(path, trust=trust))
        except (TuitionError, OSError) as error:
            missing.append(f"The questions of {name} could not be found again: {error}")
            continue
        # A finished run has opened its test split.
        test = splits.test.open("the report") if splits.test else ()
        loaded[keys[name]] = {example.id: example for example in (*splits.train, *splits.valid, *test)}
    return {name: loaded[key] for name, key in keys.items()}, tuple(missing)


def word(example: Example, annotation: Annotation, *, form: AnswerForm) -> tuple[str, str]:
    """Write a reply as something to learn: context and question, then the chain that ends in the answer."""
    prompt = asked_text(example)
    weights = {annotation.teacher: 1.0}
    chains = chain_targets({example.id: example}, [annotation], weights=weights, form=form)
    if chains:
        return prompt, chains[0].output
    if annotation.rationale.strip() or annotation.answer is None:
        return prompt, annotation.rationale
    lettered: AnswerForm = form if annotation.answer in example.choices else "text"
    return prompt, f"The answer is {answer_text(example, annotation.answer, form=lettered)}."
