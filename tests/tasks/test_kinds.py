import pytest

from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example, Grade
from tuition.tasks import make_task
from tuition.tasks.kinds import FreeText, Mixed, MultipleChoice, Number, YesNo


def example(answer, *choices):
    return Example(id="e", question="q", answer=answer, choices=choices)


@pytest.mark.parametrize(
    ("answer", "label", "grade"),
    [
        ("1,250.50", "1250.5", "right"),
        ("3/4", "0.75", "right"),
        ("3", "4", "wrong"),
        ("three", "3", "unreadable"),
    ],
)
def test_numbers_are_compared_as_numbers(answer, label, grade):
    assert Number().grade(answer, example(label)) is Grade(grade)


def test_a_label_that_is_no_number_is_told():
    with pytest.raises(DataError, match="label 'blue', which is no number; use kind = 'mixed'"):
        Number().grade("3", example("blue"))


def test_options_that_differ_in_case_alone_are_kept_apart():
    letters = example("Mb", "mb", "Mb")
    assert MultipleChoice().grade("mb", letters) is Grade.WRONG
    assert MultipleChoice().grade("Mb", letters) is Grade.RIGHT
    assert MultipleChoice().grade("  MB. ", example("mb", "mb", "kb")) is Grade.RIGHT


def test_an_answer_that_could_be_two_options_is_not_graded():
    peas = example("WW or Ww", "WW or ww", "WW or Ww")
    assert MultipleChoice().grade("ww or ww", peas) is Grade.UNREADABLE
    assert MultipleChoice().grade("WW or ww", peas) is Grade.WRONG


def test_equal_choices_are_both_right():
    assert MultipleChoice().grade("a", example("a", "a", "a")) is Grade.RIGHT


@pytest.mark.parametrize(
    ("answer", "label", "grade"),
    [
        ("Paris.", "paris", "right"),
        ("0.50", "1/2", "right"),
        ("5 cats", "5 dogs", "wrong"),
        ("!", "?", "wrong"),
    ],
)
def test_free_text(answer, label, grade):
    assert FreeText().grade(answer, example(label)) is Grade(grade)


def test_yes_no_takes_nothing_else():
    assert YesNo().grade("maybe", example("no")) is Grade.UNREADABLE
    assert YesNo().grade("No.", example("no")) is Grade.RIGHT


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (example("yes", "yes", "no"), MultipleChoice),
        (example("Yes"), YesNo),
        (example("1,250"), Number),
        (example("05/01/2021"), FreeText),
        (example("blue"), FreeText),
        (example("$5"), Number),
        (example("50 %"), Number),
        (example("5 €"), Number),
        (example("12a"), FreeText),
        (example("7 May"), FreeText),
        (example("12 apples"), FreeText),
        (example(None), FreeText),
    ],
)
def test_mixed_goes_by_choices_and_the_form_of_the_label(item, kind):
    assert isinstance(Mixed().kind_of(item), kind)


def test_the_words_of_a_label_count_in_mixed():
    assert Mixed().grade("7 June", example("7 May")) is Grade.WRONG
    assert Mixed().grade("7 may.", example("7 May")) is Grade.RIGHT
    assert Number().grade("12", example("12 apples")) is Grade.RIGHT


def test_a_kind_of_ones_own_is_found_by_its_place():
    assert isinstance(make_task("tuition.tasks.kinds:Number"), Number)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("numbr", "unknown task kind 'numbr'; did you mean 'number'.*Your own: 'package.module:Name'"),
        ("no_such_package:Name", "cannot be made: No module named"),
        ("tuition.tasks.kinds:Nothing", "cannot be made: .*has no attribute 'Nothing'"),
        (
            "tuition.core.records:Example",
            "cannot be made: .*expected a class without arguments, as docs/extend/task.md",
        ),
        (
            "tuition.core.records:Usage",
            "class Usage lacks name, version, read, grade; docs/extend/task.md says what",
        ),
    ],
)
def test_unknown_kinds_are_told(kind, words):
    with pytest.raises(ConfigError, match=words):
        make_task(kind)


THOUGHTS = [
    ("number", "<think>Maybe 41? So the answer is 41.</think>\n\n42", "42"),
    ("number", "[THINK]The answer is 41.[/THINK]The answer is 42.", "42"),
    ("number", "analysisThe answer is 41.assistantfinalThe answer is 42.", "42"),
    ("number", "<think>The answer is 41. But wait", None),
    ("yes_no", "<thinking>The answer is no.</thinking>Yes.", "yes"),
    ("free_text", "<thought>The answer is Rome.</thought>The answer is Paris.", "Paris"),
    ("multiple_choice", "The answer is (A).</think>(B)", "b"),
]
"""Kind, text, and the answer: what a model only considered is not read."""


@pytest.mark.parametrize(("kind", "text", "answer"), THOUGHTS)
def test_a_thought_within_the_text_is_not_read(kind, text, answer):
    example = Example(id="x", question="?", choices=("a", "b") if kind == "multiple_choice" else ())
    assert make_task(kind).read(text, example) == answer


@pytest.mark.parametrize(("answer", "label"), [("!", "'!'"), ("'.'", "."), ("'qq'", "qq")])
def test_marks_alone_are_an_answer(answer, label):
    task = make_task("free_text")
    assert task.grade(answer, Example(id="x", question="?", answer=label)) is Grade.RIGHT
    assert task.grade("?", Example(id="x", question="?", answer=label)) is Grade.WRONG
