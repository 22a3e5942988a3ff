"""Before the first call: the student can be had, and what it cannot read is set aside and counted."""

import json
import shutil

import pytest

from tuition.core.errors import ConfigError, DataError
from tuition.core.rows import write_rows
from tuition.experiment.checks import make_ready
from tuition.experiment.config import resolve
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute
from tuition.operate.export import taught_examples
from tuition.operate.pilot.pilot import pilot
from tuition.playground import BASE_FOLDER

WORDS = "a hen and a hen and "
TEACHER = {"name": "ada", "kind": "playground"}


def rows(n, *, long=()):
    """Questions with a label; some have about 7 tokens for each of 400 words."""
    return [
        {
            "id": f"q{i}",
            "question": f"{WORDS * 400 if i in long else ''}How many hens, {i}?",
            "answer": str(i),
        }
        for i in range(n)
    ]


def config(folder, *, splits=None, **fields):
    for name, train in (splits or {"train": rows(6), "valid": rows(2), "test": rows(2)}).items():
        shifted = [{**row, "question": f"{name} {row['question']}"} for row in train]
        write_rows(folder / f"{name}.jsonl", shifted)
    task = {name: str(folder / f"{name}.jsonl") for name in (splits or ("train", "valid", "test"))}
    tables = {
        "recipe": "label_only",
        "out": str(folder / "run"),
        "store": str(folder / "tuition.db"),
        "task": {"kind": "number", **task},
        "training": {"steps": 1, "batch_examples": 2},
        **fields,
    }
    return resolve(tables, where="test")


LONG = {"train": rows(6, long=[2]), "valid": rows(4, long=[1]), "test": rows(4, long=[0, 3])}


def test_what_the_student_cannot_read_is_set_aside_or_counts_as_unreadable(tmp_path):
    found = config(tmp_path, splits=LONG)
    metrics = execute(found).metrics
    assert metrics["train"]["n"] == 5
    assert metrics["too_long"] == {"train": 1, "valid": 1, "test": 2}
    assert (metrics["valid"]["n"], metrics["test"]["n"]) == (4, 4)
    answers = [json.loads(line) for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()]
    unasked = [(row["split"], row["example_id"]) for row in answers if not row["output_tokens"]]
    assert {("valid", "q1"), ("test", "q0"), ("test", "q3")} <= set(unasked)
    assert all(
        row["grade"] == "unreadable" for row in answers if (row["split"], row["example_id"]) in unasked
    )
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    [event] = [row for row in events if row["event"] == "too_long"]
    assert (event["train"], event["valid"], event["test"]) == (1, 1, 2)
    data = json.loads((tmp_path / "run" / "data.json").read_text())
    assert data["set_aside"] == ["q2"]
    assert [row["kind"] for row in data["findings"]] == ["too_long"] * 3
    taught = taught_examples(found, tmp_path / "run")
    assert [example.id for example in taught] == ["q0", "q1", "q3", "q4", "q5"]


def test_check_says_what_is_too_long(tmp_path):
    findings = plan_of(config(tmp_path, splits=LONG)).findings
    assert [text.partition(",")[0] for text in findings] == [
        "train: 1 are set aside",
        "valid: 1 count as unreadable",
        "test: 2 count as unreadable",
    ]
    assert "longer than the 768 tokens that the student reads beside its output" in findings[0]
    assert findings[0].endswith("'q2'")


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_split_that_cannot_be_read_at_all_is_refused(tmp_path, split):
    found = config(tmp_path, splits={**LONG, split: rows(2, long=[0, 1])})
    with pytest.raises(DataError, match=rf"{split}: every question is longer .* 768 tokens .* = 256\. Lower"):
        make_ready(found)


@pytest.mark.parametrize("model", ["base", "fresh:llama-nano", "fresh:t5-nano", "fresh:bert-nano"])
def test_the_users_limit_cuts_and_is_told(tmp_path, model):
    choices = {"choices": ["no", "many"], "answer": "many"}
    splits = {name: [{**row, **choices} for row in part] for name, part in LONG.items()}
    found = config(tmp_path, splits=splits, student={"model": model, "max_input_tokens": 100})
    found = found.model_copy(update={"task": found.task.model_copy(update={"kind": "multiple_choice"})})
    ready = make_ready(found)
    assert not ready.unread and len(ready.splits.train) == 6
    assert [(row["kind"], row["split"], row["count"]) for row in ready.findings] == [
        ("cut", "train", 1),
        ("cut", "valid", 1),
        ("cut", "test", 2),
    ]
    assert "longer than 100 tokens with the instruction, and lose their end" in ready.findings[0]["sentence"]


def test_a_preset_cuts_as_published_and_says_so(tmp_path):
    rows_ = [{**row, "question": "word " * 90 + row["question"]} for row in rows(4)]
    found = config(
        tmp_path,
        splits={"train": rows_, "valid": rows(2)},
        recipe="tinyllm",
        preset="repo",
        teacher=[TEACHER],
        student={"model": "base"},
    )
    assert [row["kind"] for row in make_ready(found).findings] == ["cut"]


BAD = [
    ({"model": "/nowhere/at-all"}, r"\[student\] there is no model folder '/nowhere/at-all'"),
    ({"model": "nobody/nothing"}, r"\[student\] 'nobody/nothing' is no folder here and could not be had"),
    ({"model": "fresh:lama-nano"}, "unknown fresh student 'lama-nano'; did you mean 'llama-nano'"),
    ({"model": "fresh:bert-nano"}, "scores options and writes no text, so it cannot learn"),
    ({"model": "base", "family": "seq2seq"}, "is a model of family 'causal'"),
    ({"model": "base", "max_output_tokens": 1024}, "every question is longer than what the student reads"),
]


@pytest.mark.parametrize(("student", "words"), BAD, ids=[str(i) for i in range(len(BAD))])
@pytest.mark.parametrize("door", [plan_of, execute, pilot])
def test_a_student_that_cannot_be_is_refused_before_the_first_call(tmp_path, student, words, door):
    found = config(tmp_path, recipe="tinyllm", teacher=[TEACHER], student=student)
    with pytest.raises((ConfigError, DataError), match=words):
        door(found)
    assert not (tmp_path / "tuition.db").exists()


def test_a_run_without_a_student_looks_at_none(tmp_path):
    found = config(tmp_path, recipe="ask_teacher", teacher=[TEACHER], student={"model": "/nowhere"})
    assert make_ready(found).unread == frozenset()


@pytest.mark.parametrize("recipe", ["tinyllm", "elad"])
def test_what_only_loading_shows_ends_a_run_before_its_first_call_too(tmp_path, recipe):
    broken = shutil.copytree(BASE_FOLDER, tmp_path / "broken")
    described = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**described, "hidden_size": 64}))
    fields = (
        {"selection": {"strategy": "random"}, "rounds": {"each": {"items": 2}}} if recipe == "elad" else {}
    )
    found = config(tmp_path, recipe=recipe, teacher=[TEACHER], student={"model": str(broken)}, **fields)
    with pytest.raises(ConfigError, match=r"\[student\] the model in '.*broken' cannot be loaded"):
        execute(found)
    assert not (tmp_path / "tuition.db").exists()
