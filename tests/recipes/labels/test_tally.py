import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.errors import DataError
from tuition.core.records import Example
from tuition.experiment.config import LabelsConfig
from tuition.experiment.labels.tally import HumanLabels, Tally, in_one_form, tallies
from tuition.tasks import TASKS, make_task

OPEN = Example(id="q", question="how many?")
CLOSED = Example(id="c", question="which?", choices=("North", "north pole", "South"))
BY_THREE = {"valid": "weighted", "train": "majority", "test": "teacher", "teacher": "b"}


def formed(kind, example, *answers):
    said = dict(zip("abcde", answers, strict=False))
    return list(in_one_form(said, example, make_task(kind)).values())


class TestInOneForm:
    def test_numbers_are_counted_together_whatever_their_form(self):
        assert formed("number", OPEN, "1,200", "1200", "1200.0", "7") == ["1,200", "1,200", "1,200", "7"]

    def test_the_form_that_most_votes_are_right_by_stands_for_all(self):
        # "12 apples" is a free text to `mixed`, so "12" is wrong by it; by "12" both are right
        assert formed("mixed", OPEN, "12 apples", "12", "13") == ["12", "12", "13"]

    def test_case_and_marks_do_not_divide(self):
        assert formed("free_text", OPEN, "7 May", "7 may.", "8 May") == ["7 May", "7 May", "8 May"]
        assert formed("yes_no", OPEN, "yes", "Yes", "no") == ["yes", "yes", "no"]

    def test_an_option_is_written_as_it_stands(self):
        assert formed("multiple_choice", CLOSED, "south", "South.", "North") == ["South", "South", "North"]

    def test_what_could_be_no_label_is_no_answer(self):
        assert formed("multiple_choice", CLOSED, "West", None, "South") == [None, None, "South"]
        assert formed("number", OPEN, "many", "3", None) == [None, "3", None]
        assert formed("yes_no", OPEN, "perhaps", "no") == [None, "no"]

    @given(
        st.sampled_from(sorted(TASKS)),
        st.lists(st.sampled_from(["yes", "No", "3", "3.0", "three", "12 apples", "", None]), max_size=5),
    )
    def test_every_answer_is_right_by_its_own_form_and_the_order_stays(self, kind, answers):
        task, said = make_task(kind), dict(zip("abcde", answers, strict=False))
        found = in_one_form(said, OPEN, task)
        assert list(found) == list(said)
        for name, form in found.items():
            assert form is None or task.grade(said[name], dataclasses.replace(OPEN, answer=form)) == "right"
        assert in_one_form(found, OPEN, task) == found

    def test_the_label_of_the_example_is_not_looked_at(self):
        with_label = dataclasses.replace(OPEN, answer="yes")
        assert in_one_form({"a": "3"}, with_label, make_task("mixed")) == {"a": "3"}


