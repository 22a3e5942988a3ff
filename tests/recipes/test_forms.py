"""Answers of one form, labels and records: by panels, routes, annotators, students, files, endpoints."""

import csv
import json
from pathlib import Path

import pytest
import typer.main
from tiny import experiment, lines, teachers
from tiny import rows as rows_of
from tiny_rounds import active

from loopback import served
from tuition.annotation.revise import ANNOTATORS
from tuition.annotation.routing import ROUTES
from tuition.api import Student
from tuition.cli.main import app as cli
from tuition.core.config import read_toml
from tuition.core.errors import ConfigError, DataError
from tuition.core.rows import read_rows, write_rows
from tuition.exchange.exports import EXPORTS
from tuition.operate.execute import execute
from tuition.operate.export import export
from tuition.playground.domains.tickets import TICKETS
from tuition.playground.serving import app
from tuition.playground.world import playground_splits

KINDS = ["label", "fields"]
TASK = {"source": "playground", "train": 12, "valid": 6, "test": 6}
EACH = pytest.mark.parametrize("kind", KINDS)
ROOM = ("student.max_output_tokens=24",)
"""Tokens enough for a record of the untrained student."""


def is_answer(text, kind):
    if kind == "label":
        return text in TICKETS.labels
    return list(json.loads(text)) == ["product", "urgency"]


@EACH
def test_a_panel_labels_what_nobody_has_labelled(tmp_path, kind):
    labels = dict.fromkeys(("train", "valid", "test"), "weighted")
    task = {**TASK, "kind": kind, "hide_answers": True}
    names = teachers("ada", "bela", "chen")
    found = execute(experiment(tmp_path, *ROOM, task=task, labels=labels, teacher=names)).metrics
    rows = lines(tmp_path / "run" / "labels.jsonl")
    assert len(rows) == 24 and all(is_answer(row["label"], kind) for row in rows)
    assert found["test"]["label_source"] == "weighted" and found["labels"]["splits"]["train"]["n"] == 12
    config = playground_splits(seed=0, train=12, valid=6, test=6, kind=kind)
    gold = {example.id: example.answer for example in config.train}
    assert sum(row["label"] == gold[row["example_id"]] for row in rows if row["split"] == "train") >= 10


@EACH
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_has_rationales_of_it(tmp_path, kind, route):
    settings = ("annotation.forced=false", *ROOM, *(["routing.judge=ada"] if route == "judge" else []))
    execute(experiment(tmp_path, *settings, task={**TASK, "kind": kind}, route=route))
    rows = lines(tmp_path / "run" / "annotations.jsonl")
    assert rows and all(is_answer(row["answer"], kind) for row in rows)


@EACH
@pytest.mark.parametrize("annotator", ANNOTATORS)
def test_every_annotator_reads_it(tmp_path, kind, annotator):
    changed = {"annotator": annotator, "uses_labels": annotator == "chain_gold"}
    execute(active(tmp_path, *ROOM, task={**TASK, "kind": kind}, **changed))
    rows = lines(tmp_path / "run" / "rounds" / "01" / "annotations.jsonl")
    answers = [row["answer"] for row in rows if not row["is_forced"]]
    assert rows and all(answer is None or is_answer(answer, kind) for answer in answers)
    assert any(answers) or annotator == "chain_gold"


@pytest.mark.parametrize("model", ["llama-nano", "t5-nano", "bert-nano"])
def test_a_student_scores_the_set(tmp_path, model):
    settings = (f"student.model=fresh:{model}", "evaluation.scoring=options")
    task = {**TASK, "kind": "label", "train": 40}
    found = execute(experiment(tmp_path, *settings, recipe="label_only", task=task)).metrics
    assert found["test"]["unreadable"] == 0.0 and 0 <= found["test"]["macro_f1"] <= 1
    rows = lines(tmp_path / "run" / "predictions.jsonl")
    assert all(len(row["option_scores"]) == 6 and row["answer"] in TICKETS.labels for row in rows)
    student = Student.load(tmp_path / "run")
    said = student.answer("Hello, my parcel has not come. It is about my phone.")
    assert said.answer in TICKETS.labels and len(said.option_scores) == 6


@EACH
def test_a_student_learns_it_and_answers_without_being_told(tmp_path, kind):
    settings = ("training.steps=150", "training.lr=0.003", "student.max_output_tokens=40")
    task = {**TASK, "kind": kind, "train": 60}
    found = execute(experiment(tmp_path, *settings, recipe="label_only", task=task)).metrics
    assert found["test"]["unreadable"] < 0.5
    asked = lines(tmp_path / "run" / "predictions.jsonl")[0]
    [example] = [
        item for item in playground_splits(seed=0, train=60, valid=6, test=6, kind=kind).valid
        if item.id == asked["example_id"]
    ]  # fmt: skip
    said = Student.load(tmp_path / "run").answer(example.question)
    assert (said.text, said.answer) == (asked["text"], asked["answer"])


@EACH
@pytest.mark.parametrize("form", EXPORTS)
def test_a_run_goes_out_in_every_form(tmp_path, kind, form):
    folder = tmp_path / "run"
    execute(experiment(tmp_path, *ROOM, task={**TASK, "kind": kind}))
    out = tmp_path / ("rows.parquet" if form == "datasets" else "rows.jsonl")
    export(folder, out, form=form)
    rows = list(read_rows(out))
    assert rows and "Answer Choices" not in json.dumps(rows)


