"""Asked of every kind of task."""

import pytest

from tuition.core.errors import DataError
from tuition.core.records import Example, Grade
from tuition.tasks import TASKS, make_task

LONG = Example(
    id="l",
    question="q",
    choices=("Pay Rs. 1000 on Dec. 21. Wait.", "Pay Rs. 1000", "A, B and C"),
    answer="Pay Rs. 1000 on Dec. 21. Wait.",
)
OPTIONS = Example(id="o", question="q", choices=("red fox", "blue whale", "green frog"), answer="blue whale")
NUMBER = Example(id="n", question="q", answer="1250.5")
YES = Example(id="y", question="q", answer="no")
DATE = Example(id="d", question="q", answer="7 May")
ROOT = Example(id="r", question="q", answer="\\frac{\\sqrt{3}}{2}")
STRING = Example(id="s", question="q", answer="05/01/2021")
EXAMPLES = (OPTIONS, LONG, NUMBER, YES, STRING, DATE, ROOT)


def takes(name, example):
    """Whether a kind can ask a question: its bare label is an answer, and the right one."""
    task = make_task(name)
    try:
        return task.grade(task.read(example.answer, example), example) is Grade.RIGHT
    except DataError:
        return False


CASES = [(name, example) for name in TASKS for example in EXAMPLES if takes(name, example)]
JUNK = "Well, that depends on many things.\nLet us think about what it could mean.\nHard to say, really"


def test_every_kind_takes_a_question_and_every_question_has_two_kinds():
    assert {name for name, _ in CASES} == set(TASKS)
    assert all(sum(other is example for _, other in CASES) >= 2 for example in EXAMPLES)


@pytest.mark.parametrize(("name", "example"), CASES)
class TestEveryTask:
    @pytest.mark.parametrize("form", ["{}.", "So the answer is {}.", "Thus.\n#### {}", "First.\nAnswer: {}"])
    def test_the_gold_answer_is_read_and_right(self, name, example, form):
        task = make_task(name)
        answer = task.read(form.format(example.answer), example)
        assert task.grade(answer, example) is Grade.RIGHT

    def test_reading_again_what_was_read_changes_nothing(self, name, example):
        task = make_task(name)
        answer = task.read(f"The answer is {example.answer}.", example)
        assert answer is not None
        assert task.read(answer, example) == answer

    def test_an_answer_that_is_asked_and_not_kept_is_unreadable(self, name, example):
        assert make_task(name).read(f"The answer is {example.answer}? No.", example) is None

    @pytest.mark.parametrize("text", ["", "  \n ", JUNK, "So the answer is", "The answer is"])
    def test_junk_and_emptiness_are_unreadable(self, name, example, text):
        task = make_task(name)
        answer = task.read(text, example)
        assert answer is None
        assert task.grade(answer, example) is Grade.UNREADABLE

    def test_an_invented_next_question_is_not_read(self, name, example):
        text = f"We look at it.\nQuestion: another one?\nThe answer is {example.answer}."
        assert make_task(name).read(text, example) is None

    def test_an_example_without_label_is_not_graded(self, name, example):
        task = make_task(name)
        bare = Example(id="x", question="q", choices=example.choices)
        with pytest.raises(DataError, match="example 'x' has no label"):
            task.grade("anything", bare)

    def test_it_has_a_name_and_a_version(self, name, example):
        task = make_task(name)
        assert task.name == name
        assert task.version
