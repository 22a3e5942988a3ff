import pytest
from pydantic import ValidationError

from tuition.core.protocols import Pool
from tuition.selection import SelectionConfig, choose

POOL = Pool(size=50)


@pytest.mark.parametrize(
    ("how", "n"),
    [
        ({}, 50),
        ({"examples": 8}, 8),
        ({"examples": 80}, 50),
        ({"share": 0.3}, 15),
        ({"share": 1.0}, 50),
        ({"share": 0.001}, 1),
    ],
)
def test_a_number_or_a_share_of_the_pool_is_chosen(how, n):
    chosen = choose(POOL, SelectionConfig(**how), seed=2)
    assert len(chosen) == n
    assert chosen == sorted(set(chosen))


def test_a_smaller_share_is_part_of_a_larger_one():
    small, large = (set(choose(POOL, SelectionConfig(share=share), seed=5)) for share in (0.2, 0.6))
    assert small < large


def test_nothing_is_chosen_of_nothing():
    assert choose(Pool(size=0), SelectionConfig(share=0.5), seed=0) == []


@pytest.mark.parametrize(
    "how", [{"examples": 3, "share": 0.5}, {"share": 0.0}, {"share": 1.5}, {"examples": 0}]
)
def test_what_is_no_size_is_refused(how):
    with pytest.raises(ValidationError):
        SelectionConfig(**how)


def test_a_number_and_a_share_are_one_thing_said_twice():
    with pytest.raises(ValidationError, match="both examples and share are given; give one of them"):
        SelectionConfig(examples=3, share=0.5)
