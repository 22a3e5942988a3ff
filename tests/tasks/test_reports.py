"""Replies as public reports of misread answers show them: each is read as a careful person reads it."""

import pytest

from tuition.tasks.answers import read_string, read_yes_no
from tuition.tasks.numbers import read_number
from tuition.tasks.options import read_option

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
    ("The answer is 42!", "42"),
    ("The answer is 5!.", None),
    (r"\boxed{2006!}", None),
    ("The answer is 10 r2.", None),
    ("The answer is 101 (base 2).", None),
    ("The answer is >= 5.", None),
    ("The answer is 5 minutes past 3.", None),
    ("3.14...", None),
    (r"\boxed{3x - 1 = 0}", None),
    (r"\boxed{x = 0}", "0"),
    (r"\boxed{\frac{3}{-4}}", "-0.75"),
    (r"\boxed{\frac{3.5}{2}}", "1.75"),
    (r"\boxed{\frac{1,000}{3}}", "1000/3"),
    (r"\boxed{\underline{42}}", "42"),
    (r"\boxed{\large 42}", "42"),
    (r"The probability is \(\frac{1}{6} \approx 0.167\).", "1/6"),
    ('{"answer": "5 (five)"}', "5"),
    (r"\boxed{42,}", "42"),
    ("So x = 12 km/h.", "12"),
    ("Therefore, the total is ≈ 3.14.", "3.14"),
    ("about 3", "3"),
    ("So, 42", "42"),
    ("Ans. 42", "42"),
    ("The answer, as shown above, is 42.", "42"),
    ("The answer is <|begin_of_box|>42<|end_of_box|>.", "42"),
    ("The answer is 12.\n#### Explanation\nWe add 5 and 7.", "12"),
    ("<answer>41</answer> is wrong. <answer>42</answer>", "42"),
    ("That's 42.", "42"),
    ("James writes 624 pages a year.", "624"),
    ("The result is -5 exactly", "-5"),
    ("She walks 3 miles and then 4 miles, for a total of 7 miles.", "7"),
    ("3 + 4 = 7 miles per day, and 7 * 7 = 49 miles per week.", "49"),
    ("He walks 49 miles per week (7 miles a day for 7 days).", "49"),
    ("We arrive at the answer of 42.", "42"),
    ("The value of x when y = 3 is 42.", "42"),
    ("So the final total:\n**42 apples**", "42"),
    ("42\n\nExplanation: 6 rows of 7 = 42.", "42"),
    ("2021\n\nShe has 5 left, or 6.", None),
    ("6 × 7 = 42\n\nI hope this helps! Let me know if you have any questions.", "42"),
    ("The answer is 42.\n\nIf there were 8 rows, the answer would be 56.", "42"),
    ("If there were 8 rows, the answer would be 56.", None),
    ("Method 1 gives 5. Method 2 gives 6.", None),
    ("Method 1 gives 5. Method 2 gives 5.", "5"),
    ("The answer is 6.\n\nExercise 2. Add 2 and 2.\nThe answer is 4.", "6"),
    ("The answer is 42.\ufffd", "42"),
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
    (r"\boxed{\text{H}_2\text{O}}", "H_2O"),
    (r"\boxed{\text{Emma}\ (1815)}", "Emma (1815)"),
    (r"\boxed{\textbf{Answer: Paris}}", "Paris"),
    ("Output: 'abc'", "abc"),
    ("The final output is: 'abc'", "abc"),
    ('The answer is "k" + "e" = "ke".', "ke"),
    ("The answer is K. A. Vose and J. Smith.", "K. A. Vose and J. Smith"),
    ("The answer is 'a. b. c'. It is printed.", "a. b. c"),
    ("Paris.\n\nQ: Capital of Spain?\nA: Madrid", "Paris"),
    ("Paris.\n\nHope this helps!", "Paris"),
    ("So yesterday was 04/30/2021.", None),
]
YES_NO = [
    ("Yes, but also no.", None),
    ("Yes, and there is no doubt about it.", "yes"),
    ("The answer is probably no.", "no"),
    ("The answer is yes. No, wait.", None),
    ("Answer - Yes", "yes"),
    ("The answer would be yes if it rained.", None),
    ("The answer is yes if it rains and no otherwise.", None),
    ("A: Yes", "yes"),
    ("Verdict: no", "no"),
    ("Hmm, no.", "no"),
    ("Answer (yes/no): yes", "yes"),
    ("The answer is yes-man.", None),
]


OPTIONS = [
    ("The single letter answer, based on the reference, is:\n\nC", "bird"),
    ("Answer: B\n\nWait, that is wrong. The answer is C.", "bird"),
    (r"\boxed{A} is wrong. \boxed{C}", "bird"),
    ("Draft answer: A\nFinal answer: C", "bird"),
    ("The answer is bird, which is option B.", None),
    ("Eliminating A, B and D, we are left with C.", "bird"),
    ("Only birds have feathers, so C.", "bird"),
    ("Final answer C", "bird"),
    ("Ans. (C)", "bird"),
    ("### C", "bird"),
    ("<option>C</option>", "bird"),
    (r"\boxed{\rm C}", "bird"),
    ("```text\nbird\n```", "bird"),
    ("bird, because it has feathers", "bird"),
    ("C) bird is the correct answer. A) cat has fur.", "bird"),
    ("A - false\nB - false\nC - true\nD - false", "bird"),
    ("**C. bird**\n\n- A. cat: fur\n- B. dog: barks\n- D. fish: swims", "bird"),
    ("A. cat\n\n- B. dog\n- C. bird\n- D. fish", None),
    ("所以正确的选项是C", "bird"),
    ("正确答案是C选项。", "bird"),
    ("答案应为【C】。", "bird"),
    ("정답은 C번입니다.", "bird"),
    ("La opción correcta es C.", "bird"),
    ("A alternativa correta é a C.", "bird"),
    ("الإجابة الصحيحة هي C", "bird"),
    ("উত্তর: C", "bird"),
    ("คำตอบ: C", "bird"),
    ("Jibu: C", "bird"),
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


@pytest.mark.parametrize(("text", "read"), OPTIONS)
def test_an_option(text, read):
    assert read_option(text, ("cat", "dog", "bird", "fish")) == read
