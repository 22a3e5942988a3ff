from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation.routing import by_expected_price, cascade
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example

NAMES = ("cheap", "mid", "dear")
HOLDS = st.sampled_from([True, False, None])
WORLDS = st.lists(
    # for each item and teacher: whether there is a reply, and what the check says of it
    st.tuples(*[st.tuples(st.booleans(), HOLDS) for _ in NAMES]),
    max_size=12,
)


def items_of(n):
    return [Example(id=f"i{k}", question="?") for k in range(n)]


def run(world, names=NAMES):
    """Escalate in a world of known replies; also gives the calls and the checks made."""
    calls, checked = [], []

    def ask(items, teacher):
        calls.extend((item.id, teacher) for item in items)
        place = NAMES.index(teacher)
        return {item.id: (teacher, item.id) for item in items if world[int(item.id[1:])][place][0]}

    def check(item, result):
        teacher, id_ = result
        assert id_ == item.id
        checked.append((item.id, teacher))
        return world[int(item.id[1:])][NAMES.index(teacher)][1]

    return cascade(items_of(len(world)), names, ask=ask, check=check), calls, checked


@given(WORLDS)
def test_nobody_is_asked_behind_a_check_that_holds(world):
    found, calls, checked = run(world)
    assert len(calls) == len(set(calls))
    assert len(checked) == len(set(checked)) <= len(calls)
    assert not any(teacher == "dear" for _, teacher in checked)
    for i, replies in enumerate(world):
        id_ = f"i{i}"
        holding = [place for place in range(2) if replies[place] == (True, True)]
        expected = NAMES[: holding[0] + 1] if holding else NAMES
        assert tuple(teacher for asked, teacher in calls if asked == id_) == expected
        given_by = [name for name, (is_there, _) in zip(NAMES, replies, strict=True) if is_there]
        taken = [name for name in given_by if name in expected]
        assert found.results.get(id_) == ((taken[-1], id_) if taken else None)


@given(WORLDS)
def test_every_ending_says_what_happened(world):
    found, _, _ = run(world)
    for i, replies in enumerate(world):
        name, _ = found.results.get(f"i{i}", (None, None))
        ending = found.endings[f"i{i}"]
        if name is None:
            assert ending == "unanswered"
        elif name == "dear":
            assert ending == "last"
        else:
            says = {True: "held", False: "unescalated", None: "unchecked"}
            assert ending == says[replies[NAMES.index(name)][1]]
    assert len(found.endings) == len(world)


def test_counts():
    # i0: cheap holds; i1: cheap fails, mid holds; i2: all the way; i3: cheap fails, then the money is gone
    world = [
        ((True, True), (True, True), (True, True)),
        ((True, False), (True, True), (True, True)),
        ((True, None), (True, False), (True, False)),
        ((True, False), (False, True), (False, True)),
    ]
    found, calls, _ = run(world)
    assert Counter(name for _, name in calls) == {"cheap": 4, "mid": 3, "dear": 2}
    assert Counter(name for name, _ in found.results.values()) == {"cheap": 2, "mid": 1, "dear": 1}
    assert Counter(found.endings.values()) == {"held": 2, "last": 1, "unescalated": 1}


def test_one_teacher_is_never_checked():
    found, _, checked = run([((True, False),) * 3], names=("cheap",))
    assert (found.endings, checked) == ({"i0": "last"}, [])


def test_order_by_price_keeps_the_tables_among_equals():
    assert by_expected_price({"dear": 3.0, "x": 1.0, "a": 1.0, "free": 0.0}) == ["free", "x", "a", "dear"]


def test_bad_input_is_refused():
    def nothing(items, teacher):
        return {}

    def stranger(items, teacher):
        return {"i9": 1}

    with pytest.raises(ConfigError, match=r"teachers of a cascade are \[\]; at least one is needed"):
        cascade(items_of(1), [], ask=nothing, check=lambda item, result: True)
    with pytest.raises(ConfigError, match="and each once"):
        cascade(items_of(1), ["a", "a"], ask=nothing, check=lambda item, result: True)
    with pytest.raises(DataError, match=r"1 ids occur twice among the items: 'i0'"):
        cascade(items_of(1) * 2, ["a"], ask=nothing, check=lambda item, result: True)
    with pytest.raises(DataError, match=r"'a' about 1 items gave results for 1 others: 'i9'"):
        cascade(items_of(1), ["a"], ask=stranger, check=lambda item, result: True)
