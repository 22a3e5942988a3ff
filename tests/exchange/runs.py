"""Finished runs, written by the functions that a run writes itself with."""

import dataclasses

from tiny import tables

from tuition.core.records import Annotation, Example
from tuition.core.rows import write_rows
from tuition.core.run import Run
from tuition.experiment.config import dump, resolve

TERMS = {"licence": "CC-BY-4.0"}


def annotation(example, teacher="ada", **more):
    values = {"kind": "rationale", "rationale": "Because.", "answer": "4", **more}
    return Annotation(example_id=example, teacher=teacher, **values)


def make(folder, examples, used, unused=(), *, teachers=(), rounds=False, **changed):
    """A finished run over examples of ours: what was learnt from, what was not; one round an annotation."""
    pool = [dataclasses.replace(example, split="train") for example in examples]
    write_rows(folder / "train.jsonl", [example.to_json() for example in pool])
    write_rows(folder / "valid.jsonl", [Example(id="v", question="Valid?", answer="4").to_json()])
    names = dict.fromkeys(item.teacher for item in (*used, *unused))
    given = {table["name"] for table in teachers}
    named = [{"kind": "playground", "name": name, **TERMS} for name in names if name not in given]
    task = {"train": str(folder / "train.jsonl"), "valid": str(folder / "valid.jsonl")}
    more = {"task": task, "teacher": [*teachers, *named], **changed}
    config = resolve(tables(folder, **more), where="test")
    run = Run(folder / "run", config_text=dump(config))
    rows = [{**item.to_json(), "is_used": True} for item in used]
    rows += [{**item.to_json(), "is_used": False} for item in unused]
    for n, row in enumerate(rows if rounds else ()):
        run.write_rows(f"rounds/{n:02d}/annotations.jsonl", [row])
    if not rounds:
        run.write_rows("annotations.jsonl", rows)
    run.finish({"is_simulated": True, "config_hash": run.config_hash, "versions": {"code": "c0de"}})
    return run.path
