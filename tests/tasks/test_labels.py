"""How labels that name an option are read: right, or refused with the setting that decides; never guessed."""

import pytest

from tuition.core.errors import DataError
from tuition.core.rows import write_rows
from tuition.tasks.config import TaskConfig
from tuition.tasks.kinds import Mixed
from tuition.tasks.load import FileSource

WORDS = ("cat", "dog", "bird", "fish")
DIGITS = ("1", "2", "3", "4")
SIDES = ("2", "3", "4", "5")
SHUFFLED = ("B", "C", "A")


def load(folder, labels, **fields):
    """Read rows of (choices, label); the source has its findings then."""
    rows = [
        {"id": f"r{i}", "question": f"What is {i}?", "choices": list(choices), "answer": label}
        for i, (choices, label) in enumerate(labels)
    ]
    write_rows(folder / "train.jsonl", rows)
    source = FileSource(TaskConfig(train=str(folder / "train.jsonl"), valid_share=0, **fields))
    return source, [example.answer for example in source.load().train]


READ = [
    ("texts", [(WORDS, "dog"), (SIDES, "4")], ["dog", "4"]),
    ("letters", [(WORDS, "b"), (WORDS, "(C)")], ["dog", "bird"]),
    ("letters beside options that are letters", [(WORDS, "B"), (SHUFFLED, "B")], ["dog", "C"]),
    ("texts that are letters", [(SHUFFLED, "B"), (("A", "K"), "K")], ["B", "K"]),
    ("positions from 0", [(WORDS, 0), (WORDS, 3)], ["cat", "fish"]),
    ("positions beside options that are numbers", [(WORDS, 1), (SIDES, 2), (WORDS, 0)], ["dog", "4", "cat"]),
    ("numbers that are no positions", [(("7", "8", "9"), 8), (("10", "12"), 12)], ["8", "12"]),
    ("digits in a text that are options", [(SIDES, "2"), (SIDES, "5"), (("7", "8"), "8")], ["2", "5", "8"]),
    ("options that are their own places from 1", [(DIGITS, "2"), (DIGITS, "4")], ["2", "4"]),
    ("a text beside letters", [(WORDS, "bird"), (WORDS, "A")], ["bird", "cat"]),
    ("none", [(WORDS, None), (WORDS, 0)], [None, "cat"]),
]


@pytest.mark.parametrize(("labels", "answers"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_labels_are_read_as_all_of_them_agree(tmp_path, labels, answers):
    source, found = load(tmp_path, labels)
    assert found == answers
    assert source.findings == []


REFUSED = [
    (
        "a number that is an option and a position",
        [(DIGITS, 1)],
        r"1 of 'r0'|1, .*is '1' as text and is '2' as index",
    ),
    ("the same in a text", [(SIDES, "2"), (DIGITS, "3")], "2 labels can be read in two ways"),
    ("the same in two rows", [(DIGITS, 1), (SIDES, 2)], "2 labels can be read in two ways"),
    ("a letter that is an option", [(SHUFFLED, "B")], "'B' of 'r0', is 'B' as text and is 'C' as letter"),
    ("from 1 to the number of options", [(WORDS, 1), (WORDS, 4)], r"run 1…4, never 0 .*counted from 1\?"),
    ("from 1 in a text", [(WORDS, "1"), (WORDS, "4")], r"run 1…4, never 0 .*counted from 1\?"),
    ("never 0 in many rows", [(WORDS, 1 + i % 3) for i in range(20)], r"run 1…3, never 0 .*counted from 1\?"),
    (
        "from 0 in a text",
        [(WORDS, "0"), (WORDS, "3")],
        "whole numbers in text, and not all are an option's text",
    ),
    ("partly positions", [(WORDS, 0), (("8", "9"), 9), (DIGITS, 1)], "can be read in two ways"),
]


@pytest.mark.parametrize(("labels", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
@pytest.mark.parametrize("drops", [False, True])
def test_labels_that_could_mean_two_options_are_refused_with_the_setting(tmp_path, labels, words, drops):
    with pytest.raises(DataError, match=words) as caught:
        load(tmp_path, labels, drop_bad_rows=drops)
    assert "train.jsonl'" in str(caught.value) and "in [task]" in str(caught.value)
    assert "index1" in str(caught.value) and "drop_bad_rows" not in str(caught.value)


@pytest.mark.parametrize(("how", "answer"), [("text", "1"), ("index", "2"), ("index1", "1")])
def test_the_setting_decides(tmp_path, how, answer):
    assert load(tmp_path, [(DIGITS, 1)], label=how)[1] == [answer]


def test_positions_from_1(tmp_path):
    assert load(tmp_path, [(WORDS, 1), (WORDS, "4")], label="index1")[1] == ["cat", "fish"]
    with pytest.raises(DataError, match="has the answer 0, which is none of its choices"):
        load(tmp_path, [(WORDS, 0)], label="index1")


def test_a_few_whole_numbers_without_0_are_read_from_0_and_told(tmp_path):
    source, answers = load(tmp_path, [(WORDS, 1), (WORDS, 2)])
    assert answers == ["dog", "bird"]
    assert [(found.kind, found.count) for found in source.findings] == [("counted_from_1", 2)]
    assert "counted from 1? Set label = 'index1'" in source.findings[0].sentence


def test_the_files_of_a_task_decide_together(tmp_path):
    row = {"question": "Which flies?", "choices": list(WORDS)}
    write_rows(tmp_path / "valid.jsonl", [{**row, "answer": 2}])
    write_rows(tmp_path / "train.jsonl", [{**row, "question": "Which barks?", "answer": 0}])
    files = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "valid")}
    source = FileSource(TaskConfig(**files))
    assert source.load().valid[0].answer == "bird"
    assert source.findings == []


@pytest.mark.parametrize(
    ("label", "answer"),
    [
        ("20+22=<<20+22=42>>42\n#### 42", "42"),
        ("He pays twice.\n####  1,234 ", "1,234"),
        ("#### yes", "yes"),
        ("a #### b #### 7", "7"),
        ("We add $20+22=42$. So it is $\\boxed{42}$.", "42"),
        ("<think>Maybe 41.</think>\n\nThe answer is 42.", "42"),
        ("20+22=42. The answer is 42.", "42"),
        ("The answer is blowing in the wind", "The answer is blowing in the wind"),
        ("####", "####"),
        ("42", "42"),
        ("7 May", "7 May"),
    ],
)
@pytest.mark.parametrize("kind", ["mixed", "number", "free_text"])
def test_of_a_worked_solution_the_answer_is_the_label(tmp_path, label, answer, kind):
    write_rows(tmp_path / "train.jsonl", [{"question": "q", "answer": label}])
    source = FileSource(TaskConfig(train=str(tmp_path / "train.jsonl"), valid_share=0, kind=kind))
    (example,) = source.load().train
    assert example.answer == answer
    if answer == "1,234":
        assert Mixed().grade("1234", example).value == "right"


@pytest.mark.parametrize("rows", [["True", "False"], [1, 0], ["1", "0"], [True, False], ["yes", "no"]])
def test_truths_are_yes_and_no_where_these_are_asked_for(tmp_path, rows):
    write_rows(tmp_path / "t.jsonl", [{"question": f"q{i}", "answer": row} for i, row in enumerate(rows)])
    source = FileSource(TaskConfig(train=str(tmp_path / "t.jsonl"), valid_share=0, kind="yes_no"))
    assert [one.answer for one in source.load().train] == ["yes", "no"]
