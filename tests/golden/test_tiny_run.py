"""One whole tiny run against its golden file; README.md beside this says how to renew it."""

import json
import os
from collections import Counter
from pathlib import Path

from tiny import experiment, hashes, lines, rows, teachers

from tuition.core.records import content_id
from tuition.operate.execute import execute

GOLDEN = Path(__file__).with_name("tiny_run.json")


def figures_of(folder, metrics):
    """What is counted or drawn by seed; no loss, no weight, no second."""
    annotations = lines(folder / "run" / "annotations.jsonl")
    predictions = lines(folder / "run" / "predictions.jsonl")
    return {
        "train": metrics["train"],
        "parameters": metrics["student"]["parameters"],
        "objectives": metrics["objectives"],
        "health": metrics["health"],
        "spend": metrics["spend"],
        "stopped_by": metrics["stopped_by"],
        "task_version": metrics["task_version"],
        "blind": {split: metrics[split]["blind"] for split in ("valid", "test")},
        "nearest": {split: metrics[split]["classical"]["nearest"] for split in ("valid", "test")},
        "n": {split: metrics[split]["n"] for split in ("valid", "test")},
        "labels": dict(sorted(Counter(row["label"] for row in predictions).items())),
        "domains": dict(sorted(Counter(row["domain"] for row in predictions).items())),
        "examined": content_id([row["example_id"] for row in predictions])[:16],
        "faults": dict(sorted(Counter(fault for row in annotations for fault in row["faults"]).items())),
        "annotations": content_id(annotations)[:16],
        "requests": content_id(sorted(rows(folder / "tuition.db", "SELECT key FROM attempts")))[:16],
        "events": [row["event"] for row in lines(folder / "run" / "events.jsonl")],
        "files": sorted(
            str(Path(name).relative_to(folder / "run"))
            for name in hashes(folder / "run")
            if not {"checkpoints", "student", "lock"} & set(Path(name).parts)
        ),
    }


def test_a_whole_tiny_run_comes_to_the_golden_figures(tmp_path):
    flawed = [*teachers("ada", "emil"), *teachers("bela", samples=2)]
    usual = {"examples": 2, "filters": ["empty", "looping", "spilled", "contradicts"]}
    config = experiment(tmp_path, "seed=11", "task.train=24", teacher=flawed, annotation=usual)
    found = json.loads(json.dumps(figures_of(tmp_path, execute(config).metrics)))
    if os.environ.get("TUITION_RENEW_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    wanted = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert set(found) == set(wanted)
    for name in wanted:
        assert found[name] == wanted[name], name
