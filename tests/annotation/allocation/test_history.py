import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation.allocation import History, Look, Tally
from tuition.core.errors import DataError

LOOKS = st.lists(
    st.builds(
        Look,
        teacher=st.sampled_from(["ada", "bela"]),
        domain=st.sampled_from(["sums", "words", ""]),
        is_adequate=st.booleans(),
        usd=st.integers(0, 64).map(lambda n: n / 64),
    ),
    max_size=30,
)


def look(teacher="ada", domain="sums", right=True, usd=0.5):
    return Look(teacher=teacher, domain=domain, is_adequate=right, usd=usd)


def test_counts_by_teacher_and_domain():
    history = History().plus([look(), look(right=False, usd=0.25), look(domain="words")])
    assert history.tally("ada", "sums") == Tally(teacher="ada", domain="sums", looked=2, adequate=1, usd=0.75)
    assert history.tally("bela", "sums").looked == 0


def test_expected_price_falls_back_to_all_domains():
    history = History().plus([look(usd=0.5), look(usd=1.0), look(domain="words", usd=3.0)])
    assert history.expected_usd("ada", "sums") == 0.75
    assert history.expected_usd("ada", "never") == 1.5
    assert history.expected_usd("bela", "sums") is None


@given(LOOKS, LOOKS)
def test_grows_without_change_and_comes_back_from_json(first, second):
    start = History().plus(first)
    before = start.to_json()
    both = start.plus(second)
    assert start.to_json() == before
    assert both == History().plus([*second, *first])
    assert History.from_json(json.loads(json.dumps(both.to_json()))) == both
    assert sum(tally.looked for tally in both.tallies) == len(first) + len(second)
    assert sum(tally.adequate for tally in both.tallies) == sum(x.is_adequate for x in [*first, *second])


@pytest.mark.parametrize("bad", [{"adequate": 3, "looked": 2}, {"usd": -1.0}, {"usd": float("inf")}])
def test_impossible_numbers_are_refused(bad):
    with pytest.raises(DataError, match=r"history of teacher 'ada' in domain '' has .* expected 0 <= adeq"):
        History([Tally(teacher="ada", **bad)])


def test_a_pair_twice_and_an_odd_price_are_refused():
    with pytest.raises(DataError, match="holds teacher 'ada' in domain '' twice"):
        History([Tally(teacher="ada"), Tally(teacher="ada")])
    with pytest.raises(DataError, match=r"teacher 'ada' costs nan dollars; expected a finite number"):
        History().plus([look(usd=float("nan"))])