class TestTallies:
    ANSWERS = (
        {"a": "1", "b": "1", "c": "2"},
        {"a": "1", "b": "2", "c": "2"},
        {"a": None, "b": None, "c": None},
        {"a": "3", "b": None, "c": None},
    )
    EXAMPLES = tuple(Example(id=f"q{i}", question=str(i)) for i in range(4))

    def judge(self, split, **more):
        config = LabelsConfig(**{**BY_THREE, **more})
        return tallies(config, split, self.EXAMPLES, answers=self.ANSWERS)

    def test_by_majority(self):
        found = self.judge("train")
        assert [tally.label for tally in found.tallies] == ["1", "2", None, "3"]
        assert [tally.confidence for tally in found.tallies] == pytest.approx([2 / 3, 2 / 3, None, 1.0])
        assert [tally.why for tally in found.tallies] == ["", "", "unanswered", ""]
        assert found.reliability == {}
        assert found.facts() == {
            "by": "majority",
            "n": 3,
            "unanswered": 1,
            "unsure": 0,
            "confidence": pytest.approx(7 / 9),
            "reliability": {},
        }

    def test_an_unsure_training_label_is_none(self):
        found = self.judge("train", least_confidence=0.7)
        assert [tally.label for tally in found.tallies] == [None, None, None, "3"]
        assert [tally.why for tally in found.tallies] == ["unsure", "unsure", "unanswered", ""]
        assert found.facts()["unsure"] == 2

    def test_but_validation_has_no_such_limit(self):
        found = self.judge("valid", least_confidence=1.0)
        assert [tally.why for tally in found.tallies] == ["", "", "unanswered", ""]
        assert set(found.reliability) == {"a", "b", "c"}
        assert {tally.source for tally in found.tallies} == {"weighted"}

    def test_by_one_teacher(self):
        found = self.judge("test")
        assert [tally.label for tally in found.tallies] == ["1", "2", None, None]
        assert {tally.source for tally in found.tallies} == {"teacher:b"}
        assert {tally.confidence for tally in found.tallies} == {None}

    def test_it_comes_back_from_json(self):
        for tally in self.judge("valid").tallies:
            assert Tally.from_json(json.loads(json.dumps(tally.to_json()))) == tally

    def test_a_tally_labels_its_example(self):
        first, _, third, _ = self.judge("train").tallies
        labelled = first.on(self.EXAMPLES[0])
        assert (labelled.answer, labelled.label_source) == ("1", "majority")
        assert third.on(self.EXAMPLES[2]) is None

    def test_two_options_say_more_than_four(self):
        answers = [{"a": "yes", "b": "no", "c": "yes"}, *[{"a": "no", "b": "no", "c": "no"}] * 9]
        shut = [Example(id=f"q{i}", question="?", choices=("yes", "no", "x", "y")) for i in range(10)]
        config = LabelsConfig(valid="weighted")
        two = tallies(config, "valid", [OPEN] * 10, answers=answers).tallies[0].confidence
        four = tallies(config, "valid", shut, answers=answers).tallies[0].confidence
        # of four options two wrong teachers would seldom name the same one
        assert two < four


class TestHumanLabels:
    def labels(self, tmp_path, text, **more):
        path = tmp_path / "labels.csv"
        path.write_text(text)
        return HumanLabels(LabelsConfig(**{"test": "file", "file": str(path), **more}))

    def test_they_are_read_as_labels_of_a_task_are(self, tmp_path):
        human = self.labels(tmp_path, "id,answer\nq,12\nc,C\n")
        found = human.tallies("test", [OPEN, CLOSED]).tallies
        assert [tally.label for tally in found] == ["12", "South"]
        assert {tally.source for tally in found} == {"human"}

    def test_a_split_column_tells_equal_ids_apart(self, tmp_path):
        human = self.labels(tmp_path, "id,split,answer\nq,test,1\nq,valid,2\nx,,3\n")
        assert [human.tallies(split, [OPEN]).tallies[0].label for split in ("test", "valid")] == ["1", "2"]
        assert human.missing("train", [OPEN]) == ["q"]
        assert (human.covers("x"), human.covers("q")) == (True, False)

    def test_columns_have_names(self, tmp_path):
        human = self.labels(tmp_path, "nr,said\nq,1\n", id_column="nr", answer_column="said")
        assert human.tallies("test", [OPEN]).tallies[0].label == "1"
        with pytest.raises(DataError, match=r"no column 'id', 'answer'; found: nr, said\. Name the columns"):
            self.labels(tmp_path, "nr,said\nq,1\n")

    def test_an_empty_cell_is_no_label(self, tmp_path):
        human = self.labels(tmp_path, "id,answer\nq,\n")
        assert human.missing("test", [OPEN, CLOSED]) == ["q", "c"]
        assert human.tallies("test", [OPEN]).tallies[0].why == "unanswered"

    def test_two_labels_for_one_example(self, tmp_path):
        with pytest.raises(DataError, match=r"labels example 'q' twice, differently; mend it"):
            self.labels(tmp_path, "id,answer\nq,1\nq,2\n")
        self.labels(tmp_path, "id,answer\nq,1\nq,1\n")

    def test_a_label_that_is_no_option(self, tmp_path):
        human = self.labels(tmp_path, "id,answer\nc,West\n")
        with pytest.raises(DataError, match=r"the row of 'c' has the answer 'West', which is none of its"):
            human.missing("test", [CLOSED])

    def test_a_label_that_the_task_cannot_read(self, tmp_path):
        human = self.labels(tmp_path, "id,answer\nq,many\n")
        assert human.misfits("test", [OPEN], make_task("number")) == ["q"]
        assert human.misfits("test", [OPEN], make_task("free_text")) == []
