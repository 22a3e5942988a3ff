"""Every committed configuration, dry and real: the plan is what the run asks."""

import json
from pathlib import Path

import pytest
import tiny

from tuition.core.config import read_toml
from tuition.experiment.config import resolve
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import baselines, execute_all
from tuition.recipes import RECIPES

ROOT = Path(__file__).parents[3]
CONFIGS = sorted(
    [*(ROOT / "configs").glob("*.toml"), *(ROOT / "src/tuition/operate/starters").glob("*.toml")]
)
# It tells what a trained student is sure of; tests/papers/test_supercontext.py plans and runs one.
CONFIGS = [path for path in CONFIGS if "receipts" not in path.stem]
TRAIN = 40
ASKED = (
    "SELECT teacher, role, COUNT(*), SUM(tokens) FROM (SELECT DISTINCT uses.teacher, uses.role, uses.key, "
    "a.prompt_tokens + a.completion_tokens AS tokens FROM uses JOIN replies ON replies.key = uses.key "
    "JOIN attempts a ON a.id = replies.attempt_id) GROUP BY teacher, role"
)
"""Each call once, however many runs use it."""
WITH_BASELINES = ("playground", "tinyllm-obqa-recorded")


def rows_of(n):
    return [
        {"question": f"{i} and 3 is?", "choices": [str(i + 3), str(i + 4)], "answer": str(i + 3)}
        for i in range(n)
    ]


def small(path, folder):
    """A committed configuration with 40 training questions and two steps of a tiny student."""
    tables = read_toml(path) | {"out": str(folder / "run"), "store": str(folder / "tuition.db")}
    task = tables["task"]
    if task.get("source") == "playground":
        task |= {"train": TRAIN, "valid": 8, "test": 8}
    else:
        task["limit_train"] = TRAIN
    if path.stem == "tinyllm-piqa-recorded":
        tables["teacher"] = tables["teacher"][:1]  # the other one wrote nothing about this set
    if path.stem == "files":
        # The starter names files and endpoints of one's own; the teachers are programs here.
        for split in ("train", "valid", "test"):
            lines = [json.dumps(row) for row in rows_of({"train": 60}.get(split, 8))]
            task[split] = str(folder / f"{split}.jsonl")
            Path(task[split]).write_text("\n".join(lines), encoding="utf-8")
        names = {"first": "ada", "second": "bela"}
        tables["teacher"] = [{"kind": "playground", "name": names[one["name"]]} for one in tables["teacher"]]
    teaching = tables.setdefault("training", {})
    teaching.pop("epochs", None)
    teaching |= {"steps": 2, "batch_examples": 2, "precision": "fp32"}
    tables["student"] = read_toml(tiny.TINY)["student"] | {
        key: value
        for key, value in tables.get("student", {}).items()
        if key not in ("model", "update", "preset")
    }
    if RECIPES[tables["recipe"]].scores:
        tables["student"]["model"] = "fresh:bert-nano"
    for name in RECIPES[tables["recipe"]].models(resolve(tables, where=path.name)):
        tables[name] |= {part: tables[part] for part in ("student", "training")}
    tables.setdefault("evaluation", {}).update(limit=8, jobs=1)
    if path.stem not in WITH_BASELINES:
        tables["evaluation"]["baselines"] = []
    if tables["recipe"] == "elad":
        tables["explanation"] |= {"calibrate": 0, "samples": 2}
        tables["rounds"] |= {"most": 2, "cold": {"items": 8}, "each": {"items": 8}}
    if tables["recipe"] == "evokd":
        tables["each"] = {"items": 8}
    return resolve(tables, where=path.name)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_plan_is_what_the_run_asks(path, tmp_path, request):
    if "recorded" in path.stem:
        request.getfixturevalue("data")
    config = small(path, tmp_path)
    planned = {(row.teacher, row.role): row for row in plan_of(config).teachers}
    execute_all({"run": config, **baselines(config)}, jobs=1)
    found = {(who, role): (n, tokens) for who, role, n, tokens in tiny.rows(config.store, ASKED)}
    assert found
    assert {place for place, row in planned.items() if row.low_calls} <= found.keys() <= planned.keys()
    for place, (n, tokens) in found.items():
        row = planned[place]
        assert row.low_calls <= n <= row.high_calls, place
        assert row.low_calls <= row.calls <= row.high_calls, place
        assert row.low_tokens <= tokens <= row.high_tokens, place
