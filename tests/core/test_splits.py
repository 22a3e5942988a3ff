import dataclasses

import pytest

from tuition.core.errors import DataError
from tuition.core.records import Example
from tuition.core.splits import SealedTest, bare, fingerprint, relabelled

ITEMS = [Example(id=f"t{i}", question=f"what is {i}?", answer=str(i)) for i in range(3)]


def test_it_can_be_counted_but_not_looked_at():
    sealed = SealedTest(ITEMS)
    assert len(sealed) == 3
    with pytest.raises(DataError, match="the test split is sealed"):
        list(sealed)
    with pytest.raises(DataError, match="the test split is sealed"):
        sealed[0]
    assert not [value for value in vars(sealed).values() if value == ITEMS]


def test_it_opens_once():
    sealed = SealedTest(ITEMS)
    assert list(sealed.open("run-a")) == ITEMS
    with pytest.raises(DataError, match="read already, by 'run-a'"):
        sealed.open("run-b")


def test_overlap_shows_by_fingerprint_alone():
    sealed = SealedTest(ITEMS)
    assert fingerprint(Example(id="x", question="What  is 2?")) in sealed.fingerprints
    assert fingerprint(Example(id="x", question="what is 7?")) not in sealed.fingerprints


def test_a_fingerprint_does_not_see_the_order_of_choices():
    left = Example(id="a", question="which?", choices=("x", "y"))
    right = Example(id="b", question="Which?", choices=("Y", "x"))
    assert fingerprint(left) == fingerprint(right)


def labelled(answer):
    return lambda asked: [dataclasses.replace(item, answer=answer, label_source="majority") for item in asked]


class TestRelabelled:
    MIXED = (*ITEMS, Example(id="t3", question="what is 3?"))

    def test_only_what_has_no_label_gets_one(self):
        made = relabelled(self.MIXED, labelled("x"))
        assert made[:3] == tuple(ITEMS)
        assert (made[3].answer, made[3].label_source) == ("x", "majority")

    def test_or_every_example_where_labels_give_way(self):
        made = relabelled(self.MIXED, labelled("x"), replace=True)
        assert {(item.answer, item.label_source) for item in made} == {("x", "majority")}
        assert [bare(item) for item in made] == [bare(item) for item in self.MIXED]

    def test_a_labeller_sees_no_label(self):
        seen = []

        def label(asked):
            seen.extend(asked)
            return [None] * len(asked)

        assert relabelled(ITEMS, label, replace=True) == ()
        assert [(item.answer, item.label_source) for item in seen] == [(None, "")] * 3

    def test_nobody_is_asked_about_nothing(self):
        assert relabelled(ITEMS, lambda asked: 1 / 0) == tuple(ITEMS)

    def test_the_first_alone_are_looked_at_and_kept(self):
        assert [item.id for item in relabelled(self.MIXED, labelled("x"), first=2)] == ["t0", "t1"]

    def test_what_is_left_out_leaves_the_others_in_order(self):
        made = relabelled(ITEMS, lambda asked: [asked[0], None, asked[2]], replace=True)
        assert [item.id for item in made] == ["t0", "t2"]

    @pytest.mark.parametrize(
        "label",
        [
            lambda asked: asked[1:],
            lambda asked: asked[::-1],
            lambda asked: [dataclasses.replace(item, question="?", answer="x") for item in asked],
        ],
    )
    def test_other_examples_are_refused(self, label):
        with pytest.raises(DataError, match=r"was given 3 examples and gave back \d.*label them one by one"):
            relabelled(ITEMS, label, replace=True)


class TestTheDoorForLabellers:
    def test_no_old_label_leaves_and_the_new_seal_holds_the_new_ones(self):
        seen = []

        def label(asked):
            seen.extend(asked)
            return labelled("x")(asked)

        made = SealedTest(ITEMS).relabelled(label, replace=True)
        assert {item.answer for item in seen} == {None}
        assert {item.label_source for item in seen} == {""}
        assert isinstance(made, SealedTest)
        with pytest.raises(DataError, match="the test split is sealed"):
            list(made)
        assert {item.answer for item in made.open("run")} == {"x"}

    def test_labels_that_are_there_stay_unless_told_otherwise(self):
        assert list(SealedTest(ITEMS).relabelled(lambda asked: 1 / 0).open("run")) == ITEMS

    def test_the_old_seal_opens_no_more(self):
        sealed = SealedTest(ITEMS)
        sealed.relabelled(labelled("x"))
        for again in (lambda: sealed.open("run"), lambda: sealed.relabelled(labelled("x"))):
            with pytest.raises(DataError, match="read already, by 'whoever labelled it, under a new seal'"):
                again()

    def test_a_labeller_that_fails_leaves_the_seal_whole(self):
        sealed = SealedTest(ITEMS)
        with pytest.raises(ZeroDivisionError):
            sealed.relabelled(lambda asked: 1 / 0, replace=True)
        assert list(sealed.open("run")) == ITEMS

    def test_an_opened_test_is_labelled_no_more(self):
        sealed = SealedTest(ITEMS)
        sealed.open("run")
        with pytest.raises(DataError, match="read already, by 'run'"):
            sealed.relabelled(labelled("x"), replace=True)
