"""The two commands on real runs: foreign replies in, a student taught, and out again."""

import errno
import json
import tomllib
from pathlib import Path

import pytest
import typer.main
from forms import read, texts, write
from tiny import experiment
from tiny_rounds import active

from tuition.cli.main import app
from tuition.core.errors import DataError
from tuition.operate.execute import execute

ROWS = [
    {
        "id": f"q{n}",
        "question": f"What is {n} + {n}?",
        "instruction": f"Think. What is {n} + {n}?",
        "generation": f"{n} and {n}.\nThe answer is {2 * n}.",
        "model_name": "gpt-4o-mini",
        "answer": str(2 * n),
    }
    for n in range(20)
]


BRING_IN = ("import", "foreign.jsonl", "--out", "in.jsonl", "--form", "distilabel")


def tuition(*arguments):
    """Run a command; its errors come through."""
    typer.main.get_command(app)([str(argument) for argument in arguments], standalone_mode=False)


def brought_in(capsys, *options):
    write(Path("foreign.jsonl"), ROWS)
    tuition(*BRING_IN, *options)
    return capsys.readouterr().out


def test_what_an_import_says(capsys):
    said = brought_in(capsys)
    assert "Wrote in.jsonl: 20 questions, 20 of them labelled; replies: 20 of gpt-4o-mini." in said
    assert '  [[teacher]]\n  kind = "recorded"\n  name = "gpt-4o-mini"\n  file = "in.jsonl"\n' in said
    Path("in.jsonl").unlink()
    assert json.loads(brought_in(capsys, "--json"))["replies"] == {"gpt-4o-mini": 20}


def test_terms_stand_in_the_table_that_is_printed(capsys):
    rows = [{**ROWS[0], "licence": 'The "M" terms', "train_on_outputs": False}]
    write(Path("foreign.jsonl"), rows)
    tuition(*BRING_IN)
    said = capsys.readouterr().out
    table = tomllib.loads(said[said.index("  [[teacher]]") :])["teacher"][0]
    assert (table["licence"], table["train_on_outputs"]) == ('The "M" terms', False)


@pytest.mark.parametrize("form", ["trl", "openai", "recorded"])
def test_a_full_disk_names_the_export(tmp_path, monkeypatch, form):
    run = execute(experiment(tmp_path)).path

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"No space left on device: 'out\.jsonl'"):
        tuition("export", run, "--out", "out.jsonl", "--form", form, "--json")


def test_what_is_skipped_is_said(capsys):
    write(Path("foreign.jsonl"), [*ROWS, {}])
    with pytest.raises(DataError, match="line 21 has no reply"):
        tuition(*BRING_IN)
    tuition(*BRING_IN, "--skip-bad")
    said = capsys.readouterr().out
    assert "Skipped, for they could not be used: 1 rows; in.skipped.jsonl lists them." in said


def test_foreign_replies_teach_a_student_and_go_out_as_they_came_in(tmp_path, capsys):
    brought_in(capsys)
    teacher = {
        "kind": "recorded",
        "name": "gpt-4o-mini",
        "file": "in.jsonl",
        "licence": "terms of its provider",
    }
    task = {"train": "in.jsonl", "valid_share": 0.2}
    annotation = {"examples": 0, "filters": ["empty"]}
    run = execute(experiment(tmp_path, task=task, teacher=[teacher], annotation=annotation)).path
    tuition("export", run, "--out", "out.jsonl", "--form", "recorded", "--json")
    made = json.loads(capsys.readouterr().out)
    assert made == {"files": ["out.jsonl", "README.md"], "rows": 16, "without_text": 0}
    came, gone = texts(read(Path("in.jsonl"))), texts(read(Path("out.jsonl")))
    assert len(gone) == 16
    # a run keeps the steps of a reply; the sentence that states the answer is kept as the answer
    for question, said in gone.items():
        [whole], [steps] = came[question]["gpt-4o-mini"], said["gpt-4o-mini"]
        assert whole.startswith(f"{steps}\nThe answer is ")
    assert (
        "`gpt-4o-mini` (recorded, model `gpt-4o-mini`): 16 replies; terms of its provider;"
        in Path("README.md").read_text()
    )


def test_a_run_in_rounds(tmp_path, capsys):
    run = execute(active(tmp_path)).path
    tuition("export", run, "--out", "out.jsonl", "--form", "trl")
    learnt = [
        row for path in sorted(run.glob("rounds/*/annotations.jsonl")) for row in read(path) if row["is_used"]
    ]
    rows = read(Path("out.jsonl"))
    assert [(row["id"], row["rationale"]) for row in rows] == [
        (row["example_id"], row["rationale"]) for row in learnt
    ]
    assert f"Wrote out.jsonl: {len(learnt)} replies." in capsys.readouterr().out
    assert len({row["round"] for row in rows}) > 1
