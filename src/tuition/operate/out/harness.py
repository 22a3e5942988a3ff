"""A task file for EleutherAI's lm-evaluation-harness, with the questions that the run examined."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example, Json
from tuition.core.rows import write_rows
from tuition.experiment.form import asked_text
from tuition.experiment.targets import RATIONALE_PREFIX, answer_text
from tuition.operate.out.about import About, exam_of
from tuition.operate.out.card import write_card
from tuition.operate.student import Student
from tuition.student.template import decoder_reads

__all__ = ["write_task"]

_CLOSING = r"[Tt]he answer is:?\s+(.+?)\.?\s*$"
"""How a chain ends."""


def write_task(found: About, out: Path, *, outtype: str) -> None:
    """Write the task, its questions as the student reads them, and a page that says how to start it."""
    if found.run is None:
        raise DataError(
            f"{str(found.place)!r} lies outside its run, which has the questions; name the run folder."
        )
    if found.form["family"] == "options":
        raise ConfigError("a student that scores options reads pairs, which lm-eval has no model for.")
    if decoder_reads(found.form):
        raise ConfigError(
            f"{str(found.place)!r} reads its instruction with its decoder (student.instruction = 'decoder'), "
            "which lm-eval cannot say to a model; take --form hf or ct2."
        )
    student, exam = Student.load(found.place, device="cpu"), exam_of(found.run)
    tokenizer: Any = getattr(student.learner, "tokenizer")  # noqa: B009
    rows = []
    for example in exam.examples:
        asked = [{"role": "user", "content": asked_text(example)}]
        text = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
        rows.append(_row(found, example, str(text), tokenizer=tokenizer))
    task = "tuition_" + re.sub(r"\W+", "_", found.name)
    write_rows(out / f"{exam.split}.jsonl", rows)
    fields = _fields(found, task, split=exam.split, scores=student.wants_choices, end=tokenizer.eos_token)
    # JSON is YAML too.
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    (out / f"{task}.yaml").write_text("\n".join([*lines, ""]), encoding="utf-8")
    write_card(found, out, form="lm-eval", task=task)


def _row(found: About, example: Example, text: str, *, tokenizer: Any) -> dict[str, Json]:
    if found.form["family"] == "seq2seq":
        # The harness lets the tokenizer of an encoder-decoder add its marks itself.
        text = tokenizer.decode(
            tokenizer(text, add_special_tokens=False)["input_ids"], skip_special_tokens=True
        )
    form = found.form["answer_form"]
    answer = answer_text(example, str(example.answer), form=form)
    choices = [answer_text(example, choice, form=form) for choice in example.choices]
    return {
        "id": example.id,
        "prompt": text,
        "message": asked_text(example),
        "choices": choices,
        "answer": answer,
        "gold": choices.index(answer) if answer in choices else -1,
    }


def _fields(found: About, task: str, *, split: str, scores: bool, end: str) -> Mapping[str, Json]:
    """The task file: keys of the harness."""
    fields: dict[str, Json] = {
        "task": task,
        "tag": ["tuition"],
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {split: f"{split}.jsonl"}},
        f"{'test' if split == 'test' else 'validation'}_split": split,
        "doc_to_text": "prompt",
        "target_delimiter": "",
        "num_fewshot": 0,
        "metadata": {"version": 1.0},
    }
    if scores:
        metrics: list[Json] = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]
        scored = {"output_type": "multiple_choice", "doc_to_choice": "choices", "doc_to_target": "gold"}
        return fields | scored | {"metric_list": metrics}
    pattern = _CLOSING if found.form["prefix"] == RATIONALE_PREFIX else r"^\s*(.+?)\s*$"
    last: Json = {"function": "regex", "regex_pattern": pattern, "group_select": -1}
    exact: Json = {
        "metric": "exact_match",
        "aggregation": "mean",
        "higher_is_better": True,
        "ignore_case": True,
    }
    return fields | {
        "output_type": "generate_until",
        "doc_to_target": "answer",
        "generation_kwargs": {"until": [end], "do_sample": False, "max_gen_toks": found.max_tokens},
        "filter_list": [{"name": "answer", "filter": [last, {"function": "take_first"}]}],
        "metric_list": [exact],
    }
