import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from toys import ToyTask

from tuition.annotation.routing import (
    POLICIES,
    ROUTES,
    RoutingConfig,
    drawn_order,
    first_kept,
    is_same_answer,
    least_surprising,
    probe_of,
    similar_order,
    similar_success,
    vote,
)
from tuition.core.errors import DataError
from tuition.core.records import Annotation, Example

TEACHERS = ("ada", "bela", "chen")
NAMES = st.lists(st.sampled_from(TEACHERS), min_size=1, max_size=3, unique=True)
WORDS = st.lists(st.sampled_from(["coin", "flip", "date", "day", "fish", "bird"]), max_size=5).map(" ".join)
QUICK = settings(max_examples=60, deadline=None)


def question(i, text=""):
    return Example(id=f"q{i}", question=text or f"What is {i}?", answer="x")


def note(example_id, teacher, sample=0, answer=None):
    return Annotation(
        example_id=example_id, teacher=teacher, kind="chain", rationale="so", answer=answer, sample=sample
    )


@QUICK
@given(NAMES, st.integers(0, 9), st.integers(0, 99))
def test_a_drawn_order_names_every_teacher_once_and_nobody_else(names, seed, i):
    order = drawn_order(question(i), names, seed=seed)
    assert sorted(order) == sorted(names)
    assert order == drawn_order(question(i), names[::-1], seed=seed)


def test_the_draw_is_even_and_seeded():
    first = [drawn_order(question(i), TEACHERS, seed=1)[0] for i in range(900)]
    assert all(250 < first.count(name) < 350 for name in TEACHERS)
    assert first != [drawn_order(question(i), TEACHERS, seed=2)[0] for i in range(900)]


@QUICK
@given(st.integers(0, 50), st.floats(0.01, 1.0, allow_subnormal=False), st.integers(0, 5))
def test_a_probe_is_a_seeded_part_in_order(n, share, seed):
    examples = [question(i) for i in range(n)]
    probe = probe_of(examples, share, seed=seed)
    assert probe == probe_of(examples, share, seed=seed)
    assert len(probe) == (min(n, max(1, round(share * n))) if n else 0)
    assert probe == [example for example in examples if example in probe]


HISTORY = st.lists(st.tuples(WORDS, st.none() | st.floats(0, 1, allow_subnormal=False)), max_size=12)


@QUICK
@given(st.lists(WORDS, max_size=4), HISTORY, st.integers(1, 12), st.floats(0.1, 9, allow_subnormal=False))
def test_expected_success_is_a_share(texts, history, neighbours, prior):
    asked = [question(i, text or "?") for i, text in enumerate(texts)]
    known = [question(100 + i, text or "?") for i, (text, _) in enumerate(history)]
    success = {"ada": [value for _, value in history], "bela": [None] * len(history)}
    found = similar_success(asked, known, success, neighbours=neighbours, prior=prior)
    assert list(found) == ["ada", "bela"]
    for values in found.values():
        assert values.shape == (len(asked),)
        assert ((values >= 0) & (values <= 1)).all()
    assert (found["bela"] == 0.5).all()


def test_expected_success_by_hand():
    known = [question(0, "coin coin"), question(1, "date"), question(2, "fish")]
    # Of one near question with weight 1 and a prior of 2 at the rate 1/3: (1 + 2/3) / 3.
    found = similar_success(
        [question(9, "coin"), question(8, "nothing shared")], known, {"ada": [1.0, 0.0, 0.0]}, prior=2.0
    )["ada"]
    assert found == pytest.approx([(1 + 2 / 3) / 3, 1 / 3])


def test_what_holds_where_nothing_is_said():
    # Twelve questions alike of which the teacher was right on the last two, both beyond the nearest ten.
    known, success = [question(i, "coin") for i in range(12)], {"ada": [0.0] * 10 + [1.0] * 2}
    # Ten near ones of weight 1, all wrong, and 2 imagined at the rate of 2 in 12.
    assert similar_success([question(99, "coin")], known, success)["ada"] == pytest.approx([(2 / 6) / 12])


def test_who_was_always_right_is_expected_to_be_right_and_no_more():
    texts = [" ".join(f"w{i * k % 17}" for k in range(1, 3 + i % 7)) for i in range(40)]
    known = [question(i, text) for i, text in enumerate(texts)]
    found = similar_success(known, known, {"ada": [1.0] * 40})["ada"]
    assert found == pytest.approx(np.ones(40))
    assert (found <= 1.0).all(), "a rounding error is no success"


