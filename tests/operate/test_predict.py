"""`predict`: every row gets an answer, a second call goes on, and nothing that is there is lost."""

import csv
import gzip
import json
import math
import os
import signal
import subprocess
import sys
import time
import tracemalloc

import pytest
from asked import ASKED, ask_as, save_student, teach
from filelock import FileLock

from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Target
from tuition.core.rows import read_rows
from tuition.experiment.targets import question_text
from tuition.operate.predict import Speed, answers_file, predict
from tuition.operate.student import Student

ROWS = [
    {"n": -i, "question": one.question, "choices": list(one.choices), "context": one.context}
    for i, one in enumerate(ASKED)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return teach(tmp_path_factory.mktemp("taught") / "student")


@pytest.fixture(scope="module")
def untaught(tmp_path_factory):
    """A student that scores options, quickly."""
    place = tmp_path_factory.mktemp("untaught") / "student"
    return save_student(place, kind="mixed", scoring="options", max_tokens=4)


def written(path, rows=ROWS):
    """A file of questions, as its name says."""
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "wt", newline="", encoding="utf-8") as file:
        if ".csv" in path.name:
            table = csv.DictWriter(file, [*rows[0]])
            table.writeheader()
            table.writerows({**row, "choices": "|".join(row["choices"])} for row in rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def answer(student, file, out=None, *, size=4, progress=lambda *_: None, **more):
    out = out or answers_file(file)
    made = predict(student, file, out, speed=Speed(batch_questions=size), progress=progress, **more)
    return made, list(read_rows(out))


@pytest.mark.parametrize("end", [".jsonl", ".csv", ".ndjson.gz", ".csv.gz"])
@pytest.mark.parametrize("out", [None, "own/other.jsonl", "other.csv"])
def test_each_row_gets_an_answer(folder, end, out, tmp_path):
    file = written(tmp_path / f"asked.by{end}")
    assert answers_file(file).name == f"asked.by.answers{end}"
    made, rows = answer(folder, file, out and tmp_path / out)
    assert (made.rows, made.of, made.new, made.unreadable) == (10, 10, 10, 0)
    assert [*rows[0]] == [*ROWS[0], "answer", "answer_text", "confidence", "unreadable"]
    assert [str(row["question"]) for row in rows] == [row["question"] for row in ROWS]
    assert [str(row["n"]) for row in rows] == [str(row["n"]) for row in ROWS]
    found = Student.load(folder).answer_all(ASKED)
    for row, prediction in zip(rows, found, strict=True):
        assert (row["answer"], row["answer_text"]) == (prediction.answer, prediction.text)
        assert float(row["confidence"]) == pytest.approx(prediction.confidence, abs=1e-5)
        assert row["unreadable"] in (False, "false")


def test_the_confidence_of_a_text_is_the_mean_of_its_tokens_probabilities(folder):
    student = Student.load(folder)
    for example, found in zip(ASKED, student.answer_all(ASKED), strict=True):
        target = Target(example=example, prefix="predict: ", input=question_text(example), output=found.text)
        [logprobs] = student.learner.score([target])
        assert len(logprobs) == found.output_tokens
        assert found.confidence == pytest.approx(math.exp(sum(logprobs) / len(logprobs)), rel=1e-3)
    assert 0.5 < found.confidence <= 1


@pytest.mark.parametrize("name", ["llama-nano", "bert-nano"])
def test_the_confidence_of_a_scored_option_is_its_share(name, tmp_path):
    how = {"kind": "mixed", "scoring": "options", "max_tokens": 4}
    student = Student.load(save_student(tmp_path / "pupil", name, **how))
    for found in student.answer_all(ASKED):
        total = sum(map(math.exp, found.option_scores))
        assert found.confidence == pytest.approx(math.exp(max(found.option_scores)) / total)


def test_what_cannot_be_read_has_no_answer_and_no_confidence(tmp_path):
    student = save_student(tmp_path / "pupil", kind="mixed", scoring="generate", max_tokens=4)
    made, rows = answer(student, written(tmp_path / "asked.jsonl"))
    silent = [row for row in rows if row["unreadable"]]
    assert len(silent) == made.unreadable > 0
    assert {(row["answer"], row["confidence"]) for row in silent} == {(None, None)}
    assert all(row["answer_text"] for row in silent)


def test_labels_are_not_looked_at_and_columns_of_the_same_name_stay(untaught, tmp_path):
    bare, _ = written(tmp_path / "bare.jsonl"), written(tmp_path / "own.jsonl")
    labelled = [{**row, "answer": ["no", {"label": 1}], "unreadable": 5} for row in ROWS]
    made, rows = answer(untaught, written(tmp_path / "own.jsonl", labelled))
    assert made.renamed == ("answer", "unreadable")
    assert rows[0]["given_answer"] == ["no", {"label": 1}] and rows[0]["given_unreadable"] == 5
    assert [row["answer"] for row in rows] == [row["answer"] for row in answer(untaught, bare)[1]]
    again = [{**row, "given_answer": 1} for row in labelled]
    with pytest.raises(DataError, match="line 1 has both 'answer' and 'given_answer', the name it would get"):
        answer(untaught, written(tmp_path / "again.jsonl", again))


def test_columns_of_some_rows_are_columns_of_a_table(untaught, tmp_path):
    rows = [*ROWS[:2], {**ROWS[2], "more": {"a": [1, None]}, "=1+1": "=cmd|' /C calc'!A0"}, *ROWS[3:]]
    answer(untaught, written(tmp_path / "asked.jsonl", rows), tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text()
    assert text.startswith("n,question,choices,context,more,'=1+1,answer,answer_text,confidence,unreadable\n")
    table = list(read_rows(tmp_path / "out.csv"))
    assert (table[2]["more"], table[2]["'=1+1"]) == ('{"a": [1, null]}', "'=cmd|' /C calc'!A0")
    assert table[3]["n"] == "-3" and table[3]["more"] == ""
    # the answers are a file of questions, too
    made, _ = answer(untaught, tmp_path / "out.csv")
    assert made.renamed == ("answer", "answer_text", "confidence", "unreadable")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"question": " "}, "has an empty question"),
        ({"q": "why?"}, "has an empty question"),
        ({"question": {"stem": "why?"}, "choices": ["a", "b"]}, "has a dict in column 'question'"),
        ({"question": "why?", "choices": ["a"]}, "has 1 choices; multiple choice needs two or more"),
        ({"question": "why?", "choices": ["a", " "]}, "has an empty choice"),
        ({"question": "why?", "choices": ["a", "b"], "context": [1]}, "has a list in column 'context'"),
        ({"question": "why?", "choices": ["a", "b"], "n": 1e999}, "has a number too large for JSON"),
    ],
)
def test_a_row_that_is_no_question_is_named_before_anything_is_computed(untaught, bad, said, tmp_path):
    file = tmp_path / "asked.jsonl"
    lines = [json.dumps(row) for row in ROWS[:3]]
    file.write_text("\n".join([*lines, "", json.dumps(bad).replace("Infinity", "1e999"), lines[0]]) + "\n")
    with pytest.raises(DataError) as error:
        answer(untaught, file)
    assert f"asked.jsonl': 1 of 5 rows cannot be answered: line 5 {said}" in str(error.value)
    assert "Nothing was computed. Expected the column question, and choices" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["asked.jsonl"]


