"""Every kind of form a number is written in, or is hidden in: right or unreadable, never a part of it."""

import pytest

from tuition.tasks.numbers import parse_number, read_number

MARKS = ("The answer is {}.", "**Final Answer:** {}", "#### {}", "Answer: {}", "So the answer is: {}")


def both(number, *texts):
    return [(text, number) for text in texts]


EMPHASIS = [
    *both(
        "9",
        "The answer is **9**.",
        "**Final Answer: 9**",
        "#### **9**",
        "Answer: *9*",
        "The answer is __9__.",
    ),
    *both(
        "9",
        "The answer is **9** apples.",
        "The answer is **9 apples**.",
        "The answer is: **9**",
        "**Answer:** **9**",
    ),
    *both(
        "9",
        "The answer is ***9***.",
        "The answer is `9`.",
        "The final answer is **9**!",
        "The answer is _9_.",
    ),
    *both(
        "70000", "His total was $130,000.\n\nJosh made a profit of **$70,000**.", "The answer is **$70,000**."
    ),
    *both("-9", "The answer is **-9**.", "The answer is **−9**."),
    *both("9.5", "The answer is **9.5%**.", "**The answer is 9.5.**"),
]
MARKUP = [
    *both(
        "42",
        '{"answer": {"value": 42, "unit": "cm"}}',
        '{"answer": [42]}',
        "**Answer: 42** ✅",
        "The answer is 42###",
    ),
    *both("48", "The answer is 36 (from Case 1) + 12 (from Case 2) = 48."),
    *both(
        "42",
        "<answer>42</answer>",
        "<answer> 42 </answer>",
        "The answer is <b>42</b>.",
        "<answer>\n42\n</answer>",
    ),
    *both("42", '{"answer": 42}', '{"answer": "42"}', '```json\n{"reasoning": "6 * 7", "answer": "42"}\n```'),
    *both("42", '{"answer": "$42"}', '{"answer": "42 apples"}', '{"answer": "The answer is 42."}'),
    *both(
        "40", "2 + 3 = 5.\n\n### Final Answer\n\n40", "## Final Answer\n\n**40**", "**Final Answer**\n\n40"
    ),
    *both(
        "42",
        "The answer is:\n\\[\n42\n\\]",
        "The answer is:\n$$\n42\n$$",
        "The answer is \\(42\\).",
        "Answer: $42$",
    ),
    *both("42", "#### 42<|endoftext|>", "The answer is 42<|im_end|>", "The answer is 42</s>", "42<|eot_id|>"),
    *both(
        "42", "\\boxed{\\text{42}}", "\\fbox{42}", "\\boxed{42\\text{ cm}}", "\\boxed{42\\ \\text{apples}}"
    ),
    *both("42", "\\boxed{\\$42}", "$\\boxed{x = 42}$", "\\boxed{42~\\mathrm{cm}^2}", "\\boxed{\\mathbf{42}}"),
]
LATEX = [
    *both("0.5", "\\boxed{\\frac12}", "\\boxed{\\frac{1}{2}}", "\\boxed{\\dfrac12}", "\\boxed{\\tfrac{1}2}"),
    *both("0.5", "\\boxed{\\frac 12}", "The answer is $\\frac{1}{2}$.", "The answer is ½.", "\\boxed{1/2}"),
    *both("-0.5", "\\boxed{-\\frac12}", "\\boxed{-\\frac{1}{2}}", "\\boxed{\\frac{-1}{2}}"),
    *both(
        "2.5",
        "\\boxed{2\\frac12}",
        "\\boxed{2 \\frac{1}{2}}",
        "The answer is 2½.",
        "The answer is 2 1/2 hours.",
    ),
    *both("90", "\\boxed{90^\\circ}", "\\boxed{90^{\\circ}}", "The answer is 90°.", "\\boxed{90\\degree}"),
    *both("28", "\\boxed{28 \\text{ percent}}", "\\boxed{28\\%}", "\\boxed{28 percent}"),
    *both("9500", "The answer is $9{,}500.", "\\boxed{9{,}500}", "\\boxed{9,\\!500}", "\\boxed{9\\,500}"),
    *both(
        "12600", "Hence $\\boxed{12\\,600}$.", "\\boxed{12\\;600}", "\\boxed{12\\ 600}", "\\boxed{12{,}600}"
    ),
    *both(
        "5", "\\boxed{5 \\text{ m/s}}", "\\boxed{\\left(5\\right)}", "\\boxed{5\\text{ cm}^2}", "\\boxed{5.}"
    ),
]
GROUPS = [
    *both("1234.5", "The answer is 1,234.50.", "The answer is $1,234.50."),
    *both("1127.54", "The answer is 1.127,54 €."),
    *both("150000", "The answer is 1,50,000.", "The answer is ₹1,50,000.", "The answer is Rs. 1,50,000."),
    *both("2750", "The answer is 2'750.", "The answer is CHF 2’750."),
    *both("18000", "The answer is 18\u202f000.", "The answer is 18\u00a0000 people."),
    *both("1234567", "The answer is 1.234.567.", "The answer is 1,234,567."),
]
SCALES = [
    *both(
        "12000",
        "The answer is 12 thousand.",
        "The answer is 12 thousand dollars.",
        "\\boxed{12 \\text{ thousand}}",
    ),
    *both(
        "2400000",
        "The answer is 2.4 million.",
        "The answer is $2.4 million.",
        "**Answer: 2.4 million people**",
    ),
    *both("2000000000", "The answer is $2 billion.", "The answer is 2 billion."),
    *both("500000", "The answer is 5 lakh.", "The answer is 5 hundred thousand."),
]
SIGNS = [
    *both(
        "-5", "The answer is minus 5.", "The answer is negative 5.", "The answer is −5.", "The answer is –5."
    ),
    *both(
        "-5",
        "The answer is ‑5.",
        "The answer is ‐5.",
        "The answer is －5.",
        "The answer is -$5.",
        "The answer is $-5.",
    ),
    *both("-8", "The answer is negative 8 degrees.", "\\boxed{-8}", "The answer is **minus 8**.", "#### -8"),
    *both("5", "The answer is +5.", "The answer is ~5.", "The answer is about 5."),
]
UNITS = [
    *both(
        "5",
        "The answer is 5 cm².",
        "The answer is 5 cm^2.",
        "The answer is 5cm.",
        "The answer is 5 m/s.",
        "The answer is 5 km/h.",
    ),
    *both(
        "5",
        "The answer is 5 square meters.",
        "The answer is $5 per hour.",
        "The answer is $5/hour.",
        "The answer is 5 kg.",
    ),
    *both(
        "5",
        "The answer is 5 dollars.",
        "The answer is 5 €.",
        "The answer is 5 USD.",
        "The answer is 5, not 6.",
    ),
    *both(
        "5",
        "The answer is 5 apples, because he ate two.",
        "The answer is 5 (five).",
        "The answer is 5 times.",
    ),
    *both("12", "Answer: about 12 apples in 3 days", "The answer is 12 apples for 3 dollars."),
]
READ = [*EMPHASIS, *MARKUP, *LATEX, *GROUPS, *SCALES, *SIGNS, *UNITS]

