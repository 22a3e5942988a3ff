import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuition.annotation.votes import Consensus, majority, weighted_majority

NAMES = ("ada", "bela", "chen", "dara")
ANSWERS = st.lists(
    st.fixed_dictionaries({name: st.sampled_from(["x", "y", "z", None]) for name in NAMES}), max_size=12
)


def planted(reliability, *, n, options, seed, asked=1.0):
    """Draw true answers and what teachers of known reliability say of them."""
    rng = random.Random(seed)
    truth = [str(rng.randrange(options)) for _ in range(n)]
    rows = []
    for true in truth:
        wrong = [str(i) for i in range(options) if str(i) != true]
        row = {name: true if rng.random() < p else rng.choice(wrong) for name, p in reliability.items()}
        rows.append({name: answer if rng.random() < asked else None for name, answer in row.items()})
    return rows, truth


def share_right(labels, truth):
    return sum(label == true for label, true in zip(labels, truth, strict=True)) / len(truth)


def slowly(rows, options, *, turns, prior):
    """The same by plain loops over all possible answers, in plain probabilities."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    worlds = []
    for row, n in zip(rows, options, strict=True):
        seen = list(dict.fromkeys(answer for answer in row.values() if answer is not None))
        n = max(n if n is not None else len(names) + 1, len(seen), 2)
        worlds.append(seen + [("unseen", i) for i in range(n - len(seen))])
    posteriors = []
    for row, world in zip(rows, worlds, strict=True):
        counts = [sum(answer == possible for answer in row.values()) for possible in world]
        top = [count == max(counts) and count > 0 for count in counts]
        posteriors.append([is_top / sum(top) if any(top) else 0.0 for is_top in top])
    history = []
    p = _estimate(rows, worlds, posteriors, names, prior)
    for _ in range(turns):
        total, posteriors = 0.0, []
        for row, world in zip(rows, worlds, strict=True):
            joint = []
            for possible in world:
                product = 1 / len(world)
                for name, answer in row.items():
                    if answer is not None:
                        product *= p[name] if answer == possible else (1 - p[name]) / (len(world) - 1)
                joint.append(product)
            total += math.log(sum(joint))
            posteriors.append([product / sum(joint) for product in joint])
        total += sum(prior[0] * math.log(p[name]) + prior[1] * math.log(1 - p[name]) for name in names)
        history.append(total)
        p = _estimate(rows, worlds, posteriors, names, prior)
    return posteriors, worlds, p, history


def _estimate(rows, worlds, posteriors, names, prior):
    found = {}
    for name in names:
        right, n = prior[0], prior[0] + prior[1]
        for row, world, posterior in zip(rows, worlds, posteriors, strict=True):
            if row.get(name) is not None:
                right += posterior[world.index(row[name])]
                n += 1
        found[name] = right / n
    return found


def test_the_majority_by_hand():
    rows = [
        {"a": "x", "b": "y", "c": "y"},
        {"a": "x", "b": "y", "c": None},
        {"a": None, "b": "y", "c": "x"},
        {"a": None, "b": None},
        {},
    ]
    assert majority(rows) == ["y", "x", "y", None, None]


@given(ANSWERS, st.sampled_from([None, 3, 5]))
@settings(max_examples=60, deadline=None)
def test_it_agrees_with_plain_loops(rows, n):
    options = [n] * len(rows)
    panel = weighted_majority(rows, options=options, iterations=7, tolerance=0.0, prior=(2.0, 1.0))
    turns = len(panel.log_posteriors)
    posteriors, worlds, reliability, history = slowly(rows, options, turns=turns, prior=(2.0, 1.0))
    assert panel.reliability == pytest.approx(reliability)
    assert list(panel.log_posteriors) == pytest.approx(history)
    for label, confidence, posterior, world in zip(
        panel.labels, panel.confidence, posteriors, worlds, strict=True
    ):
        if label is None:
            assert confidence == 0.0
        else:
            assert confidence == pytest.approx(posterior[world.index(label)])
            seen = [share for share, answer in zip(posterior, world, strict=True) if isinstance(answer, str)]
            assert confidence == pytest.approx(max(seen))


@given(ANSWERS, st.sampled_from([None, 4]))
@settings(max_examples=60, deadline=None)
def test_the_log_posterior_never_falls(rows, n):
    panel = weighted_majority(rows, options=[n] * len(rows), iterations=40)
    assert all(
        later >= earlier - 1e-9
        for earlier, later in zip(panel.log_posteriors, panel.log_posteriors[1:], strict=False)
    )
    assert all(0 < p < 1 for p in panel.reliability.values())
    assert all(0 <= share <= 1 + 1e-12 for share in panel.confidence)


@given(ANSWERS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_examples_changes_nothing(rows, rng):
    order = list(range(len(rows)))
    rng.shuffle(order)
    # every row names all teachers in one order, so that a tie falls the same way
    left, right = weighted_majority(rows), weighted_majority([rows[i] for i in order])
    for place, i in enumerate(order):
        assert right.confidence[place] == pytest.approx(left.confidence[i], abs=1e-6)
    assert right.reliability == pytest.approx(left.reliability, abs=1e-6)


@given(ANSWERS)
@settings(max_examples=60, deadline=None)
def test_the_order_of_teachers_decides_ties_alone(rows):
    turned = [dict(reversed(row.items())) for row in rows]
    left, right = weighted_majority(rows), weighted_majority(turned)
    assert right.reliability == pytest.approx(left.reliability, abs=1e-6)
    assert right.confidence == pytest.approx(left.confidence, abs=1e-6)


@given(st.lists(st.sampled_from(["x", "y"]), min_size=1, max_size=8), st.integers(1, 4))
@settings(deadline=None)
def test_where_all_agree_that_is_the_label(answers, n):
    rows = [dict.fromkeys(NAMES[:n], answer) for answer in answers]
    assert list(weighted_majority(rows).labels) == answers == majority(rows)


@given(ANSWERS)
@settings(max_examples=40, deadline=None)
def test_names_of_answers_mean_nothing(rows):
    renamed = [{name: answer and f"the {answer}" for name, answer in row.items()} for row in rows]
    left, right = weighted_majority(rows), weighted_majority(renamed)
    assert [label and f"the {label}" for label in left.labels] == list(right.labels)
    assert left.confidence == right.confidence


def test_planted_reliabilities_are_found_again():
    reliability = {"ada": 0.9, "bela": 0.75, "chen": 0.6, "dara": 0.4}
    rows, truth = planted(reliability, n=3000, options=4, seed=1)
    panel = weighted_majority(rows, options=[4] * len(rows))
    assert panel.reliability == pytest.approx(reliability, abs=0.03)
    assert share_right(panel.labels, truth) > share_right(majority(rows), truth)
    # what it thinks of its labels is what they are worth
    assert np.mean(panel.confidence) == pytest.approx(share_right(panel.labels, truth), abs=0.02)


def test_open_answers_and_missing_ones_come_near_enough():
    reliability = {"ada": 0.9, "bela": 0.7, "chen": 0.5}
    rows, truth = planted(reliability, n=2000, options=6, seed=2, asked=0.8)
    panel = weighted_majority(rows)
    # with three teachers and ties that fall to the best of them, there is nothing to win over the majority
    assert share_right(panel.labels, truth) > share_right(majority(rows), truth) - 0.02
    assert panel.reliability == pytest.approx(reliability, abs=0.06)


def test_agreement_on_open_answers_is_not_taken_for_a_common_error():
    # were the answers possible counted from those seen, full agreement would leave two, and "all are wrong"
    # would explain it as well as "all are right"
    rows = [{"ada": str(i), "bela": str(i), "chen": str(i)} for i in range(50)]
    panel = weighted_majority([*rows, {"ada": "x", "bela": "y", "chen": "z"}] * 3)
    assert min(panel.reliability.values()) > 0.9


def test_a_good_minority_outweighs_a_bad_majority():
    rows, _ = planted({"ada": 0.97, "bela": 0.96, "c": 0.4, "d": 0.4, "e": 0.4}, n=400, options=4, seed=3)
    split = {"ada": "0", "bela": "0", "c": "1", "d": "1", "e": "1"}
    panel = weighted_majority([*rows, split], options=[4] * 401)
    assert majority([split]) == ["1"]
    assert panel.labels[-1] == "0"
    assert panel.confidence[-1] > 0.9


def test_two_teachers_that_differ_are_a_tie_of_the_first():
    rows = [{"a": "x", "b": "y"}, {"a": "y", "b": "x"}]
    panel = weighted_majority(rows, options=[2, 2])
    assert panel.labels == ("x", "y")
    assert panel.confidence == pytest.approx((0.5, 0.5))
    assert panel.reliability["a"] == pytest.approx(panel.reliability["b"])


def test_nobody_and_nothing():
    assert weighted_majority([]) == Consensus(labels=(), confidence=(), reliability={}, log_posteriors=(0.0,))
    panel = weighted_majority([{"a": None}, {}])
    assert (panel.labels, panel.confidence) == ((None, None), (0.0, 0.0))
    assert panel.reliability == {"a": pytest.approx(2 / 3)}


def test_more_answers_than_options_are_borne():
    panel = weighted_majority([{"a": "x", "b": "y", "c": "z"}], options=[2])
    assert panel.labels == ("x",)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"options": [2, 2]}, "2 numbers of options for 1 examples"),
        ({"iterations": 0}, "at least one turn and positive priors"),
        ({"prior": (0.0, 1.0)}, "at least one turn and positive priors"),
    ],
)
def test_what_cannot_be_is_refused(more, words):
    with pytest.raises(ValueError, match=words):
        weighted_majority([{"a": "x"}], **more)