def test_three_faults_are_shown_and_the_rest_counted(untaught, tmp_path):
    text = "question,choices\n" + "".join(f'"why\n{i}?",\n' for i in range(5))
    (tmp_path / "asked.csv").write_text(text)
    with pytest.raises(
        DataError, match=r"5 of 5 rows .*: line 2 has 0 .*; line 4 .*; line 6 .*; and 2 more\."
    ):
        answer(untaught, tmp_path / "asked.csv")
    (tmp_path / "empty.csv").write_text("question,choices\n")
    with pytest.raises(DataError, match="holds no row; expected at least one question"):
        answer(untaught, tmp_path / "empty.csv")


def test_a_student_that_writes_needs_no_choices(tmp_path):
    student = save_student(tmp_path / "pupil", kind="mixed", scoring="generate", max_tokens=4)
    made, _ = answer(student, written(tmp_path / "asked.jsonl", [{"question": "how much is 3 + 4?"}]))
    assert made.rows == 1


class Stopped(Exception):
    pass


def stopping(after):
    """Progress that ends the work when so many answers are written."""

    def progress(_, done, total):
        if done >= after:
            raise Stopped

    return progress


@pytest.mark.parametrize("end", [".jsonl", ".csv", ".jsonl.gz", ".csv.gz"])
def test_a_second_call_goes_on_and_drops_a_torn_line(untaught, end, tmp_path):
    file, out, whole = (written(tmp_path / f"asked{end}"), tmp_path / f"o{end}", tmp_path / f"w{end}")
    answer(untaught, file, whole)
    with pytest.raises(Stopped):
        answer(untaught, file, out, progress=stopping(8))
    assert len(list(read_rows(out))) == 8
    with out.open("ab") as torn:
        torn.write(whole.read_bytes()[out.stat().st_size :][:-3])
    told = []
    made, _ = answer(untaught, file, out, progress=lambda *step: told.append(step))
    assert (made.rows, made.new) == (10, 2)
    assert told == [("predict", 8, 10), ("predict", 10, 10)]
    assert out.read_bytes() == whole.read_bytes()
    before = out.stat().st_mtime_ns
    assert answer(untaught, file, out, progress=stopping(0))[0].new == 0
    assert out.stat().st_mtime_ns == before