NO_PLAIN_NUMBER = {
    "roots and powers": (
        "the square root of 5",
        "2 square root of 3",
        "3 to the fourth",
        "10 to the 6",
        "\\sqrt{2}",
        "4\\sqrt{2}",
        "6√2",
        "√89",
        "sqrt(89)",
        "3²",
        "2^{10}",
        "10^5",
        "1.2 \\times 10^3",
        "5 squared",
        "\\frac{\\sqrt{3}}{2}",
        "\\frac{1}{\\sqrt{2}}",
        "2\\sqrt 3",
        "\\sqrt[3]{5}",
        "5^2",
        "x^2",
        "∛8",
        "e^2",
    ),
    "letters": (
        "5 pi",
        "3 cos x",
        "log 2",
        "sin 30",
        "3x",
        "2a^2",
        "2x + 1",
        "5n",
        "\\frac{3}{4}\\pi",
        "2π",
        "2\\pi",
        "5i",
        "3 + 2i",
        "x5",
        "5 x",
        "3xy",
        "\\frac12x",
    ),
    "calculations": (
        "5 (x + 1)",
        "half of 5",
        "5 + 6",
        "5 * 6",
        "5 × 6",
        "5 - x",
        "2 \\cdot 3",
        "5 plus 6",
        "5 times 6",
        "8 minus 5",
        "10 divided by 2",
        "5(3)",
        "2*3",
        "2**3",
        "5/0",
        "5 mod 3",
        "5 (mod 7)",
        "5 \\pmod 7",
        "25% of 80",
        "5 more than 3",
        "120*.1",
        "6*-2",
    ),
    "plus or minus": ("±2021", "\\pm 2021", "± 5", "+/- 5", "plus or minus 5", "5 ± 2", "5 \\pm \\sqrt{3}"),
    "factorials": ("5!", "5! / 3!", "10!"),
    "no exact number": ("0.333 repeating", "0.333...", "0.\\overline{3}", "0.3…", "5...", "0.\\bar{3}"),
    "lists": (
        "12 or maybe 4",
        "12, maybe 4",
        "12, possibly 4",
        "5 or perhaps 6",
        "12 for Ann, 15 for Bob",
        "5 for x=1 and 6 for x=2",
        "3, 4",
        "3 and 4",
        "3 or 4",
        "3,4",
        "(3, 4)",
        "{3, 4}",
        "[3, 4]",
        "3; 4",
        "3 / 4 / 5",
        "\\{1, 2\\}",
        "x = 3, y = 4",
        "x = 3 or x = 4",
        "3, or 4",
        "either 3 or 4",
        "(1,200)",
        "1, 2, and 3",
        "$3$ and $4$",
        "5 (or 6)",
        "3 & 4",
        "3 \\text{ and } 4",
    ),
    "ranges": ("3-4", "3 to 4", "3–4", "between 3 and 4", "from 3 to 4", "3 - 4", "[3, 4)", "3..4", "5~6"),
    "bounds": (
        "other than 5",
        "nowhere near 5",
        "[5, ∞)",
        "x ≥ 5",
        "x > 5",
        "at least 5",
        "at most 5",
        "more than 5",
        "less than 5",
        "up to 5",
        "5 or more",
        "> 5",
        "≥5",
        "<5",
        "x \\ge 5",
        "x \\leq 5",
        "5 < x",
        "no more than 5",
        "greater than 5",
        "5 or fewer",
        "x \\neq 5",
        "over 5",
        "fewer than 5",
    ),
    "ratios, times and dates": (
        "5 o'clock",
        "3 remainder 2",
        "3 with a remainder of 2",
        "3:4",
        "10:30",
        "12:00",
        "05/01/2021",
        "2021-05-01",
        "3 out of 4",
        "1 in 6",
        "4 over 5",
    ),
    "compounds": (
        "2 € 50",
        "3 weeks and 2 days",
        "6 pounds 4 ounces",
        "6 pounds, 4 ounces",
        "5 feet 3",
        "5'3\"",
        "5 ft 3 in",
        "1 hour 30 minutes",
        "1 hour and 30 minutes",
        "3 hours and a half",
        "2 dollars and fifty cents",
        "2 dollars and 50 cents",
        "5 and a half",
    ),
    "groups that are none": (
        "1,8",
        "1,23",
        "3 141 592",
        "18 000",
        "1,234,56",
        "0,500",
        "12,34",
        "1.2.3",
        "1 000 000",
    ),
    "scales that are none": (
        "5 grand",
        "5 lacs",
        "5 ten-thousands",
        "7k",
        "5 dozen",
        "3M",
        "$5bn",
        "3 score",
        "5 mn",
        "2 tenths",
        "2 thirds",
        "5万",
        "2 Millionen",
        "5 million 3",
    ),
    "other bases": ("101 in base 2", "11201_3", "1010_2", "0x1F", "5_{10}", "22_{3}"),
    "negative in words behind it": (
        "7 (negative)",
        "7, negative",
        "7 below",
        "7 in the red",
        "a loss of 7",
        "the opposite of 7",
    ),
    "signs that stand alone": ("- 5", "--5", "— 5"),
}


def alike(text):
    return parse_number(text) if text is not None else None


@pytest.mark.parametrize(("text", "number"), READ)
def test_a_form_is_read(text, number):
    assert alike(read_number(text)) == parse_number(number), read_number(text)


@pytest.mark.parametrize(
    "mark", [*MARKS, "\\boxed{{{}}}", "The answer is $\\boxed{{{}}}$.", "<answer>{}</answer>"]
)
@pytest.mark.parametrize(
    ("kind", "form"), [(kind, form) for kind, forms in NO_PLAIN_NUMBER.items() for form in forms]
)
def test_no_part_of_what_is_no_plain_number_is_read(kind, form, mark):
    assert read_number(mark.format(form)) is None


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("number", ["7", "-7", "0.25", "1,234", "$5", "3/4", "50%", "1250.5"])
def test_each_mark_announces_each_form(mark, number):
    for form in (number, f"**{number}**", f"${number}$" if "$" not in number else number, f"{number} apples"):
        assert alike(read_number(mark.format(form))) == parse_number(number), form
