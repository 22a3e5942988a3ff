from random import Random

import pytest

from tuition.core.errors import DataError
from tuition.playground.domain import Problem, draw_apart, listed, words


def digit(rng):
    value = rng.randrange(10)
    return Problem(question=f"Which digit is {value}?", answer=str(value))


def test_draw_apart_gives_sizes_and_no_problem_twice():
    parts = draw_apart(digit, Random(0), [5, 0, 4])
    assert [len(part) for part in parts] == [5, 0, 4]
    assert len({problem.question for part in parts for problem in part}) == 9


def test_draw_apart_knows_two_wordings_of_one_problem_by_their_key():
    def draw(rng):
        return Problem(question=f"Wording {rng.random()}", answer="1", key="the same")

    with pytest.raises(DataError, match="only 1 different problems were found, 2 were asked for"):
        draw_apart(draw, Random(0), [2])


def test_draw_apart_goes_on_after_a_draw_that_came_to_nothing():
    def draw(rng):
        return digit(rng) if rng.random() < 0.2 else None

    assert len(draw_apart(draw, Random(0), [3])[0]) == 3


def test_listed_and_words():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert words("a b\n c") == ("a", "b", "c")
