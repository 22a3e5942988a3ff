"""`tuition predict` at the command line: what it prints, and how it refuses."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from asked import ASKED, save_student


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pupil"
    save_student(folder / "student", kind="mixed", scoring="options", max_tokens=4)
    return folder


@pytest.fixture
def asked(tmp_path):
    rows = [{"question": one.question, "choices": list(one.choices), "answer": one.answer} for one in ASKED]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "asked.jsonl"


def test_it_says_what_it_wrote_and_that_nothing_is_left(tuition, student, asked, tmp_path):
    said = tuition("predict", student, asked, "--set", "batch_questions=3")
    assert (said.code, said.out.splitlines()) == (
        0,
        [
            "Wrote asked.answers.jsonl: 10 answers, 0 of them unreadable.",
            "The column 'answer' of asked.jsonl is called 'given_answer' there.",
            f"Next: tuition serve {student}",
        ],
    )
    again = tuition("predict", student / "student", asked)
    assert again.out == "asked.answers.jsonl holds all 10 answers already; nothing was done.\n"
    said = tuition("predict", student, asked, "--out", "new/other.csv.gz", "--json")
    assert (said.json["file"], said.json["rows"], said.json["new"]) == ("new/other.csv.gz", 10, 10)
    assert (tmp_path / "new" / "other.csv.gz").exists()


def test_refusals_are_one_sentence_and_exit_2(tuition, student, asked, tmp_path):
    for words, error in (
        (
            (student, asked, "--set", "batch_question=3"),
            "unknown key 'batch_question'; did you mean 'batch_questions'?",
        ),
        ((tmp_path, asked), "holds no saved student; name a run folder"),
        ((student, "none.jsonl"), "no file 'none.jsonl' in"),
        ((student, "none.txt"), "'none.txt' is of no known form; expected a name ending in .jsonl"),
        ((student, asked, "--out", asked), "is the file of questions itself; name another with --out"),
    ):
        said = tuition("predict", *words)
        assert (said.code, said.out) == (2, "")
        assert error in said.error
    (tmp_path / "asked.answers.jsonl").write_text("mine")
    said = tuition("predict", student, asked)
    assert said.code == 2 and "name another file with --out OTHER, or write it anew with --anew" in said.error
    assert tuition("predict", student, asked, "--anew").code == 0


def test_an_interruption_is_told_and_gone_on_with(tuition, student, asked, monkeypatch):
    from tuition.operate import predict as predicting

    real, calls = predicting.write_rows, []

    def interrupted(*words):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*words)

    monkeypatch.setattr(predicting, "write_rows", interrupted)
    said = tuition("predict", student, asked, "--set", "batch_questions=4")
    assert said.code == 1
    assert "interrupted; what asked.answers.jsonl holds is kept, the same command goes on" in said.error
    monkeypatch.setattr(predicting, "write_rows", real)
    said = tuition("predict", student, asked)
    assert "Wrote asked.answers.jsonl: 10 answers (4 were there before), 0 of them unreadable." in said.out
