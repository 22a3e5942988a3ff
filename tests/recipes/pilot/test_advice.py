"""The rule of a pilot, on numbers that can be worked out by hand."""

import pytest

from tuition.operate.pilot.advice import Share, Tried, advise, oracle_of


def tried(name, *, kept=45, right=45, n=50, usd=0.001, samples=1, chance=0.0, **faults):
    return Tried(
        teacher=name,
        is_simulated=False,
        samples=samples,
        kept=Share.of(kept, n),
        right=None if right is None else Share.of(right, n),
        usd_per_call=usd,
        solve_usd_per_call=usd,
        latency_s=None,
        faults=faults,
        failures={},
        chance=chance,
    )


def nobody(names):
    return None


def rights(**counts):
    """By teacher, right in the examples of a range."""
    return {name: [i in span for i in range(50)] for name, span in counts.items()}


def test_the_interval_is_wilsons():
    share = Share.of(8, 10)
    assert (share.share, round(share.low, 3), round(share.high, 3)) == (0.8, 0.49, 0.943)


def test_price_of_a_kept_rationale():
    assert tried("a", kept=25, usd=0.01).usd_per_kept == pytest.approx(0.02)
    assert tried("a", kept=0).usd_per_kept is None
    assert tried("a", usd=None).usd_per_kept is None
    assert tried("a", usd=0.0).usd_per_kept == 0


def test_oracle():
    share = oracle_of({"a": [True, False, False, None], "b": [False, False, True, True]})
    assert (share.count, share.n) == (2, 3), "an example without an answer of both says nothing"
    assert oracle_of({"a": [None]}) is None
    assert oracle_of({}) is None


def test_a_surely_worse_teacher_that_costs_no_less_is_dropped():
    found = advise(
        [tried("good", kept=48, right=48), tried("bad", kept=48, right=20, usd=0.002)],
        right={},
        similar=nobody,
    )
    assert (found.dropped, found.teachers, found.route) == (("bad",), ("good",), "all")
    assert found.because[1] == "good is left."
    assert found.because[0] == (
        "bad keeps 96 % [87, 99] against 96 % [87, 99] and is right in 40 % [28, 54] against 96 % [87, 99] "
        "of good, which costs no more: leave it out."
    )


@pytest.mark.parametrize(
    "other",
    [
        tried("other", kept=20, right=20, usd=0.0005),
        tried("other", kept=42, right=42, usd=0.002),
        tried("other", kept=20, right=20, usd=None),
        tried("other", kept=50, right=20),
    ],
    ids=["cheaper", "not surely worse", "of unknown price", "worse in one, better in the other"],
)
def test_who_is_not_dropped(other):
    base = tried("base", kept=48, right=48) if other.kept.count < 50 else tried("base", kept=30, right=48)
    assert advise([base, other], right={}, similar=nobody).dropped == ()


def test_equal_teachers_do_not_drop_each_other():
    found = advise([tried("a"), tried("b")], right={}, similar=nobody)
    assert found.dropped == ()
    assert found.teachers == ("a",), "of equals the first"


def test_complementary_teachers_are_routed_by_similarity():
    right = rights(a=range(30), b=range(20, 50))
    pair = [tried("a", kept=30, right=30), tried("b", kept=30, right=30)]
    found = advise(pair, right=right, similar=lambda names: Share.of(45, 50))
    assert (found.route, found.teachers) == ("similarity", ("a", "b"))
    assert found.because == (
        "The teachers complement one another: at least one is right in 100 % [93, 100], the best alone in "
        "60 % [46, 72]; asked by similar questions, 90 % [79, 96] of rationales would be kept.",
    )


def test_complementary_but_not_to_be_told_by_the_question():
    right = rights(a=range(30), b=range(20, 50))
    pair = [tried("a", kept=30, right=30), tried("b", kept=30, right=30, usd=0.0001)]
    found = advise(pair, right=right, similar=lambda names: Share.of(25, 50))
    assert (found.route, found.teachers) == ("all", ("b",))
    assert (
        "similar questions do not tell whose turn it is: kept by the route similarity 50 %"
        in found.because[0]
    )
    assert found.because[1].endswith("b gives the most kept rationales for a dollar: 6,000.")


