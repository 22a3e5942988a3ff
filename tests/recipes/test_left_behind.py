"""What a run leaves on disk, the cores it takes, and that it comes to the same predictions again."""

import json
import os
import shutil

import pytest
import torch
from tiny import experiment, lines
from tiny_rounds import active

from tuition.core.run import share_with, threads_here
from tuition.experiment.checks import load_splits
from tuition.operate.execute import execute, execute_all
from tuition.operate.student import Student
from tuition.playground import BASE_FOLDER

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def size(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def base(tmp_path):
    """The embedded student as any other model in a folder."""
    shutil.copytree(BASE_FOLDER, tmp_path / "base", ignore=shutil.ignore_patterns("CARD.md"))
    return tmp_path / "base"


@pytest.mark.parametrize(
    ("update", "saved", "share"),
    [("full", "adapter", 1.2), ("lora", "merged", 1.2), ("lora", "adapter", 0.5)],
)
def test_a_run_leaves_little_more_than_its_student(update, saved, share, base, tmp_path):
    settings = (f"student.update={update}", f"student.saved={saved}", f"student.model={base}")
    settings += ("training.save_every=1", "training.keep=best", "training.validate_every=1")
    config = experiment(tmp_path, *settings, "alpha_grid=[0.5, 1]")
    execute(config)
    assert size(tmp_path / "run") <= share * size(base)
    weights = [file.name for file in (tmp_path / "run").rglob("*.safetensors")]
    is_apart = (update, saved) == ("lora", "adapter")
    assert weights == ["adapter_model.safetensors" if is_apart else "model.safetensors"]
    asked = [row for row in lines(tmp_path / "run" / "predictions.jsonl") if row["split"] == "valid"]
    student = Student.load(tmp_path / "run" / "student")
    answers = student.answer_all(load_splits(config)[0].valid)
    assert [answer.text for answer in answers] == [row["text"] for row in asked]


@pytest.mark.parametrize("update", ["full", "lora"])
def test_rounds_leave_one_student(update, base, tmp_path):
    config = active(tmp_path, f"student.update={update}", f"student.model={base}", "rounds.begin=last")
    execute(config)
    assert size(tmp_path / "run") <= 1.2 * size(base)
    # additions to a round's student would need that one, which is gone
    assert Student.load(tmp_path / "run").learner.parameters > 0


@pytest.mark.parametrize(("model", "threads"), [("base", 1), ("fresh:llama-nano", 2)])
def test_the_same_seed_and_threads_come_to_the_same_predictions(model, threads, tmp_path):
    settings = (f"student.threads={threads}", f"student.model={model}", "student.max_output_tokens=20")
    settings += ("training.keep=best", "training.validate_every=1")
    runs = [experiment(tmp_path / name, *settings) for name in ("one", "other")]
    for run in runs:
        execute(run)
    for file in ("predictions.jsonl", "student/model.safetensors"):
        one, other = ((tmp_path / name / "run" / file).read_bytes() for name in ("one", "other"))
        assert one == other and one


@pytest.mark.parametrize("jobs", [1, 2, 2 * CORES])
def test_a_run_takes_its_share_of_the_cores(jobs, monkeypatch):
    monkeypatch.delenv("TUITION_RUNS_AT_ONCE")
    assert threads_here() == CORES
    share_with(jobs)
    assert threads_here() == max(1, CORES // jobs)


@pytest.mark.slow
def test_all_cores_are_shared_among_the_runs_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTED", str(tmp_path / "noted"))
    monkeypatch.delenv("TUITION_RUNS_AT_ONCE")
    task = {"kind": "noting_task:Noting"}
    for split in ("train", "valid", "test"):
        rows = [{"question": f"{split} {i}?", "choices": ["yes", "no"], "answer": "no"} for i in range(4)]
        task[split] = str(tmp_path / f"{split}.jsonl")
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    before = torch.get_num_threads()

    def noted(names, *, jobs):
        (tmp_path / "noted").write_text("")
        changed = {"recipe": "zero_shot", "teacher": None, "annotation": None, "task": task}
        execute_all({name: experiment(tmp_path / name, **changed) for name in names}, jobs=jobs)
        # by process, the last: labels are graded before there is a student
        return sorted(dict(line.split() for line in (tmp_path / "noted").read_text().splitlines()).values())

    try:
        assert noted(["alone"], jobs=1) == [str(CORES)]
        assert noted(["one", "other"], jobs=2) == [str(max(1, CORES // 2))] * 2
    finally:
        torch.set_num_threads(before)
