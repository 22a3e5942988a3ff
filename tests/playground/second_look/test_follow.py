from random import Random

import pytest

from tuition.playground.domain import Solution, SolutionStep
from tuition.playground.second_look import led_to, steps_followed
from tuition.playground.styles import STYLES, tell
from tuition.playground.world import playground_splits, recognise

EXAMPLES = playground_splits(seed=3, train=240, valid=0, test=0).train
TWO = Solution((SolutionStep("", "Start with 4"), SolutionStep("A dozen more", "4 + 12 = 16")), "16")


def worded(solution, style, sample=0):
    return STYLES[style].joint.join(tell(solution, STYLES[style], sample))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("sample", [0, 1, 2])
def test_a_right_text_is_followed_to_its_end_in_every_wording(style, sample):
    for example in EXAMPLES:
        solution = recognise(example.question)[1].solve()
        assert steps_followed(solution, worded(solution, style, sample)) == len(solution.steps)


@pytest.mark.parametrize("style", STYLES)
def test_a_wrong_step_is_seen_where_it_stands(style):
    """The text follows the right solution up to the step that differs, and no further."""
    rng = Random(0)
    for example in EXAMPLES:
        puzzle = recognise(example.question)[1]
        right, slip = puzzle.solve(), puzzle.solve(rng)
        same = [a == b for a, b in zip(right.steps, slip.steps, strict=False)]
        if all(same) or len(slip.steps) != len(right.steps):
            continue
        assert steps_followed(right, worded(slip, style)) < len(right.steps)
        assert steps_followed(right, worded(slip, style)) >= same.index(False)


def test_steps_are_followed_in_order_and_as_whole_words():
    assert steps_followed(TWO, "start with 4. a dozen more: 4 + 12 = 16.") == 2
    assert steps_followed(TWO, "A dozen more: 4 + 12 = 16. Start with 4.") == 0
    assert steps_followed(TWO, "Start with 4. A dozen more: 4 + 12 = 160.") == 1
    assert steps_followed(TWO, "Start with 40. A dozen more: 4 + 12 = 16.") == 0
    assert steps_followed(TWO, "Start with 4\n4 + 12 = 16") == 2
    assert steps_followed(TWO, "Start with 4, and after much that is said of other things 4 + 12 = 16") == 1
    assert steps_followed(TWO, "") == 0


def test_a_text_leads_where_its_steps_lead_whatever_it_states():
    rng = Random(1)
    found = []
    for example in EXAMPLES:
        puzzle = recognise(example.question)[1]
        right, slip = puzzle.solve(), puzzle.solve(rng)
        assert led_to(puzzle, worded(right, "plain"), rng) == right.answer
        if slip.answer == right.answer or len(slip.steps) < 3 or slip.steps[-2] == right.steps[-2]:
            continue
        *before, last = slip.steps
        bent = SolutionStep(last.why, last.what.replace(slip.answer, right.answer))
        found.append(
            led_to(puzzle, worded(Solution((*before, bent), right.answer), "plain"), rng) != right.answer
        )
    assert len(found) > 30
    assert sum(found) / len(found) > 0.95


def test_a_text_of_nobody_leads_nowhere():
    for example in EXAMPLES[:40]:
        assert led_to(recognise(example.question)[1], "Because it is so.", Random(0)) == ""
