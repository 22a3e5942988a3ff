import dataclasses
from random import Random

import pytest

from tuition.core.errors import DataError
from tuition.core.records import Example
from tuition.core.texts.steps import split_steps
from tuition.playground.domain import Solution, SolutionStep
from tuition.playground.domains import DOMAINS
from tuition.playground.second_look import continued, first_wrong, steps_reached
from tuition.playground.styles import STYLES, tell
from tuition.playground.world import PlaygroundSource, playground_splits, recognise

EXAMPLES = playground_splits(seed=3, train=480, valid=0, test=0).train
CHECKER = PlaygroundSource()
EACH = [
    pytest.mark.parametrize("domain", DOMAINS),
    pytest.mark.parametrize("style", STYLES),
    pytest.mark.parametrize("sample", [0, 1, 2]),
]
TWO = Solution((SolutionStep("", "Start with 4"), SolutionStep("A dozen more", "4 + 12 = 16")), "16")


def each(test):
    for mark in EACH:
        test = mark(test)
    return test


def steps_of(solution, style, sample):
    return split_steps(STYLES[style].joint.join(tell(solution, STYLES[style], sample)))


def of_domain(domain):
    return [example for example in EXAMPLES if example.domain == domain]


@each
def test_right_chains_of_every_style_have_no_wrong_step(domain, style, sample):
    for example in of_domain(domain):
        steps = steps_of(recognise(example.question)[1].solve(), style, sample)
        hidden = dataclasses.replace(example, answer=None)
        assert CHECKER.first_wrong_step(hidden, steps) is None
        assert CHECKER.first_wrong_step(hidden, steps[:-1]) == len(steps) - 1


@each
def test_a_slip_is_found_where_it_stands_even_where_it_ends_right_by_luck(domain, style, sample):
    rng, lucky = Random(sample), 0
    for example in of_domain(domain):
        puzzle = recognise(example.question)[1]
        right, slip = puzzle.solve(), puzzle.solve(rng)
        pairs = zip(right.steps, slip.steps, strict=False)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        if at is None:
            continue
        lucky += slip.answer == right.answer
        assert CHECKER.first_wrong_step(example, steps_of(slip, style, sample)) == at
    assert lucky or domain in ("dates", "phrases", "letters", "coins", "tickets")


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        (["Start with 4.", "A dozen more: 4 + 12 = 16."], None),
        (["1. start with 4", "2. 4 + 12 = 16"], None),
        (["Start with 4. A dozen more, giving 4 + 12 = 16."], None),
        (["A dozen more: 4 + 12 = 16."], None),
        (["Start with 4.", "Start with 4.", "A dozen more: 4 + 12 = 16."], None),
        (["Start with 4."], 1),
        ([], 0),
        (["Start with 40.", "A dozen more: 4 + 12 = 16."], 0),
        (["Start with 4.", "A dozen more: 4 + 12 = 17."], 1),
        (["Start with 4.", "A dozen more: 4 + 12 = 16.5."], 1),
        (["Start with 4.", "A dozen less: 4 + 12 = 16."], 1),
        (["Start with 4.", "A dozen more: 4 + 12 = 16.", "Double: 16 * 2 = 32."], 2),
        (["Start with 4, which is 5.", "A dozen more: 4 + 12 = 16."], 0),
        (["4 + 12 = 16."], 0),
    ],
)
def test_steps_held_against_a_solution_by_hand(steps, wrong):
    assert first_wrong(TWO, steps) == wrong


def test_a_result_alone_is_not_taken_for_a_later_one():
    coin = Solution(
        (SolutionStep("", "Start with heads"), *(SolutionStep(f"{name} flips", side) for name, side in
         [("Ida", "tails"), ("Max", "heads")])), "yes",
    )  # fmt: skip
    assert first_wrong(coin, ["Start with heads", "heads", "tails"]) == 1
    assert first_wrong(coin, ["Start with heads", "Max flips: heads"]) is None


def test_a_foreign_question_is_refused():
    with pytest.raises(DataError, match=r"example 'x' is no question of the playground's: 'Which gas\?'"):
        CHECKER.first_wrong_step(Example(id="x", question="Which gas?"), ["Argon."])


def test_how_far_kept_steps_have_come():
    assert steps_reached(TWO, []) == 0
    assert steps_reached(TWO, ["Start with 4."]) == 1
    assert steps_reached(TWO, ["Start with 5."]) is None


@pytest.mark.parametrize("own", STYLES)
@pytest.mark.parametrize("theirs", STYLES)
def test_a_right_beginning_in_any_style_is_continued_to_a_right_whole(own, theirs):
    for example in EXAMPLES[:120]:
        solution = recognise(example.question)[1].solve()
        written = steps_of(solution, theirs, 0)
        for k in range(len(written)):
            rest = continued(solution, written[:k], style=STYLES[own], sample=0)
            assert first_wrong(solution, [*written[:k], *rest]) is None
            assert k + len(rest) == len(solution.steps)
            assert own != "numbered" or rest[0].startswith(f"{k + 1}. ")


def test_a_foreign_beginning_is_continued_from_the_step_of_that_number():
    assert continued(TWO, ["It is so."], style=STYLES["plain"], sample=0) == ("A dozen more: 4 + 12 = 16.",)
    assert len(continued(TWO, ["It.", "Is.", "So."], style=STYLES["plain"], sample=0)) == 1
