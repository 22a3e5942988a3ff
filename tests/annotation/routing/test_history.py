from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation.routing.choose import History, Look

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
    assert history.tally("ada", "sums") == (2, 1)
    assert history.tally("bela", "sums") == (0, 0)


@given(LOOKS, LOOKS)
def test_grows_without_change(first, second):
    start = History().plus(first)
    both = start.plus(second)
    pairs = {(one.teacher, one.domain) for one in [*first, *second]}
    assert start.looks == tuple(first)
    turned = History().plus([*second, *first])
    assert all(both.tally(*pair) == turned.tally(*pair) for pair in pairs)
    assert sum(both.tally(*pair)[0] for pair in pairs) == len(first) + len(second)
    assert sum(both.tally(*pair)[1] for pair in pairs) == sum(x.is_adequate for x in [*first, *second])