def test_options_make_questions_similar_too():
    def asked(i, *choices):
        return Example(id=f"q{i}", question="Which?", choices=choices, answer=choices[0])

    known = [asked(0, "coin", "cup"), question(1, "A fish")]
    found = similar_success([asked(9, "fish", "dog")], known, {"ada": [0.0, 1.0]}, neighbours=1, prior=1.0)
    assert found["ada"] == pytest.approx([(1 + 0.5) / 2])


def test_who_was_right_on_similar_questions_is_expected_to_be_right():
    known = [question(i, "the coin is flipped" if i % 2 else "the day of the month") for i in range(20)]
    coins = [float(i % 2) for i in range(20)]
    success = {"ada": coins, "bela": [1 - value for value in coins]}
    expected = similar_success(
        [question(99, "flipped coin"), question(98, "which day of a month")], known, success
    )
    orders = similar_order(expected, {"ada": 1.0, "bela": 1.0})
    assert orders == [("ada", "bela"), ("bela", "ada")]


def test_a_history_of_another_length_is_refused():
    with pytest.raises(ValueError, match="1 known questions, but 'ada' has 2 numbers"):
        similar_success([], [question(0)], {"ada": [1.0, 0.0]})
    with pytest.raises(ValueError, match="prior must be above 0"):
        similar_success([], [], {}, prior=0)


def test_of_equals_the_cheaper_then_the_earlier_is_asked():
    even = {name: np.array([0.5, 0.1 + 0.2]) for name in TEACHERS}
    even["chen"] = np.array([0.5, 0.3])
    assert similar_order(even, {"ada": 2.0, "bela": 1.0, "chen": 1.0}) == [("bela", "chen", "ada")] * 2
    assert similar_order({"ada": np.array([0.5])}, {"ada": 1.0}) == [("ada",)]
    assert similar_order({}, {}) == []


@pytest.mark.parametrize(("more", "first"), [(2e-10, "ada"), (2e-9, "bela")])
def test_only_a_difference_within_nine_digits_counts(more, first):
    expected = {"ada": np.array([0.5]), "bela": np.array([0.5 + more])}
    assert similar_order(expected, {"ada": 1.0, "bela": 1.0})[0][0] == first


KEPT = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(TEACHERS), st.integers(0, 1), st.sampled_from("xyz")),
    max_size=20,
    unique_by=lambda item: item[:3],
).map(lambda items: [note(f"q{i}", name, sample, answer) for i, name, sample, answer in items])


@QUICK
@given(KEPT, st.randoms(use_true_random=True))
def test_an_example_gets_one_of_its_own_kept_rationales(kept, random):
    examples = {f"q{i}": question(i) for i in range(5)}
    order = {id_: random.sample(TEACHERS, 3) for id_ in examples}
    logprobs = [(-random.random(),) * random.randint(1, 3) for _ in kept]
    ids = {item.example_id for item in kept}
    for picked in (
        first_kept(kept, order),
        least_surprising(kept, logprobs),
        vote(kept, kept, examples, task=ToyTask(), teachers=TEACHERS),
    ):
        assert set(picked) == ids
        assert all(item in kept and item.example_id == id_ for id_, item in picked.items())


def test_the_first_in_order_wins_then_its_first_sample():
    kept = [note("q0", "ada"), note("q0", "bela", 1), note("q0", "bela", 0), note("q1", "ada")]
    picked = first_kept(kept, {"q0": ("chen", "bela", "ada"), "q1": ("bela", "ada")})
    assert picked == {"q0": kept[2], "q1": kept[3]}


def test_the_least_surprising_is_the_lowest_mean_and_not_the_shortest():
    kept = [note("q0", "ada"), note("q0", "bela"), note("q1", "ada"), note("q1", "bela")]
    picked = least_surprising(kept, [(-1.0,), (-0.5, -0.5, -0.5), (), (-9.0,)])
    assert picked == {"q0": kept[1], "q1": kept[3]}
    assert least_surprising([kept[0]], [()]) == {"q0": kept[0]}
    with pytest.raises(ValueError, match="zip"):
        least_surprising(kept, [(-1.0,)])


