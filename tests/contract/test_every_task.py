"""Asked of every kind of task."""

import dataclasses

import pytest

from tuition.core.errors import DataError
from tuition.core.records import Example, Grade
from tuition.tasks import TASKS, make_task
from tuition.tasks.kinds import FreeText
from tuition.testing import check_task

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
RECORD = Example(id="f", question="q", answer='{"product": "phone", "model": "X2"}')
EXAMPLES = (OPTIONS, LONG, NUMBER, YES, STRING, DATE, ROOT, RECORD)


def takes(name, example):
    """Whether a kind can ask a question: its bare label is an answer, and the right one."""
    task = make_task(name)
    try:
        return task.grade(task.read(example.answer, example), example) is Grade.RIGHT
    except DataError:
        return False


CASES = [(name, example) for name in TASKS for example in EXAMPLES if takes(name, example)]


def test_every_kind_takes_a_question_and_every_question_has_two_kinds():
    assert {name for name, _ in CASES} == set(TASKS)
    assert all(sum(other is example for _, other in CASES) >= 2 for example in EXAMPLES)


@pytest.mark.parametrize(("name", "example"), CASES)
def test_it_keeps_the_contract(name, example):
    check_task(lambda: make_task(name), [example])
    assert make_task(name).name == name


class Careless(FreeText):
    """A task that keeps a clause of the contract no longer."""

    def __init__(self, **how):
        self.how = how

    def read(self, text, example):
        return self.how.get("read", super().read)(text, example)

    def grade(self, answer, example):
        return self.how.get("grade", super().grade)(answer, example)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"grade": lambda answer, example: Grade.WRONG}, r"graded wrong; it is the label, so right"),
        ({"read": lambda text, example: example.answer}, r"'' is read as '7 May'; it holds no answer"),
        ({"read": lambda text, example: text[:5] or None}, r"'7 May\.' is read as '7 May'|So th"),
        ({"grade": lambda answer, example: Grade.RIGHT}, "no answer must be graded UNREADABLE"),
    ],
)
def test_what_is_careless_is_told(how, words):
    with pytest.raises(AssertionError, match=words):
        check_task(lambda: Careless(**how), [DATE])


def test_a_label_must_be_graded_against_one():
    class Guessing(FreeText):
        def grade(self, answer, example):
            return super().grade(answer, example) if example.answer else Grade.WRONG

    with pytest.raises(AssertionError, match="grade must raise a DataError for an example without a label"):
        check_task(Guessing, [DATE])
    with pytest.raises(AssertionError, match="'d' has no label; give examples with labels"):
        check_task(FreeText, [dataclasses.replace(DATE, answer=None)])
