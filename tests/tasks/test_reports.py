"""Replies as public reports of misread answers show them: each is read as a careful person reads it."""

import pytest

from tuition.tasks.answers import read_string, read_yes_no
from tuition.tasks.numbers import read_number

NUMBERS = [
    ("答えは3500円です。", "3500"),
    ("정답은 42개입니다.", "42"),
    ("答案是42，因为6*7=42。", "42"),
    ("答案是3万。", None),
    ("答えは3時間30分です。", None),
    ("The answer is 12. Let me double-check: 3 * 4 = 12. Yes.", "12"),
    ("The answer is 12.\n\nLet me double-check: 3 × 4 = 12 ✓", "12"),
    ("The answer is 12. Let me recheck. Yes, that's right.", "12"),
    ("The answer is 12. Let me double-check: 3 * 5 = 15. Correct.", None),
    ("The answer is 12. Let me double-check: 3 * 5 = 15. So I was wrong.", None),
    (r"The solutions are \boxed{-2} and \boxed{5}.", None),
    (r"The value is \boxed{\frac{1}{2}}, \boxed{5}.", None),
    (r"It is \boxed{5} and so the answer is \boxed{5}.", "5"),
    (r"It is \boxed{5}, \boxed{5}.", "5"),
    ("Solving these equations, we get:\n\n1. x = 12\n2. x = 45", None),
    ("Only these values are left:\n- 121 (from most groupings)\n- 144 (from one)", None),
    ("We add:\n- Total = 5 + 7\n- Total = 12", "12"),
    ("Thus x = 7.\n\nWe can check our answer:\n$$2^7 - 3 = 125$$\nBoth sides are equal.", None),
    ("Each of these pairs satisfies the equation and has a gcd of 1.", None),
    ("The value that satisfies the equation is 5.", "5"),
    ("3 * 4 - 12 = 0.\n\nThis satisfies the equation, so the base is 6.", "6"),
    ("The smallest is 2^3 * 3^2 = 72, because it has (3+1)(2+1) = 4 * 3 = 12 divisors.", "72"),
    ("The answer is «8».", "8"),
    ("The answer is 8.[1]", "8"),
    (r"\boxed{x \approx 12.3}", "12.3"),
    ("The answer would be 8 if he had paid.", None),
    ("Sorry, I can't help with that. Call 911.", None),
    ("Hence the remainder when 100 is divided by 7 is 2.", "2"),
    ("The answer is 3 (Tom) and 4 (Ann).", None),
    ("There is no answer. 3 facts are missing.", None),
    ("Not enough information is given. 3 facts are missing.", None),
]
STRINGS = [
    (r"\boxed{\text{snake\_case}}", "snake_case"),
    ("The answer is c. 200 BCE.", "c. 200 BCE"),
    ("The answer is Act 3, Sc. 2.", "Act 3, Sc. 2"),
    (r"\boxed{\text{Evelyn} \text{ Smith}}", "Evelyn Smith"),
    (r"\boxed{\text{red}} and \boxed{\text{blue}}", "red, blue"),
    ("So `answer` is set to `[1, 9, 4]`. It is returned.", "[1, 9, 4]"),
    ("The function returns `right + left = 'j rinp'`.", "j rinp"),
    ("The input is 'A b! Daniel', and the substring to be removed is 'Daniel'.", None),
    ("So the answer is the original string.", None),
    ("The answer is 12 ft. 3 in.", "12 ft. 3 in"),
    (r"\boxed{\text{Dr.~Who}}", "Dr. Who"),
    (r"\(\text{Paris}\)", "Paris"),
    ("<think>Rome? The answer is Rome.</think>\n\nParis", "Paris"),
    (r"\boxed{\textbf{(A)}\ \text{Paris}}", "(A) Paris"),
    ("The answer is Brown v. Board of Education.", "Brown v. Board of Education"),
    ('The answer to "Who wrote Emma?" is Jane Austen.', "Jane Austen"),
    ("The answer is not Paris.", None),
    ("The answer is not guilty.", "not guilty"),
    ('{"reasoning": "x", "answer": "He said \\"no\\""}', 'He said "no"'),
]
YES_NO = [
    ("Yes, but also no.", None),
    ("Yes, and there is no doubt about it.", "yes"),
    ("The answer is probably no.", "no"),
    ("The answer is yes. No, wait.", None),
    ("Answer - Yes", "yes"),
    ("The answer would be yes if it rained.", None),
    ("The answer is yes if it rains and no otherwise.", None),
]


@pytest.mark.parametrize(("text", "read"), NUMBERS)
def test_a_number(text, read):
    assert read_number(text) == read


@pytest.mark.parametrize(("text", "read"), STRINGS)
def test_a_string(text, read):
    assert read_string(text) == read


@pytest.mark.parametrize(("text", "read"), YES_NO)
def test_yes_or_no(text, read):
    assert read_yes_no(text) == read
