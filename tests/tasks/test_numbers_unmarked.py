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
    ("Divided by 5 it is 60 / 5 = 12. Thus, it will take 12 days for the bamboo to reach 600 inches.", "12"),
    ("459 / 51 = 9. Therefore, it takes the light 9 minutes to blink 459 times.", "9"),
    ("4 times 40 equals 160. So Fred must deliver 160 roses by 5 pm.", "160"),
    ("There are 120 - 80 = 40 girls. Therefore, 40 girls are not in the scout.", "40"),
    ("He beat 16, so 20 - 16 = 4. Thus, John lost to 4 people.", "4"),
    ("Finally, we add the $4.00 tip to get the final price of $57.00.", "57"),
    ("Adding the bonus to this gives us a final annual salary of $5750.", "5750"),
    ("Subtracting $30 from the price of $100 gives us the discounted price of $70.", "70"),
    ("Dividing the total by 2 leads to an average of 410 feet.", "410"),
    ("Subtract the dogs' tins from the cats' to find the difference (88 - 36 = 52).", "52"),
    ("She received 20 quarters ($5 / $0.25 = 20 quarters).", "20"),
    ("He makes $150 profit because 750 - 600 = 150", "150"),
    ("You will save $26 - $2 = $24 if you buy 2 tubs and 4 packets.", "24"),
    ("Solving this gives x = $45, which means each cup costs $45.", "45"),
    ("So, she collects 15 kg + 2 kg = 17 kg of milk every day.", "17"),
    ("Since there are 60 minutes in an hour, this is 2860/60 = 47.67 hours.", "47.67"),
    ("We need 60 cookies / 12 cookies/dozen = 5 dozens.", "5"),
    ("Thus, there were 48/4 = 12 fourth-grade boys.", "12"),
    ("Arrange the T's and the chosen letter: 3 ways. So it is 36 + 12 = 48.", "48"),
    ("4. **Approximate the answer:** Pi is about 3.14.\n5. So it is 9 - 2 = 7.", "7"),
    ("The maximum occurs when x = 201, so N = 200 * 2 = 400.", "400"),
    ("We check it:\n  2 * 3 = 6\n  Therefore, the largest n is 6.", "6"),
    ("The total is 3 + 2 = 5.\n\nExample 2:\nThe total is 7 - 3 = 4.", "5"),
    ("Example 1 had 2 + 2 = 4.\n\nExample 2:\nThe total is 7 - 3 = 4.", "4"),
    ("6) The answer turns out to be 2^11 points.\n\n7) So 2 + 11 = 13", "13"),
]
NOT_STATED = [
    "So x = 3, y = 3.",
    "The plane climbs 50 * 240 = 12000. Thus, it takes 15 seconds to reach 12,000 feet.",
    "5 + 20 = 25. Therefore, there are 12 points that are labelled with 25.",
    "20 * 2 = 40. So he saw 40 footballs and 20 helmets.",
    "6 * 20 = 120. Therefore, the number is 120 + 67.",
    "20 + 5 = 25. Therefore, she labels a point with 25 four times.",
    "2 + 3 = 5. Therefore, the number is not 5.",
    "2 + 3 = 5. Therefore, she may have 5 of them left on her 3 shelves.",
    "130 - 120 = 10. This means he lost $10 on 3 sales.",
    "2 + 3 = 5. She has 5 cats for 3 days.",
    "He will heat it to 500 or 520 (500 * 1.04 = 520)",
    "These are all the points (where k = 3).",
    "It costs 2 + 3 = 5 for men and 6 for women.",
    "It costs 2 + 3 = 5 on Monday and 6.",
    "The amount is 1/3 = 0.333 cups.",
    "He runs 30 mph because 120 / 60 = 2",
    "There are 84 numbers that have a product which gives 336.",
    "Brinley needs a score of 220 on the test to get an average of 93.",
    "1. This makes sense because:\n  - 3 * 3 = 9\n  - Total = 7 * 9 = 63",
    "**Convert to kilometers (optional):** 180000 / 1000 = 180 kilometers.",
    "The number of hours in a day is 24.",
    "6. Check: Red = 8, Blue = 6\n   Total = 35",
    "The minimum is achieved when x = y = 1.",
    "Therefore, in base 6, 44 * 55 = 3506.",
    "The number of values is 1, as the only one gives S = 0.",
    "The least value of |a| is 2, which corresponds to a = -2.",
    "She should buy 5 of them to have 14 + 5 = 19 animals.",
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
