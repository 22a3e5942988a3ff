import gzip
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.tasks.numbers import is_same_number, parse_bare_number, parse_number, plain_number, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", "42"),
        ("#### 42", "42"),
        ("\\boxed{6}", "6"),
        ("the answer is 3/4", "3/4"),
        ("the answer is \\frac{3}{4}.", "3/4"),
        ("The answer is $1,234.50.", "1234.5"),
        ("The answer is 50%.", "50"),
        ("The answer is -7 degrees.", "-7"),
        ("The answer is −7.", "-7"),
        ("The answer is 1 1/2 hours.", "3/2"),
        ("Answer: about 12 apples in 3 days", "12"),
        ("The answer is 3 + 4 = 7.", "7"),
        ("12 apples", "12"),
        ("x = 5", "5"),
        ("He has 5. Therefore, Gerald has $110 left.", "110"),
        ("Total:\n2 + 3 = 5 bolts", "5"),
        ("So it takes 34-16=18 minutes longer to swim 3 miles.", "18"),
        ("The final answer is:\n\n$42", "42"),
        ("6/3", "2"),
        ("\\boxed{5\\text{ m}}", "5"),
        ("The answer is that he has 5 left.", "5"),
    ],
)
def test_numbers_are_read(text, number):
    value, expected = read_number(text), parse_number(number)
    assert value is not None
    assert parse_number(value) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none here",
        "The answer is",
        "The answer is 5 or 6.",
        "The answer is 5 + 6.",
        "The answer is not 5.",
        "The answer cannot be determined, though 5 is near.",
        "So Melissa scored 154 points in 79 games.",
        "To get the total, multiply this by 20.",
        "We add 3 and then",
        "It is 7 * ",
        "The answer is 05/01/2021.",
        "The answer is 10:30.",
        "The answer is 1.2 \\times 10^3.",
        "The answer is 5/0.",
        "1" * 5000,
        "a lot of 36-minute calls.",
        "He has 12 left over after",
        "He has 12 left over after paying",
        "Step 1. Add. 2.",
        "The answer is 12? No.",
        "\\boxed{5 m}",
        "\\boxed{|y| is 5}",
    ],
)
def test_what_is_no_sure_number_is_not_guessed(text):
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("left", "right", "is_same"),
    [
        (Fraction(2, 3), Fraction("0.666667"), True),
        (Fraction(2, 3), Fraction("0.67"), False),
        (Fraction(1000000), Fraction(1000001), False),
        (Fraction("1250.50"), Fraction("1250.5"), True),
        (Fraction(0), Fraction("0.0001"), False),
        (Fraction(1), Fraction("0.999999"), True),
        (Fraction(1), Fraction("0.9999985"), False),
        (Fraction(1), Fraction("1.000001"), True),
    ],
)
def test_sameness(left, right, is_same):
    assert is_same_number(left, right) is is_same
    assert is_same_number(right, left) is is_same


@given(st.fractions(max_denominator=10_000).filter(lambda value: abs(value) < 10**9))
def test_a_plain_number_comes_back(value):
    assert parse_number(plain_number(value)) == value
    assert read_number(f"So the answer is {plain_number(value)}.") == plain_number(value)


@given(st.integers(-(10**12), 10**12))
def test_thousands_come_back(value):
    assert read_number(f"#### {value:,}") == str(value)


@pytest.mark.parametrize("text", ["12", "$1,250.50", "50%", "5 €", "3/4", "\\frac{1}{2}", "-2", "**12**"])
def test_bare_numbers_are_taken(text):
    assert parse_bare_number(text) == parse_number(text) is not None


@pytest.mark.parametrize(
    ("text", "value"),
    [("5" + " " * 79, 5), ("5" + " " * 80, None), ("5 x", None), ("x 5", None), ("5.", 5), ("(5)", 5)],
)
def test_a_number_stands_at_the_beginning_of_a_short_text(text, value):
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["12a", "12 apples", "7 May", "12:30", "twelve", "", "1" * 100, "Rs5"])
def test_what_has_words_is_no_bare_number(text):
    assert parse_bare_number(text) is None


@given(st.text())
def test_any_text_gives_a_number_or_nothing(text):
    number = read_number(text)
    assert number is None or parse_number(number) is not None


def test_the_reader_agrees_with_recorded_answers(data):
    """The record's answer stands apart from the text and is at times another one than the text concludes."""
    agree = differ = missed = 0
    with gzip.open(data / "gsm8k" / "test.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in list(map(json.loads, lines))[:300]:
            for entry in row["rationales"].values():
                read, recorded = read_number(entry["text"]), parse_number(entry["answer"] or "")
                if recorded is None:
                    continue
                is_same = read is not None and is_same_number(parse_number(read), recorded)
                agree += is_same
                differ += read is not None and not is_same
                missed += read is None
    assert differ / (agree + differ) < 0.02
    assert missed / (agree + missed) < 0.15


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[("0", "0"), ("-7", "-7"), ("1/2", "0.5"), ("1/5", "0.2"), ("1/25", "0.04"), ("3/8", "0.375")],
        *[("-5/4", "-1.25"), ("1/16", "0.0625"), ("7/50", "0.14"), ("12345/100", "123.45"), ("1/3", "1/3")],
        *[("-1/6", "-1/6"), ("2/15", "2/15"), ("22/7", "22/7")],
    ],
)
def test_a_number_is_written_as_labels_are(value, text):
    assert plain_number(Fraction(value)) == text
