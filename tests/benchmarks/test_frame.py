"""The one rule for intervals (`benchmarks/frame.py`): by hand, and how often it holds the truth."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")


@pytest.fixture(scope="module")
def frame():
    sys.path.insert(0, str(BENCHMARKS))
    import frame

    return frame


def runs(hits, items):
    return [
        {"seed": seed, "hits": text, "items": of}
        for seed, (text, of) in enumerate(zip(hits, items, strict=True))
    ]


def test_the_interval_by_hand_where_seeds_tell_and_items_do_not(frame):
    # Every item of a seed has the same difference, so that its items say nothing: 100, 0 and 0 points.
    ours = runs(["1111", "0000", "1111"], ["a", "b", "c"])
    theirs = runs(["0000", "0000", "1111"], ["a", "b", "c"])
    # Student's t with two degrees of freedom: 33.33 ± 4.3027 * 57.735 / sqrt(3) = 33.33 ± 143.42.
    assert frame.gain(ours, theirs) == {"mean": 33.33, "low": -110.09, "high": 176.76}


def test_the_interval_by_hand_of_one_seed(frame):
    # Nothing but the bootstrap over items: 3 of 4 better. k of 4 redrawn, binomial (4, 3/4):
    # P(k = 0) = 0.4 %, P(k <= 1) = 5.1 %, so that the quantile of 2.5 % is 1/4; P(k = 4) = 31.6 %.
    found = frame.gain(runs(["1110"], ["a"]), runs(["0000"], ["a"]))
    assert found == {"mean": 75.0, "low": 25.0, "high": 100.0}


def test_items_that_seeds_share_are_drawn_once_for_all_of_them(frame):
    # Two seeds agree on every item: t sees no spread, and the second seed tells nothing new.
    ours, theirs = ["1" * 30 + "0" * 70] * 2, ["0" * 100] * 2
    shared = frame.gain(runs(ours, ["test", "test"]), runs(theirs, ["test", "test"]))
    one = frame.gain(runs(ours[:1], ["test"]), runs(theirs[:1], ["test"]))
    own = frame.gain(runs(ours, ["first", "second"]), runs(theirs, ["first", "second"]))
    # 30 ± 1.96 * sqrt(0.3 * 0.7 / 100) = 30 ± 8.98; with twice the items 30 ± 6.35.
    assert (shared["low"], shared["high"]) == (21.0, 39.0) == (one["low"], one["high"])
    assert own["low"] == pytest.approx(30 - 6.35, abs=0.6)
    assert own["high"] == pytest.approx(30 + 6.35, abs=0.6)


def test_one_common_item_makes_it_crossed(frame):
    ours, theirs = ["1" * 30 + "0" * 70] * 2, ["0" * 100] * 2
    ids = [[f"{seed}-{i}" for i in range(99)] + ["both"] for seed in range(2)]
    common = frame.gain(runs(ours, ids), runs(theirs, ids))
    own = frame.gain(runs(ours, ["first", "second"]), runs(theirs, ["first", "second"]))
    assert common["high"] - common["low"] > own["high"] - own["low"] + 1


def test_a_mask_gives_the_places_that_count(frame):
    ours, theirs = runs(["1100", "1000"], ["a", "b"]), runs(["0000", "0000"], ["a", "b"])
    assert frame.gain(ours, theirs, mask=lambda seed: [0])["mean"] == 100.0
    assert frame.gain(ours, theirs, mask=lambda seed: [2, 3])["mean"] == 0.0
    assert frame.gain(ours, theirs, mask=lambda seed: [1] if seed else [0, 1])["mean"] == 50.0


WRONG = {
    "unequal seeds": (runs(["1", "1"], "ab"), runs(["1"], "a"), r"unequal seeds: \[0, 1\] and \[0\]"),
    "no items": ([{"seed": 3, "hits": "10"}] * 2, None, "seed 3 does not say what its 2 hits are of"),
    "other items": (runs(["1"], "a"), runs(["1"], "b"), "seed 0 were not examined on the same items"),
    "too few ids": (runs(["11"], [["x"]]), runs(["11"], [["x"]]), "has 2 hits of 1 items"),
    "an id twice": (runs(["11"], [["x", "x"]]), runs(["11"], [["x", "x"]]), "none may be twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_compared_is_refused(frame, case):
    ours, theirs, words = WRONG[case]
    with pytest.raises(ValueError, match=words):
        frame.gain(ours[:1] if theirs is None else ours, ours[:1] if theirs is None else theirs)


def covered(frame, *, is_shared, seeds, items, told=None, times=300):
    """How often the interval holds the true gain of 10 points, over experiments of five seeds and 200 items.

    `seeds` and `items` say by how much the gain differs between them; `told`, whether the rule is
    told that the items are shared.
    """
    rng = np.random.default_rng(1)
    told = is_shared if told is None else told
    found = 0
    for _ in range(times):
        gain = rng.normal(0.1, seeds, (5, 1)) + rng.normal(0, items, 200 if is_shared else (5, 200))
        alone = rng.random((5, 200)) < np.abs(gain)  # one of the two is right and the other is not
        hits = [
            ["".join(map(str, row)) for row in marks.astype(int)]
            for marks in (alone & (gain > 0), alone & (gain < 0))
        ]
        of = ["test"] * 5 if told else [f"test {seed}" for seed in range(5)]
        interval = frame.gain(runs(hits[0], of), runs(hits[1], of), resamples=400)
        found += interval["low"] <= 10 <= interval["high"]
    return found / times


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize(("seeds", "items"), [(0.05, 0), (0, 0.3), (0.03, 0.3)])
def test_the_interval_holds_the_truth_about_95_times_in_100(frame, is_shared, seeds, items):
    assert 0.93 <= covered(frame, is_shared=is_shared, seeds=seeds, items=items) <= 0.99


def test_it_does_not_where_shared_items_are_taken_for_own_ones(frame):
    assert covered(frame, is_shared=True, told=False, seeds=0, items=0.3) < 0.9