@EACH
def test_an_endpoint_that_can_do_so_is_held_to_the_schema(tmp_path, kind):
    with served(app()) as url:
        wire = {"has_json": True}
        chat = {"kind": "chat", "name": "c", "model": "program-chen-1", "base_url": url, "api_key_env": ""}
        table = {**chat, "wire": wire, "price_prompt": 1, "price_completion": 1}
        task = {**TASK, "kind": kind}
        execute(experiment(tmp_path, "annotation.forced=false", *ROOM, task=task, teacher=[table]))
    asked = [request for (request,) in rows_of(tmp_path / "tuition.db", "SELECT request FROM attempts")]
    assert asked and all(("response_format" in request) == (kind == "fields") for request in asked)
    rows = lines(tmp_path / "run" / "annotations.jsonl")
    assert all(is_answer(row["answer"], kind) for row in rows)
    assert not any("reasoning" in row["rationale"] for row in rows)


@EACH
def test_replies_of_others_are_read_as_such_answers(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    examples = playground_splits(seed=0, train=20, valid=0, test=0, kind=kind).train
    foreign = [
        {
            "question": example.question,
            "instruction": f"Which is it? {example.question}",
            "generation": f"It says so.\nThe answer is {example.answer}.",
            "model_name": "gpt",
            "answer": example.answer,
        }
        for example in examples
    ]
    write_rows(Path("foreign.jsonl"), foreign)
    command = ["import", "foreign.jsonl", "--out", "in.jsonl", "--form", "distilabel"]
    typer.main.get_command(cli)(command, standalone_mode=False)
    form = {"label": {"labels": TICKETS.labels}, "fields": {"json_schema": TICKETS.json_schema}}[kind]
    task = {"kind": kind, "train": "in.jsonl", "valid_share": 0.2, **form}
    teacher = [{"kind": "recorded", "name": "gpt", "file": "in.jsonl"}]
    execute(experiment(tmp_path, *ROOM, task=task, teacher=teacher))
    rows = lines(tmp_path / "run" / "annotations.jsonl")
    gold = {example.question: example.answer for example in examples}
    of = {row["id"]: gold[row["question"]] for row in read_rows(Path("in.jsonl"))}
    assert len(rows) == 16 and all(row["answer"] == of[row["example_id"]] for row in rows)


NAMED = {"A": "payments and invoices", "B": "parcels", "C": "devices that fail", "D": "goods sent back"}
NAMED |= {"E": "passwords", "F": "offers before buying"}


def test_programs_go_by_what_each_label_means(tmp_path):
    task = {**TASK, "kind": "label", "labels": NAMED, "hide_answers": True}
    labels = {"train": "teacher", "valid": "teacher", "test": "teacher", "teacher": "chen"}
    execute(experiment(tmp_path, task=task, labels=labels, teacher=teachers("chen")))
    of = dict(zip(["billing", "delivery", "technical", "returns", "account", "sales"], NAMED, strict=True))
    gold = {
        item.id: of[item.answer]
        for item in playground_splits(seed=0, train=12, valid=6, test=6, kind="label").train
    }
    rows = [row for row in lines(tmp_path / "run" / "labels.jsonl") if row["split"] == "train"]
    assert sum(row["label"] == gold[row["example_id"]] for row in rows) >= 11


# ---- labels that a file has ----


def write(path, labels):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "answer"])
        rows.writerows((f"question number {i} of the file", label) for i, label in enumerate(labels))


def from_file(tmp_path, **changed):
    task = {"kind": "label", "train": str(tmp_path / "t.csv"), "valid_share": 0.2, **changed}
    return experiment(tmp_path, recipe="label_only", task=task)


def test_labels_that_are_left_out_are_found_and_written_down(tmp_path):
    write(tmp_path / "t.csv", ["b", "a", "'B'", "c", "b"] * 10)
    config = from_file(tmp_path)
    execute(config)
    assert read_toml(tmp_path / "run" / "config.toml")["task"]["labels"] == {"a": "", "b": "", "c": ""}
    write(tmp_path / "t.csv", ["b", "a", "d", "c"] * 10)
    with pytest.raises(ConfigError, match=r"task\.labels"):
        execute(from_file(tmp_path))


def test_a_label_outside_the_set_is_refused_before_anything_is_asked(tmp_path):
    write(tmp_path / "t.csv", ["b", "a", "d", "c"] * 10)
    with pytest.raises(DataError, match="have a label that the task kind 'label' cannot read"):
        execute(from_file(tmp_path, labels=["a", "b", "c"]))


@pytest.mark.parametrize(
    ("kind", "labels", "words"),
    [
        ("label", ["a"] * 10, r"needs task\.labels, and the training examples have 1 labels: write it into"),
        ("fields", ["a", "b"] * 5, r"task\.kind = 'fields' needs task\.json_schema: write it into \[task\]"),
    ],
)
def test_a_form_that_nobody_says_is_asked_for(tmp_path, kind, labels, words):
    write(tmp_path / "t.csv", labels)
    with pytest.raises(ConfigError, match=words):
        from_file(tmp_path, kind=kind)
