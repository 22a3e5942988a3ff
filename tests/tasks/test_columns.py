"""Nested columns, as the data sets on the hub have them."""

import pytest

from tuition.core.errors import DataError
from tuition.core.rows import write_rows
from tuition.tasks.columns import nested_names, nested_value
from tuition.tasks.config import TaskConfig
from tuition.tasks.load import read_examples

ROW = {
    "id": 7,
    "question": {"stem": "Which?", "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]},
    "choices": {"text": ["u", "v"], "label": ["A", "B"]},
    "a.b": "whole name",
    "a": {"b": "inner"},
    "empty": [],
}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", 7),
        ("question.stem", "Which?"),
        ("question.choices.text", ["x", "y"]),
        ("choices.text", ["u", "v"]),
        ("a.b", "whole name"),
        ("nothing", None),
        ("id.inner", None),
        ("question.nothing", None),
        ("choices.text.more", None),
        ("empty.text", None),
        ("", None),
    ],
)
def test_values(column, value):
    assert nested_value(ROW, column) == value


def test_names():
    assert nested_names(ROW) == [
        "id",
        "question.stem",
        "question.choices.text",
        "question.choices.label",
        "choices.text",
        "choices.label",
        "a.b",
        "a.b",
        "empty",
    ]


def read(tmp_path, rows, **columns):
    write_rows(tmp_path / "rows.jsonl", rows)
    examples, _ = read_examples(tmp_path / "rows.jsonl", TaskConfig(**columns), split="train")
    return examples


OPENBOOKQA = {
    "id": "7-980",
    "question_stem": "The sun is responsible for",
    "choices": {"text": ["puppies", "sunlight", "plants", "stars"], "label": ["A", "B", "C", "D"]},
    "answerKey": "C",
}
ARC = [
    {
        "id": "Mercury_1",
        "question": "Which number?",
        "choices": {"text": ["2", "1", "4", "3"], "label": ["1", "2", "3", "4"]},
        "answerKey": "1",
    },
    {
        "id": "Mercury_2",
        "question": "Which?",
        "choices": {"text": ["B", "A", "D"], "label": ["A", "B", "C"]},
        "answerKey": "A",
    },
]
ARC_LINES = {
    "id": "M3",
    "question": {"stem": "Which?", "choices": [{"text": "no", "label": "A"}, {"text": "yes", "label": "B"}]},
    "answerKey": "B",
}
PIQA = {"goal": "Open it", "sol1": "push", "sol2": "pull", "label": 1}
PUBMEDQA = {
    "pubid": 21645374,
    "question": "Do mitochondria?",
    "context": {"contexts": ["First.", "Second."], "labels": ["A", "B"]},
    "final_decision": "yes",
}


def test_openbookqa(tmp_path):
    [example] = read(
        tmp_path,
        [OPENBOOKQA],
        kind="multiple_choice",
        question_column="question_stem",
        choices_column="choices.text",
        answer_column="answerKey",
    )
    assert (example.id, example.answer) == ("7-980", "plants")
    assert example.choices == ("puppies", "sunlight", "plants", "stars")


def test_the_marks_of_the_file_come_before_texts_that_look_like_them(tmp_path):
    columns = {"choices_column": "choices.text", "answer_column": "answerKey"}
    assert [example.answer for example in read(tmp_path, ARC, **columns)] == ["2", "B"]
    assert [example.answer for example in read(tmp_path, ARC, label="letter", **columns)] == ["2", "B"]
    assert [example.answer for example in read(tmp_path, ARC, label="text", **columns)] == ["1", "A"]


def test_options_in_a_list_of_objects(tmp_path):
    [example] = read(
        tmp_path,
        [ARC_LINES],
        question_column="question.stem",
        choices_column="question.choices.text",
        answer_column="answerKey",
    )
    assert (example.question, example.choices, example.answer) == ("Which?", ("no", "yes"), "yes")


LABELLED = [{"label": "A", "text": "cat"}, {"label": "B", "text": "dog"}]


