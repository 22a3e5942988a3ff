import pytest

from tuition.tasks.conclusion import conclusion, is_cut, last_sentence, marks


@pytest.mark.parametrize(
    ("text", "announced"),
    [
        ("No mark at all.", None),
        ("The answer is 5. Done.", "5."),
        ("The answer is", ""),
        ("The answer is ... b. c", "b."),
        ("x #### 42\nmore", "42"),
        ("We get \\boxed{\\frac{1}{2}} here", "\\frac{1}{2}"),
        ("It is \\boxed{1", ""),
        ("steps --> 7", "7"),
        ("2x = 4 --> x = 2. And then we go on for long enough that this was no conclusion at all.", None),
        ("The answer is 5. The answer is 6.", "6."),
        ("The answer is Mr. Smith.", "Mr. Smith."),
        ("THE ANSWER IS 3", "3"),
        ("The answer is why?", "why?"),
        ("The answer is 3? No.", ""),
    ],
)
def test_conclusion(text, announced):
    assert conclusion(text) == announced


def test_conclusions_come_last_first():
    assert [mark.tail for mark in marks("Answer: 1\nAnswer: 2\n#### 3")] == ["3", "2", "1"]


def test_marks_say_where_they_stand():
    text = "So the answer is 5. Thus #### 6"
    places = [(text[mark.place : mark.start].strip(), mark.tail) for mark in marks(text)]
    assert places == [("####", "6"), ("answer is", "5.")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", ""),
        ("One. Two.", "Two."),
        ("One\nTwo", "Two"),
        ("It costs 3.50 dollars.", "It costs 3.50 dollars."),
        ("See Dr. Who.", "See Dr. Who."),
        ("First. 2. Second thing.", "2. Second thing."),
    ],
)
def test_last_sentence(text, sentence):
    assert last_sentence(text) == sentence


@pytest.mark.parametrize(
    ("text", "needs_mark", "cut"),
    [
        ("Done.", True, False),
        ("Done", True, True),
        ("Done", False, False),
        ("so the", False, True),
        ("He has 12 left over after", False, True),
        ("Step 1. Add. 2.", True, True),
        ("There are 2.", True, False),
        ("3 *", False, True),
        ("", False, True),
        ('He said "yes."', True, False),
    ],
)
def test_is_cut(text, needs_mark, cut):
    assert is_cut(text, needs_final_mark=needs_mark) is cut
