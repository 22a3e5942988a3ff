import re

import pytest

from tuition.core.config import meanings, parse
from tuition.core.errors import ConfigError, DataError
from tuition.core.rows import write_rows
from tuition.tasks.config import TaskConfig
from tuition.tasks.load import FileSource, read_examples


def rows(n, *, start=0):
    return [
        {"id": f"r{i}", "question": f"What is {i}?", "choices": ["one", "two"], "answer": "two"}
        for i in range(start, start + n)
    ]


def config(folder, **fields):
    return TaskConfig(**{"train": str(folder / "train.jsonl"), **fields})


def load(folder, train, **fields):
    write_rows(folder / "train.jsonl", train)
    return FileSource(config(folder, **fields)).load()


def test_rows_become_examples(tmp_path):
    row = {
        "id": 7,
        "question": "q",
        "choices": ["a", "b"],
        "answer": "b",
        "context": "c",
        "domain": "d",
        "more": [1],
    }
    (example,) = load(tmp_path, [row], valid_share=0).train
    assert example.to_json() == {
        "id": "7",
        "question": "q",
        "choices": ("a", "b"),
        "context": "c",
        "answer": "b",
        "label_source": "gold",
        "domain": "d",
        "split": "train",
    }


def test_a_csv_with_own_columns(tmp_path):
    (tmp_path / "own.csv").write_text("frage,a,b,c,loesung,fach\nWas?,x,y,,B,Bio\nWo?,p,q,r,c,Geo\n")
    own = TaskConfig(
        train="own.csv",
        question_column="frage",
        choices_column=("a", "b", "c"),
        answer_column="loesung",
        domain_column="fach",
    )
    examples, faults = read_examples(tmp_path / "own.csv", own, split="train")
    assert [(e.id, e.choices, e.answer, e.domain) for e in examples] == [
        ("own-1", ("x", "y"), "y", "Bio"),
        ("own-2", ("p", "q", "r"), "r", "Geo"),
    ]
    assert faults == {}


@pytest.mark.parametrize(
    ("label", "value", "answer"),
    [
        ("auto", "two", "two"),
        ("auto", " Two. ", "two"),
        ("auto", "B", "two"),
        ("auto", "(b)", "two"),
        ("auto", 1, "two"),
        ("auto", None, None),
        ("index", "1", "two"),
        ("letter", "A", "one"),
        ("text", "one", "one"),
    ],
)
def test_labels(tmp_path, label, value, answer):
    row = {"question": "q", "choices": "one | two", "answer": value}
    (example,) = load(tmp_path, [row], label=label, valid_share=0).train
    assert example.answer == answer


def test_a_label_beyond_z_is_a_pair_of_letters(tmp_path):
    row = {"question": "q", "choices": [f"n{i}" for i in range(30)], "answer": "(AD)"}
    (example,) = load(tmp_path, [row], label="letter", valid_share=0).train
    assert example.answer == "n29"
    with pytest.raises(DataError, match=r"has the answer 'ae', which is none of its choices"):
        load(tmp_path, [{**row, "answer": "ae"}], label="letter")


@pytest.mark.parametrize(("label", "value"), [("text", 1), ("text", "B"), ("auto", "x")])
def test_an_answer_outside_the_choices_is_told_with_row_and_id(tmp_path, label, value):
    train = [*rows(16), {"id": "odd", "question": "q", "choices": ["one", "two"], "answer": value}]
    with pytest.raises(
        DataError, match=r"train\.jsonl': 1 of 17 rows .* row 17 \(id 'odd'\) has the answer .*one \| two"
    ) as caught:
        load(tmp_path, train, label=label)
    assert "set label in [task] to what the labels are" in str(caught.value)
    assert "drop_bad_rows" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": " "}, "has an empty question"),
        ({"question": ["q"]}, "has a list in column 'question'; expected a text"),
        ({"choices": ["one"]}, "has 1 choices; multiple choice needs two or more"),
        ({"choices": ["one", ""]}, "has an empty choice"),
        ({"choices": 5}, "has a int in column 'choices'; expected a list"),
        ({"answer": {"a": 1}}, "has a dict as answer"),
        ({"id": "r0"}, r"row 3 \(id 'r0'\) repeats the id of an earlier row"),
    ],
)
def test_bad_rows_are_refused_or_left_out(tmp_path, row, words):
    train = [*rows(2), {**rows(1, start=2)[0], **row}]
    with pytest.raises(DataError, match=f"{words}.*set drop_bad_rows = true"):
        load(tmp_path, train, kind="multiple_choice")
    source = FileSource(config(tmp_path, kind="multiple_choice", drop_bad_rows=True, valid_share=0))
    assert [example.id for example in source.load().train] == ["r0", "r1"]
    assert [(finding.kind, finding.count) for finding in source.findings] == [("bad_row", 1)]
    assert re.match(rf"train: 1 rows were left out \(.*{words}.*\): 'r", source.findings[0].sentence)


def test_an_index_beyond_the_choices_is_told(tmp_path):
    with pytest.raises(
        DataError, match=r"row 1 \(id 'odd'\) has the answer '2', which is none of its choices"
    ):
        load(tmp_path, [{"id": "odd", "question": "q", "choices": "one|two", "answer": "2"}], label="index")


