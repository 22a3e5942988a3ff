"""The last sentence of a text without a mark: what it states is read, what it says in passing is not."""

import time

import pytest

from tuition.tasks.numbers import parse_number, read_number

STATED = [
    ("Half away: 22 / 2 = 11, 22 - 11 = 11.", "11"),
    ("A quarter away, giving 8 / 4 = 2, 8 - 2 = 6.", "6"),
    ("Since it is so, the area is \\(16\\).", "16"),
    ("We find that \\[\na + b = 20\n\\]", "20"),
    ("Therefore, the value of $f(2007)$ is 2007.", "2007"),
    ("Therefore, the smallest n such that n is even is 6.", "6"),
    ("The lot is $30,000, and the house is 3 times that, which is $90,000.", "90000"),
    ("He walks for 3 days, resulting in a total of 12 miles.", "12"),
    ("Adding these up gives us 8.", "8"),
    ("40 divided by 2 is 20.", "20"),
    ("The total price is therefore $5 * 3 + $2, which equals $17.", "17"),
    ("Therefore, she has 24 - 8 = 16 penguins that are still sunbathing.", "16"),
    ("Then she needs 240 / 12 = 20 dozens of eggs.", "20"),
    ("Her total is 48 grains (1959 penny) + 36 grains (2010 penny) = 84 grains.", "84"),
    ("We have a = 1, b = 22, and c = 2, so a + b + c = 1 + 22 + 2 = 25.", "25"),
    ("Solving for x, we get 2x/3 - 5 = 2, which simplifies to x = 10.5.", "10.5"),
    ("1. It rains\n2. He has 100 minutes to nap", "100"),
    ("**Round to the nearest whole number:** $139", "139"),
    ("Josh made a profit of **$70,000**.", "70000"),
    ("In total, there are 9 options.", "9"),
    ("Therefore, the temperature is minus 7 degrees.", "-7"),
    ("There are 200 negative integers in this range.", "200"),
    ("6) The answer turns out to be 2^11 points.\n\n7) So 2 + 11 = 13", "13"),
]
NOT_STATED = [
    "So x = 3, y = 3.",
    "3 + 4 = 7, 2 + 5 = 9.",
    "Therefore, there are 4 lattice points on the hyperbola x^2 - y^2 = 17.",
    "Therefore, there are 12 pairs such that \\(\\gcd(a, b) = 1\\).",
    "Therefore, there are 9 pairs for which the harmonic mean is equal to 20.",
    "Therefore, the distance between the planes is sqrt(89).",
    "Therefore, the largest value is $2a^2$.",
    "4. **Counting the possibilities:** There are **two** possible amounts.",
    "Thus a = 8, b = 1.",
    "The numbers are 16 small, 20 medium, large = 4, tiny = 5.",
    "So total teachers = 82, sick teachers = 13, substitute teachers = 9.",
    "She bakes 6 + 4 = 10 oatmeal cookies, 3 + 4 = 7 chip cookies, and 2 + 4 = 6 sugar cookies.",
    "We can verify that 17 * 42 = 714.",
    "Note that the period is 180.",
    "For example, 5 + 2 + 2 = 9.",
    "He can buy 6 tickets because 18 - 7.5 = 10.5.",
    "So, m cannot be equal to 3.",
    "So she finished in 6th place after she jumped ahead 1 spot.",
    "These values also work in equation (2).",
    "Therefore, he needs to order at least 10 pizzas.",
    "Therefore, she can miss up to 4 classes.",
    "Matt needs to eat 6 carrot sticks to have 5 cookies.",
    "The combined age is 100 years, so we can subtract the others' ages.",
    "In a year she can buy 12 * 1 = 12 pairs, but she may only buy 6 of them.",
    "He lost on average $10 per race.",
    "We can set up the following equation: 3R + 5(R + 2) = 42.",
    "This minimum is achieved when x = y = 1.",
    "Plugging in x = 1 into the polynomial will give us the answer.",
    "It costs $0.60 = 60 cents.",
    "The value is 25π, so 10/3 ≈ 3.33.",
    "The remainder is 3 (mod 17).",
    "So the answer might be near 5.",
    "- Tom is 5 and Ann is 10.",
    "We take the 5 spoons from the total 12 spoons to find the number she bought.",
    "Therefore, Chris labels a point with the number 25 four times.",
    "It works.\n7) We can verify this satisfies the equation:\n   $343 - 245 - 63 = 35$",
    "Let me verify: 3 * 4 = 12.",
    "So we must solve 3x = 12.",
    "So the result depends on whether x = 3.",
    "There may be 3 answers.",
    "Suppose there are 5 apples.",
    "We assumed that n = 5.",
]


@pytest.mark.parametrize(("text", "number"), STATED)
def test_what_the_last_sentence_states_is_read(text, number):
    read = read_number(text)
    assert read is not None
    assert parse_number(read) == parse_number(number)


@pytest.mark.parametrize("text", NOT_STATED)
def test_what_it_says_in_passing_is_not(text):
    assert read_number(text) is None


PIECES = (
    *("1", "1,", "(", "$", "*", "5 and ", "\\frac", "{", "=", " ", "-", "(a", "\n"),
    *("x = 5, ", "\\text{", "is 5. "),
)


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_text_is_read_in_time_that_grows_with_it(piece):
    """Ten times the length takes about ten times as long; where a pattern backtracks, a hundred times."""
    took = []
    for length in (5_000, 50_000):
        started = time.process_time()
        body = piece * (length // len(piece))
        read_number(f"The answer is {body}")
        read_number(body)
        took.append(time.process_time() - started)
    assert took[1] < 30 * max(took[0], 0.02)
