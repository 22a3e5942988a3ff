import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.texts.steps import before_spill, first_difference, join_steps, split_steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("One thing. Another thing.", ("One thing.", "Another thing.")),
        ("It costs 5.75. Then add 2.5 to it.", ("It costs 5.75.", "Then add 2.5 to it.")),
        ("Dr. Smith came. He left, e.g. Monday.", ("Dr. Smith came.", "He left, e.g. Monday.")),
        ("1. Find x. 2. Add y.", ("1. Find x.", "2. Add y.")),
        ("Let $f(x)=x^2. $ Then stop. Go on.", ("Let $f(x)=x^2. $ Then stop.", "Go on.")),
        ("first line\n\n  second. Still second\n", ("first line", "second. Still second")),
        ("", ()),
        ("no mark at the end", ("no mark at the end",)),
    ],
)
def test_splits(text, steps):
    assert split_steps(text) == steps


@given(st.text(max_size=200))
def test_no_word_is_lost(text):
    assert "".join(" ".join(split_steps(text)).split()) == "".join(text.split())


@given(st.lists(st.from_regex(r"\A[A-Za-z0-9 ]*[A-Za-z0-9]\Z"), min_size=2, max_size=5))
def test_joined_steps_split_again(steps):
    steps = [step.strip() for step in steps]
    assert list(split_steps(join_steps(steps))) == steps


@pytest.mark.parametrize(
    ("left", "right", "index"),
    [("ab", "ab", None), ("abc", "abd", 2), ("ab", "abc", 2), ("", "", None), ("x", "y", 0)],
)
def test_first_difference(left, right, index):
    assert first_difference(tuple(left), tuple(right)) == index


@pytest.mark.parametrize(
    "tail",
    [
        "\n\nQuestion: What is blue?\nAnswer: sky",
        "\nQuestion:\nWhat?",
        "\n### Q3.\nWhat?",
        "\nQ: What?",
        "\r\nQ7) What?",
        "\n**Question 4:** What?",
        "\nProblem 2. What?",
        "\nOptions:\n(a) x",
        "\nAnswer Choices: (a) x",
        "\nNext question: who?",
        "\nQuestion: What?\nQuestion: Who?",
    ],
)
def test_an_invented_question_is_left_out(tail):
    assert before_spill("So it is red." + tail).rstrip() == "So it is red."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No question here.\n",
        "The question is: what warms it?\nYour options: two.",
        "First.\nQueues are long.\nQuestions: many.",
        "Question: what warms it? The sun.",
        "\n  Options: (a) or (b). It is (b).",
    ],
)
def test_nothing_is_spilled_in_a_sentence_or_before_any_text(text):
    assert before_spill(text) == text


def test_a_repeated_own_question_ends_at_the_next():
    text = "Question: what warms it?\nThe sun.\n\nQuestion: who?"
    assert before_spill(text) == "Question: what warms it?\nThe sun.\n\n"


@given(st.text(alphabet="Q: 1\n.x"))
def test_what_is_left_spills_no_more(text):
    left = before_spill(text)
    assert text.startswith(left)
    assert before_spill(left) == left
