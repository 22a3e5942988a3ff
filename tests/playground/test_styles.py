import pytest

from tuition.playground.domain import Solution, SolutionStep
from tuition.playground.styles import STYLES, tell

SOLUTION = Solution((SolutionStep("", "start with 14"), SolutionStep("a dozen more", "14 + 12 = 26")), "26")


@pytest.mark.parametrize(
    ("style", "texts"),
    [
        ("plain", ("Start with 14.", "A dozen more: 14 + 12 = 26.")),
        ("full", ("Start with 14.", "A dozen more, giving 14 + 12 = 26.")),
        ("numbered", ("1. Start with 14.", "2. A dozen more: 14 + 12 = 26.")),
        ("terse", ("start with 14.", "14 + 12 = 26.")),
        ("chatty", ("Start with 14, okay.", "A dozen more, okay, 14 + 12 = 26.")),
    ],
)
def test_each_style_words_the_same_steps_in_its_way(style, texts):
    assert tell(SOLUTION, STYLES[style], 0) == texts


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_samples_differ_in_wording_and_keep_the_result(style):
    told = {tell(SOLUTION, style, sample) for sample in range(3)}
    assert len(told) == 3
    assert all("14 + 12 = 26" in texts[-1] for texts in told)