@pytest.mark.timeout(300)
def test_a_process_that_is_killed_is_gone_on_with(untaught, tmp_path):
    rows = [{**row, "n": i} for i, row in enumerate(ROWS * 20)]
    file, out = written(tmp_path / "asked.jsonl", rows), tmp_path / "asked.answers.jsonl"
    command = [
        sys.executable,
        "-m",
        "tuition",
        "predict",
        str(untaught),
        str(file),
        "--set",
        "batch_questions=1",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 200
    while process.poll() is None and not (out.exists() and out.stat().st_size > 2000):
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len(out.read_bytes().splitlines())
    assert 2 <= there < 200
    made, found = answer(untaught, file, size=64)
    assert (made.rows, [row["n"] for row in found]) == (200, list(range(200)))
    assert there - 1 <= 200 - made.new <= there


def test_other_students_files_and_hands_are_refused_and_nothing_is_lost(untaught, folder, tmp_path):
    file, out = written(tmp_path / "asked.jsonl"), tmp_path / "out.jsonl"
    out.write_text("my own notes")
    with pytest.raises(
        DataError, match=r"out.jsonl' was not written by `tuition predict`, or .* is gone; name"
    ):
        answer(untaught, file, out)
    assert out.read_text() == "my own notes"
    answer(untaught, file, out, is_anew=True)
    way_out = "name another file with --out OTHER, or write it anew with --anew"
    with pytest.raises(DataError, match=f"holds the answers of another student; {way_out}"):
        answer(folder, file, out)
    written(file, ROWS[:5])
    with pytest.raises(
        DataError, match=f"holds the answers to another file, or to this one as it was; {way_out}"
    ):
        answer(untaught, file, out)
    assert answer(untaught, file, out, is_anew=True)[0].rows == 5
    out.write_text("")
    with pytest.raises(DataError, match=f"is shorter than it was when it was written; {way_out}"):
        answer(untaught, file, out)
    os.remove(out)
    assert answer(untaught, file, out)[0].new == 5
    (tmp_path / ".out.jsonl.state.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="was not written by `tuition predict`"):
        answer(untaught, file, out)


def test_a_page_beside_the_student_makes_it_no_other(tmp_path):
    student = save_student(tmp_path / "pupil", kind="mixed", scoring="options", max_tokens=4)
    file = written(tmp_path / "asked.jsonl")
    answer(student, file)
    (student / "MODEL_CARD.md").write_text("# A page")
    written(student / "more.jsonl")
    assert answer(student, file)[0].new == 0
    ask_as(student, option_score="mean")
    with pytest.raises(DataError, match="another student"):
        answer(student, file)


def test_the_file_of_questions_is_never_written(untaught, tmp_path):
    file = written(tmp_path / "asked.jsonl")
    (tmp_path / "same.jsonl").hardlink_to(file)
    for out in (file, tmp_path / "same.jsonl"):
        with pytest.raises(ConfigError, match="is the file of questions itself; name another with --out"):
            answer(untaught, file, out, is_anew=True)
    for name in ("out.txt", "out.parquet"):
        with pytest.raises(DataError, match=f"{name}' is of no known form"):
            answer(untaught, file, tmp_path / name)
    with pytest.raises(DataError, match=r"no file 'none\.jsonl' in"):
        answer(untaught, tmp_path / "none.jsonl")


def test_one_process_writes_a_file(untaught, tmp_path):
    file = written(tmp_path / "asked.jsonl")
    with (
        FileLock(tmp_path / ".asked.answers.jsonl.lock"),
        pytest.raises(ConfigError, match=r"answers\.jsonl' is being written by another process; wait for it"),
    ):
        answer(untaught, file)
    assert answer(untaught, file)[0].rows == 10
    assert not list(tmp_path.glob("*.lock"))


def test_inputs_that_are_cut_are_counted(tmp_path):
    student = save_student(
        tmp_path / "pupil", kind="mixed", scoring="options", max_tokens=4, max_input_tokens=160
    )
    rows = [*ROWS[:2], {**ROWS[2], "context": "on and on " * 30}, {**ROWS[3], "question": "why? " * 90}]
    made, _ = answer(student, written(tmp_path / "asked.jsonl", rows), size=2)
    assert (made.cut_contexts, made.cut_questions) == (1, 1)


def test_memory_does_not_grow_with_the_rows(tmp_path):
    student = save_student(tmp_path / "pupil", kind="mixed", scoring="generate", max_tokens=1)
    rows = [{"question": f"{i}?", "filler": f"{i} " * 9000} for i in range(500)]
    file = written(tmp_path / "asked.jsonl", rows)
    del rows
    assert file.stat().st_size > 15e6
    answer_few = Speed(batch_questions=16)
    predict(student, file, tmp_path / "a.jsonl", speed=answer_few, progress=lambda *_: None)
    tracemalloc.start()
    try:
        predict(student, file, tmp_path / "b.csv", speed=answer_few, progress=lambda *_: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8e6
    assert (tmp_path / "b.csv").stat().st_size > 15e6
