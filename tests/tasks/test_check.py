import dataclasses

import pytest

from tuition.core.errors import DataError
from tuition.core.records import Example
from tuition.core.splits import SealedTest, Splits
from tuition.tasks import make_task
from tuition.tasks.check import (
    Finding,
    check_examples,
    check_labels,
    check_splits,
    finding,
    without_overlap,
)


def example(id, question=None, **fields):
    values = {"choices": ("a", "b"), "answer": "a", **fields}
    return Example(id=id, question=id if question is None else question, **values)


def found(findings):
    return {(item.split, item.kind): item.ids for item in findings}


def test_each_fault_is_found():
    examples = [
        example("one"),
        example("two", " ONE "),
        example("three", ""),
        example("four", answer="c"),
        example("five", choices=("a", "a")),
        example("six", answer=None),
    ]
    assert found(check_examples(examples, "train")) == {
        ("train", "duplicate"): ("two",),
        ("train", "empty_question"): ("three",),
        ("train", "answer_outside_choices"): ("four",),
        ("train", "equal_choices"): ("five",),
        ("train", "no_answer"): ("six",),
    }


def test_clean_examples_have_no_findings():
    splits = Splits(train=(example("a"),), valid=(example("b"),), test=SealedTest([example("c")]))
    assert check_splits(splits) == []


def test_the_sentence_names_three_and_counts_the_rest():
    (found,) = check_examples([example(f"e{i}", answer="c") for i in range(5)], "valid")
    assert found.count == 5
    assert found.sentence == (
        "valid: 5 have an answer that is none of their choices: 'e0', 'e1', 'e2' and 2 more"
    )
    assert Finding.from_json(found.to_json()) == found
    assert finding("overlap", "train", [], words="stand") == []


@pytest.fixture
def overlapping():
    train = tuple(example(name) for name in "abcd")
    valid = (example("v", "b"), example("w", "t"))
    return Splits(
        train=train, valid=valid, test=SealedTest([example("x", "C"), example("y", "t"), example("z", "")])
    )


def test_overlaps_are_found_and_the_test_stays_sealed(overlapping):
    findings = check_splits(overlapping)
    assert [(item.kind, item.split, item.ids) for item in findings] == [
        ("empty_question", "test", ("z",)),
        ("overlap", "valid", ("w",)),
        ("overlap", "train", ("c",)),
        ("overlap", "train", ("b",)),
    ]
    assert len(overlapping.test.open("the end")) == 3


def test_overlap_leaves_train(overlapping):
    splits, findings = without_overlap(overlapping)
    assert [item.id for item in splits.train] == ["a", "d"]
    assert splits.valid == overlapping.valid
    assert [(item.kind, item.ids) for item in findings] == [
        ("overlap_removed", ("c",)),
        ("overlap_removed", ("b",)),
    ]
    assert "left training because they stand in test" in findings[0].sentence
    assert without_overlap(splits) == (splits, [])


def test_without_test_nothing_leaves_for_it(overlapping):
    splits, _ = without_overlap(dataclasses.replace(overlapping, test=None))
    assert [item.id for item in splits.train] == ["a", "c", "d"]


def labelled(*labels):
    return [Example(id=f"{label}", question="q", answer=label) for label in labels]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("number", ("12", "3 apples", "1/2"), ("twelve", "7 May 1990")),
        ("yes_no", ("yes", "No."), ("true", "maybe")),
        ("free_text", ("7 May", "!"), ("  ", "So 6.\nAnswer: 6", r"Hence \boxed{6}.", "6 is\nright")),
        ("mixed", ("12", "twelve", "yes", "12a"), ("2 + 4 = 6, so the answer is 6.", "3 + 3\n= 6")),
    ],
)
def test_labels_that_the_kind_cannot_read_are_found_in_every_split(kind, good, bad):
    rows = tuple(labelled(*good, None, *bad))
    splits = Splits(train=rows, valid=rows, test=SealedTest(rows))
    findings = check_labels(splits, make_task(kind))
    expected = [("unreadable_label", split, bad) for split in ("train", "valid", "test")] if bad else []
    assert [(item.kind, item.split, item.ids) for item in findings] == [
        (name, split, ids[:3]) for name, split, ids in expected
    ]
    assert len(splits.test.open("the end")) == len(rows)


def test_the_finding_about_labels_names_the_kind():
    splits = Splits(train=tuple(labelled("twelve")), valid=(), test=None)
    (found,) = check_labels(splits, make_task("number"))
    assert (
        found.sentence
        == "train: 1 have a label that the task kind 'number' cannot read (the first is 'twelve'): 'twelve'"
    )


class Broken:
    name = "broken"
    version = "1"

    def read(self, text, example):
        return text

    def grade(self, answer, example):
        return {}[answer]


def test_a_task_that_fails_on_a_label_has_not_read_it():
    splits = Splits(train=tuple(labelled("a", "b")), valid=(), test=None)
    (found,) = check_labels(splits, Broken())
    assert found.count == 2


def test_the_sealed_test_refuses_to_be_walked(overlapping):
    with pytest.raises(DataError, match="the test split is sealed"):
        list(overlapping.test)