def test_at_most_three_bad_rows_are_shown(tmp_path):
    with pytest.raises(DataError, match=r"5 of 5 rows .*row 3 .*; and 2 more\. Mend them"):
        load(tmp_path, [{**row, "question": ""} for row in rows(5)])


def test_a_missing_column_is_told_with_the_nearest(tmp_path):
    with pytest.raises(
        DataError, match=r"no column 'question' \(question_column\); did you mean 'questions'\?"
    ) as caught:
        load(tmp_path, [{"questions": "q", "answer": "a"}])
    assert "Found: questions, answer" in str(caught.value)
    with pytest.raises(DataError, match=r"no column 'topic' \(domain_column\)"):
        load(tmp_path, rows(2), domain_column="topic")
    with pytest.raises(DataError, match=r"no column 'choices' \(choices_column\)"):
        load(tmp_path, [{"question": "q", "answer": "a"}], kind="multiple_choice")


def test_a_pool_without_labels_needs_no_answer_column(tmp_path):
    splits = load(tmp_path, [{"question": "q"}], answer_column="", valid_share=0)
    assert splits.train[0].answer is None


def test_every_file_that_is_wrong_is_named_at_once(tmp_path):
    (tmp_path / "test.jsonl").write_text("[1]\n")
    files = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "valid", "test")}
    with pytest.raises(
        DataError,
        match=r"no file 'train\.jsonl' in .*\n.*no file 'valid\.jsonl' in .*\n.*test\.jsonl' line 1 is",
    ):
        FileSource(TaskConfig(**files)).load()


def test_an_empty_file_and_no_file_are_refused(tmp_path):
    with pytest.raises(DataError, match="holds no row"):
        load(tmp_path, [])
    with pytest.raises(ConfigError, match="names no file; set train, valid or test"):
        FileSource(TaskConfig()).load()


def test_a_share_of_train_validates_and_repeats_stay_together(tmp_path):
    twins = [{**row, "id": f"{row['id']}-{i}"} for row in rows(20) for i in (0, 1)]
    splits = load(tmp_path, twins, valid_share=0.25)
    assert len(splits.valid) == 10
    assert len(splits.train) == 30
    assert not {e.question for e in splits.train} & {e.question for e in splits.valid}
    assert {e.split for e in splits.valid} == {"valid"}
    assert splits.valid == load(tmp_path, twins, valid_share=0.25).valid
    assert splits.valid != load(tmp_path, twins, valid_share=0.25, seed=1).valid


def test_overlap_leaves_train_unless_told_otherwise(tmp_path):
    write_rows(tmp_path / "test.jsonl", rows(5))
    files = {"test": str(tmp_path / "test.jsonl"), "valid_share": 0}
    assert len(load(tmp_path, rows(20), **files).train) == 15
    assert len(load(tmp_path, rows(20), **files, drop_overlap=False).train) == 20
    limited = load(tmp_path, rows(20), **files, limit_test=2)
    assert len(limited.test) == 2
    assert len(limited.train) == 15


def test_duplicates_leave_train_when_told_to(tmp_path):
    train = [*rows(3), {**rows(1)[0], "id": "again"}]
    write_rows(tmp_path / "train.jsonl", train)
    source = FileSource(config(tmp_path, drop_duplicates=True, valid_share=0))
    assert [example.id for example in source.load().train] == ["r0", "r1", "r2"]
    assert source.findings[0].ids == ("again",)
    assert source.findings[0].kind == "duplicate_removed"
    assert source.findings[0].sentence == "train: 1 repeats left training: 'again'"


def test_limits_draw_at_random_and_keep_the_order(tmp_path):
    first = load(tmp_path, rows(50), limit_train=10, limit_valid=2)
    ids = [example.id for example in first.train]
    assert len(ids) == 10
    assert len(first.valid) == 2
    assert ids == sorted(ids, key=lambda id: int(id[1:]))
    assert ids != [
        example.id for example in load(tmp_path, rows(50), limit_train=10, limit_valid=2, seed=1).train
    ]


def test_unknown_keys_are_told():
    with pytest.raises(ConfigError, match="unknown key 'tran'; did you mean 'train'"):
        parse(TaskConfig, {"tran": "x"}, where="x.toml")


def test_the_section_is_small_and_documented():
    assert len(TaskConfig.model_fields) <= 30
    assert meanings(TaskConfig).keys() == TaskConfig.model_fields.keys()


def test_shared_data_load_with_their_known_faults(data, monkeypatch):
    monkeypatch.setenv("TUITION_DATA", str(data))
    source = FileSource(
        TaskConfig(train="data:tinyllm/obqa.train.jsonl.gz", valid="data:tinyllm/obqa.valid.jsonl.gz")
    )
    splits = source.load()
    assert (len(splits.train), len(splits.valid), splits.test) == (4950, 500, None)
    found = [(finding.kind, finding.count) for finding in source.findings]
    assert found == [("overlap_removed", 7), ("near_duplicate", 3)]
