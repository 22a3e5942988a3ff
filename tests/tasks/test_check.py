import dataclasses

import pytest

from tuition.core.errors import DataError
from tuition.core.records import Example
from tuition.core.splits import SealedTest, Splits
from tuition.tasks.check import Finding, check_examples, check_splits, without_overlap


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
    (finding,) = check_examples([example(f"e{i}", answer="c") for i in range(5)], "valid")
    assert finding.count == 5
    assert finding.sentence == (
        "valid: 5 have an answer that is none of their choices: 'e0', 'e1', 'e2' and 2 more"
    )
    assert Finding.from_json(finding.to_json()) == finding


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


def test_the_sealed_test_refuses_to_be_walked(overlapping):
    with pytest.raises(DataError, match="the test split is sealed"):
        list(overlapping.test)
