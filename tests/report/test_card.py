import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tuition.core.texts.visible import visible
from tuition.report import write_card

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from asked import save_student

HOSTILE = (
    "Why?\n```\n# Owned\n<script>alert(1)</script>\n[x](javascript:1)\nEND\n~~~\n$(touch owned) `touch owned`"
    ' \'one" \\n \\ """ !! \u2028 \u202e \x1b[31m \x7f\n`````` ``````\n\n    <img src=x>'
)
CHOICES = ["a'b $(touch owned)", 'c"|`d`', "```"]
CONTEXT = "---\n| a | b |\n\rOwned\n==="


def card(folder):
    return write_card(folder).read_text(encoding="utf-8")


def test_the_card_names_recipe_seed_student_and_configuration(run):
    text = card(run("one", objectives={"answer": 20, "rationale:ada": 19}))
    for word in ("`tinyllm`", "seed 7", "`base`, 12,345 parameters", "0.1.0", "abc123", "c0ffee"):
        assert word in text
    assert "- targets by objective: answer 20, rationale:ada 19" in text


def test_the_card_has_the_classical_students(run):
    found = {
        name: {"accuracy": share, "ci95": [0.1, 0.9]} for name, share in (("nearest", 0.4), ("linear", 0.7))
    }
    text = card(run("one", valid=None, classical=found))
    told = "nearest 40.0 [10.0, 90.0], linear 70.0 [10.0, 90.0]; from the same examples."
    assert f"Without a network on test, right %: {told}" in text
    text = card(run("two", classical={"nearest": found["nearest"], "linear": None}))
    assert "nearest 40.0 [10.0, 90.0]; from the same examples." in text
    assert "Without a network" not in card(run("old"))


def test_the_card_has_the_interval_and_the_unreadable_share(run):
    text = card(run("one", test=0.6))
    assert "| split | items | labels | reader | right % | unreadable % |" in text
    assert "| test | 10 | gold | mixed | 60.0 [40.0, 80.0] | 10.0 |" in text


def test_a_missing_split_is_called_missing(run):
    assert "The task has no test split." in card(run("one", test=None))


def test_licences_travel_and_their_absence_is_said(run):
    text = card(run("one", teachers=[("ada", "CC-BY 4.0"), ("bela", "")]))
    assert "- `ada` (chat): CC-BY 4.0" in text
    assert "- `bela` (chat): licence and terms not stated" in text


def test_an_unknown_cost_is_called_unknown(run):
    assert "cost of the answers used: unknown; newly paid: $0.25" in card(run("a", spend={"usd": None}))
    assert "cost of the answers used: $0.50" in card(run("b"))


def test_an_untrained_student_is_called_so(run):
    assert "- targets by objective: none, the student is as it came" in card(run("one", "zero_shot"))


def test_the_card_names_the_labels_of_a_panel(run):
    folder = run("one", labels={"panel": ["ada", "bela"]})
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"]["label_source"] = "weighted"
    metrics["train"]["label_source"] = {"gold": 1200, "weighted": 20}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text = card(folder)
    assert "training examples: 20; labels: 1,200 gold, 20 weighted" in text
    assert "| test | 10 | weighted labels of ada, bela, not gold | mixed | 50.0 [30.0, 70.0] | 10.0 |" in text
    assert "| valid | 10 | gold | mixed | 50.0 [30.0, 70.0] | 10.0 |" in text


def test_names_and_licences_command_nothing(run):
    text = card(run("a\x1b[31m\u202e", teachers=[("ada", r"CC\u001b]0;x\u0007\u2066")]))
    assert r"# a\x1b[31m\u202e" in text
    assert r"(chat): CC\x1b]0;x\x07\u2066" in text


def blocks(text, language):
    return [one.content for one in MarkdownIt().parse(text) if one.type == "fence" and one.info == language]


def used(run, name="llama-nano", **more):
    """A finished run with a student, and one question in its card."""
    folder = run("mine")
    sent = f"{CONTEXT}\n{HOSTILE}\nAnswer Choices:\n" + "\n".join(
        f"({letter}) {choice}" for letter, choice in zip("abc", CHOICES, strict=True)
    )
    shown = {"question": HOSTILE, "choices": CHOICES, "context": CONTEXT, "sent": sent, "writes": HOSTILE}
    how = {"kind": "mixed", "scoring": "options", "max_tokens": 8, "example": shown, **more}
    save_student(folder / "student", name, **how)
    return folder, shown


@pytest.fixture
def shell(tmp_path):
    """Runs a block of the card where it lies, with our program and a `curl` that keeps what it is to send."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("tuition", f'exec {sys.executable} -m tuition "$@"'), ("curl", "cat > sent.json")):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)

    def run(folder, text):
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", text], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", ["student", "."])
def test_the_card_shows_how_to_use_the_student_as_it_can_be_typed(run, shell, place, monkeypatch):
    folder, shown = used(run)
    text = card(folder)
    if place == ".":
        folder = folder / "student"
        text = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    asked, serve, curl = blocks(text, "console")
    shell(folder, asked)
    [row] = [json.loads(line) for line in (folder / "questions.answers.jsonl").read_text().splitlines()]
    assert (row["question"], row["choices"], row["context"]) == (HOSTILE, CHOICES, CONTEXT)
    assert row["answer"] in CHOICES
    assert serve == f"tuition serve {place}\n"
    shell(folder, curl)
    sent = {"model": "mine", "messages": [{"role": "user", "content": shown["sent"]}]}
    assert json.loads((folder / "sent.json").read_text()) == sent
    monkeypatch.chdir(folder)
    [python], said = blocks(text, "python"), io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(python, "card", "exec"), {})
    assert said.getvalue() == f"{row['answer']} {said.getvalue().split()[-1]}\n"
    assert float(said.getvalue().split()[-1]) == pytest.approx(row["confidence"], abs=1e-5)
    assert not list(folder.rglob("owned"))


def test_what_a_question_holds_is_text_in_the_card(run):
    folder, shown = used(run)
    text = card(folder)
    tokens = MarkdownIt().parse(text)
    heads = [tokens[i + 1].content for i, one in enumerate(tokens) if one.type == "heading_open"]
    assert heads == ["mine", "Result", "How to use it"]
    kinds = {one.type for one in tokens} | {part.type for one in tokens for part in one.children or ()}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_block"}
    reads = json.loads((folder / "student" / "tuition.json").read_text())["example"]["reads"]
    assert reads == f"predict: {shown['sent']}\n"
    wanted = [visible(f"{one}\n") for one in (shown["sent"], reads, HOSTILE)]
    assert blocks(text, "text") == wanted
    assert "\u202e" not in text and "\x1b" not in text


def test_the_card_of_a_student_that_scores_options_shows_no_endpoint(run):
    folder, shown = used(run, "bert-nano")
    text = card(folder)
    assert "tuition serve" not in text
    assert "it writes no text" in text
    assert blocks(text, "text") == [visible(f"{shown['sent']}\n")]
    assert "tuition predict student questions.jsonl" in text


def test_a_card_without_a_form_or_a_student_says_what_there_is(run):
    folder = run("old")
    assert "This run trained no student, so none is saved here" in card(folder)
    save_student(folder / "student")
    text = card(folder)
    assert "weights are safetensors" in text
    assert blocks(text, "console") == []
    (folder / "student" / "tuition.json").unlink()
    assert "weights are safetensors" in card(folder)