def test_the_dropped_are_not_counted_among_the_complementary():
    seen = []
    right = rights(a=range(46), b=range(46), c=range(40, 50))
    three = [tried("a", right=46), tried("b", right=46), tried("c", kept=10, right=10)]

    def similar(names):
        seen.append(names)
        return Share.of(50, 50)

    found = advise(three, right=right, similar=similar)
    assert found.dropped == ("c",)
    assert seen == [("a", "b")]
    assert found.route == "all"
    assert "do not surely complement one another: at least one is right in 92 %" in found.because[1]


def test_a_cheap_teacher_that_is_surely_worse_is_not_the_best_alone():
    found = advise(
        [tried("dear", kept=49, right=49, usd=0.1), tried("cheap", kept=10, right=10, usd=0.0001)],
        right={},
        similar=nobody,
    )
    assert found.teachers == ("dear",)


def test_without_labels_and_without_prices():
    two = [tried("a", kept=40, right=None, usd=0.0), tried("b", kept=45, right=None, usd=0.0)]
    found = advise(two, right={}, similar=nobody)
    assert found.teachers == ("b",)
    assert "unknown, for there are no labels" in found.because[0]
    assert "b is free and keeps 90 %" in found.because[1]
    unknown = [tried("a", kept=40, usd=None), tried("b", kept=45, usd=None)]
    assert "b keeps most (90 %" in advise(unknown, right={}, similar=nobody).because[-1]


def test_one_teacher_alone():
    found = advise([tried("a")], right={}, similar=nobody)
    assert (found.route, found.teachers, found.because) == (
        "all",
        ("a",),
        ("a is the only teacher there is.",),
    )


@pytest.mark.parametrize(
    ("right", "chance", "guesses"),
    [
        (10, 0.2, True),
        (14, 0.2, True),
        (5, 0.2, True),
        (20, 0.2, False),
        (30, 0.5, True),
        (0, 0.0, True),
        (1, 0.0, False),
        (None, None, False),
    ],
)
def test_a_teacher_whose_interval_holds_chance_is_guessing(right, chance, guesses):
    one = tried("a", right=right, chance=chance)
    assert one.is_guessing is guesses and one.to_json()["is_guessing"] is guesses
    found = advise([one], right={}, similar=nobody)
    assert found.teachers == (() if guesses else ("a",))
    assert found.route == ("none" if guesses else "all")
    if guesses:
        assert found.dropped == ("a",)
        assert f"guessing is right in {100 * chance:.0f} %." in found.because[0]
        assert found.because[-1] == "No teacher is fit to learn from: mend the prompts, or take others."


def test_a_free_teacher_that_guesses_gives_way_to_a_dear_one_that_knows():
    cheap, dear = tried("cheap", right=10, usd=0.0, chance=0.2), tried("dear", right=30, usd=1.0, chance=0.2)
    found = advise([cheap, dear], right={}, similar=nobody)
    assert (found.teachers, found.dropped) == (("dear",), ("cheap",))
    assert found.because[0].startswith("cheap is no better than guessing: right in 20 % [11, 33], and")


@pytest.mark.parametrize(
    ("faults", "teachers", "words"),
    [
        ({"duplicate": 0.1, "cut": 0.1}, ("odd",), ()),
        ({"duplicate": 0.3}, ("odd",), ("30 % repeat a text that it wrote for another question.",)),
        ({"cut": 0.4}, ("odd",), ("40 % break off.",)),
        ({"cut": 0.6}, ("other",), ("60 % break off.",)),
        ({"duplicate": 0.9, "cut": 1.0}, ("other",), ("90 % repeat", "100 % break off.")),
    ],
)
def test_texts_that_repeat_or_break_off_are_told_and_heeded(faults, teachers, words):
    odd, other = tried("odd", usd=0.0, **faults), tried("other", usd=1.0)
    found = advise([odd, other], right={}, similar=nobody)
    assert found.teachers == teachers
    assert all(any(f"odd writes texts of which {word}" in text for text in found.because) for word in words)
    assert any("writes texts" in text for text in found.because) is bool(words)
    alone = advise([odd], right={}, similar=nobody)
    assert alone.teachers == (() if faults.get("duplicate", 0) > 0.5 else ("odd",))
