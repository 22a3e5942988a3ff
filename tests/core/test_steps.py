import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.steps import first_difference, join_steps, split_steps


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