@pytest.mark.parametrize(
    ("choices", "columns", "label"),
    [
        ({"A": "cat", "B": "dog", "C": None}, "choices", "B"),
        ({"B": "dog", "A": "cat"}, "choices", "B"),
        ('{"A": "cat", "B": "dog"}', "choices", "B"),
        ({"text": ["cat", "dog"], "label": ["1", "2"]}, "choices", "2"),
        (LABELLED, "choices", "B"),
        (LABELLED, "choices.text", "dog"),
        ({"optionA": "cat", "optionB": "dog"}, ["choices.optionA", "choices.optionB"], "choices.optionB"),
        (["cat", "dog"], "choices", "B. dog"),
        (["A) cat", "B) dog"], "choices", "dog"),
        (["cat", "dog"], "choices", 1.0),
    ],
)
def test_options_and_their_names_in_any_form(tmp_path, choices, columns, label):
    rows = [{"question": f"{i}?", "choices": choices, "answer": one} for i, one in enumerate([label, "  "])]
    first, second = read(tmp_path, rows, choices_column=columns)
    assert (first.answer.removeprefix("B) "), second.answer) == ("dog", None)


def test_truth_is_yes_or_no_and_positions_may_be_decimals(tmp_path):
    boolq = [{"question": f"{one}?", "choices": ["Yes", "No"], "answer": one} for one in (True, False)]
    assert [example.answer for example in read(tmp_path, boolq)] == ["Yes", "No"]
    gapped = [{"question": f"{one}?", "choices": ["a", "b"], "answer": one} for one in ("0.0", "1.0")]
    assert [example.answer for example in read(tmp_path, gapped, label="index")] == ["a", "b"]


def test_piqa_and_pubmedqa(tmp_path):
    [example] = read(
        tmp_path, [PIQA], question_column="goal", choices_column=["sol1", "sol2"], answer_column="label"
    )
    assert example.answer == "pull"
    [example] = read(
        tmp_path,
        [PUBMEDQA],
        id_column="pubid",
        context_column="context.contexts",
        answer_column="final_decision",
    )
    assert (example.id, example.context, example.answer) == ("21645374", "First.\nSecond.", "yes")


def test_faults_name_what_lies_inside(tmp_path):
    with pytest.raises(
        DataError, match=r"no column 'choices.texts' \(choices_column\); did you mean 'choices.text'"
    ):
        read(tmp_path, ARC, choices_column="choices.texts", answer_column="answerKey")
    nested = [{"question": "q", "choices": {"a": ["x"], "b": ["y"]}, "answer": "x"}]
    with pytest.raises(DataError, match=r"has a dict in column 'choices'; expected .*, such as 'choices.a'"):
        read(tmp_path, nested)
    with pytest.raises(
        DataError, match=r"has a dict in column 'question'; expected a text, such as 'question.stem'"
    ):
        read(tmp_path, [ARC_LINES], answer_column="answerKey")
    with pytest.raises(DataError, match="has an empty choice"):
        read(tmp_path, [{"question": "q", "choices": ["a", None], "answer": "a"}])


def test_ids_of_a_data_set_name_it_and_its_split(tmp_path, monkeypatch):
    import datasets

    from tuition.tasks.load import FileSource

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for split, n in (("train", 3), ("test", 2)):
        rows = [{"question": f"{split} {i}?", "answer": str(i)} for i in range(n)]
        write_rows(tmp_path / "v1.5" / f"{split}.jsonl", rows)
    places = {split: f"hub:{tmp_path}/v1.5:{split}" for split in ("train", "test")}
    splits = FileSource(TaskConfig(**places, valid_share=0)).load()
    assert [example.id for example in splits.train] == ["v1.5-train-1", "v1.5-train-2", "v1.5-train-3"]
    assert splits.test.check(lambda examples: [example.id for example in examples]) == [
        "v1.5-test-1",
        "v1.5-test-2",
    ]