def test_the_majority_is_counted_over_all_and_taken_from_the_kept():
    examples = {"q0": question(0), "q1": question(1)}
    answered = [
        *(note("q0", name, answer=answer) for name, answer in zip(TEACHERS, "xyy", strict=True)),
        *(note("q1", name, answer=answer) for name, answer in zip(TEACHERS, "xxz", strict=True)),
    ]
    picked = vote(answered, answered, examples, task=ToyTask(), teachers=TEACHERS)
    # bela holds the majority's answer twice, ada and chen once.
    assert {id_: item.teacher for id_, item in picked.items()} == {"q0": "bela", "q1": "bela"}
    right = [item for item in answered if item.answer == "x"]
    picked = vote(right, answered, examples, task=ToyTask(), teachers=TEACHERS)
    assert {id_: item.teacher for id_, item in picked.items()} == {"q1": "bela"}


def test_a_tie_goes_to_the_earlier_table_and_a_teacher_has_one_voice():
    examples = {"q0": question(0)}
    tie = [note("q0", "bela", answer="y"), note("q0", "ada", answer="x")]
    picked = vote(tie, tie, examples, task=ToyTask(), teachers=("ada", "bela"))
    assert picked["q0"].teacher == "ada"
    loud = [note("q0", "chen", sample, "z") for sample in range(5)]
    quiet = [note("q0", "ada", answer="x"), note("q0", "bela", answer="x")]
    picked = vote([*loud, *quiet], [*loud, *quiet], examples, task=ToyTask(), teachers=TEACHERS)
    assert picked["q0"].answer == "x"


def test_unread_answers_have_no_voice():
    silent = [note("q0", "ada"), note("q0", "bela", answer="x")]
    picked = vote(silent, silent, {"q0": question(0)}, task=ToyTask(), teachers=TEACHERS)
    assert picked["q0"].teacher == "bela"
    assert vote(silent[:1], silent[:1], {"q0": question(0)}, task=ToyTask(), teachers=TEACHERS) == {}


def test_a_question_that_nobody_answers_makes_no_teacher_a_better_one():
    examples = {"q0": question(0), "q1": question(1)}
    answered = [
        note("q0", "ada", answer="x"),
        note("q0", "bela", answer="x"),
        note("q1", "bela"),
        note("q1", "chen"),
    ]
    picked = vote(answered, answered, examples, task=ToyTask(), teachers=TEACHERS)
    assert picked == {"q0": answered[0]}


class Loose(ToyTask):
    """Takes answers of either case for the same, and knows no label that is a digit."""

    def grade(self, answer, example):
        if example.answer.isdigit():
            raise DataError("no label")
        return super().grade(answer.lower(), Example(id="", question="", answer=example.answer.lower()))


def test_answers_that_the_task_takes_for_the_same_are_counted_together():
    said = [
        note("q0", name, answer=answer) for name, answer in zip(TEACHERS, ("No", "Yes", "YES"), strict=True)
    ]
    picked = vote(said, said, {"q0": question(0)}, task=Loose(), teachers=TEACHERS)
    assert picked["q0"].teacher == "bela"
    odd = [note("q0", name, answer=answer) for name, answer in zip(TEACHERS, "575", strict=True)]
    assert vote(odd, odd, {"q0": question(0)}, task=Loose(), teachers=TEACHERS)["q0"].answer == "5"


@pytest.mark.parametrize(
    ("answer", "other", "is_same"),
    [
        ("No", "no", True),
        ("No", "yes", False),
        ("5", "5", True),  # no label of this task, yet the same words
        ("7", "5", False),
        (None, None, False),
        (None, "no", False),
        ("no", None, False),
    ],
)
def test_two_answers_are_the_same_by_their_words_or_by_the_task(answer, other, is_same):
    assert is_same_answer(answer, other, question(0), task=Loose()) is is_same


def test_every_route_is_said_in_words_and_every_setting_has_a_default():
    assert ROUTES == ("all", "random", "similarity", "familiar", "judge", "vote")
    assert set(ROUTES) <= set(POLICIES)
    defaults = {"probe": 0.2, "neighbours": 10, "prior": 2.0, "tries": 1, "judge": ""}
    assert RoutingConfig().model_dump() == defaults


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("probe", [0.001, 1.0], [0, 1.001]),
        ("neighbours", [1], [0]),
        ("prior", [0.001], [0, float("inf")]),
        ("tries", [1], [0]),
    ],
)
def test_limits_of_settings(field, good, bad):
    assert [getattr(RoutingConfig(**{field: value}), field) for value in good] == good
    for value in bad:
        with pytest.raises(ValidationError, match=field):
            RoutingConfig(**{field: value})
