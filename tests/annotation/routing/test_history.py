import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation.routing.choose import History, Look, LookCounts
from tuition.core.errors import DataError

LOOKS = st.lists(
    st.builds(
        Look,
        teacher=st.sampled_from(["ada", "bela"]),
        domain=st.sampled_from(["sums", "words", ""]),
        is_adequate=st.booleans(),
    ),
    max_size=30,
)


def look(domain="sums", right=True):
    return Look(teacher="ada", domain=domain, is_adequate=right)


def test_counts_by_teacher_and_domain():
    history = History().plus([look(), look(right=False), look(domain="words")])
    assert history.tally("ada", "sums") == LookCounts(teacher="ada", domain="sums", looked=2, adequate=1)
    assert history.tally("bela", "sums").looked == 0


@given(LOOKS, LOOKS)
def test_grows_without_change(first, second):
    start = History().plus(first)
    before = start.tallies
    both = start.plus(second)
    assert start.tallies == before
    assert both.tallies == History().plus([*second, *first]).tallies
    assert sum(tally.looked for tally in both.tallies) == len(first) + len(second)
    assert sum(tally.adequate for tally in both.tallies) == sum(x.is_adequate for x in [*first, *second])


@pytest.mark.parametrize("bad", [{"adequate": 3, "looked": 2}, {"adequate": -1, "looked": 2}])
def test_impossible_numbers_are_refused(bad):
    with pytest.raises(DataError, match=r"history of teacher 'ada' in domain '' has .* expected 0 <= adeq"):
        History([LookCounts(teacher="ada", **bad)])


def test_a_pair_twice_is_refused():
    with pytest.raises(DataError, match="holds teacher 'ada' in domain '' twice"):
        History([LookCounts(teacher="ada"), LookCounts(teacher="ada")])
