"""A text sent piece by piece is the text decoded at once, whatever its letters, blanks and stop sequences."""

import pytest
from asked import make_student
from hypothesis import given
from hypothesis import strategies as st

from tuition.serving.batcher import Text

_TOKENIZER = make_student().tokenizer


def decode(ids):
    return _TOKENIZER.decode(ids, skip_special_tokens=True)


def grown(ids, stops):
    text = Text(decode, stops)
    pieces = []
    for token in ids:
        pieces.append(text.add(token))
        if text.is_stopped:
            break
    return [*pieces, text.rest()], text


@given(
    ids=st.lists(st.integers(0, len(_TOKENIZER) - 1), max_size=12)
    | st.text(max_size=12).map(lambda text: _TOKENIZER.encode(text)),
    stops=st.lists(st.text("ab1 \n漢é", min_size=1, max_size=3), max_size=3),
)
def test_pieces_are_the_whole(ids, stops):
    pieces, text = grown(ids, stops)
    assert "".join(pieces) == text.whole()
    if not stops:
        assert text.whole() == decode(ids).strip()


@pytest.mark.parametrize(
    ("text", "stops", "shown", "is_stopped"),
    [
        ("  a b  ", (), "a b", False),
        ("漢字 é", (), "漢字 é", False),
        ("a\n\nb", ("\n\n",), "a", True),
        ("\nab", ("\n",), "", True),
        ("a b STO", ("STOP",), "a b STO", False),
        ("a b STOP c", ("STOP",), "a b", True),
        ("aaab", ("aab",), "a", True),
        ("", ("a",), "", False),
    ],
)
def test_what_is_shown(text, stops, shown, is_stopped):
    pieces, found = grown(_TOKENIZER.encode(text), stops)
    assert "".join(pieces) == found.whole() == shown
    assert found.is_stopped == is_stopped


def test_what_may_be_the_beginning_of_a_stop_sequence_waits():
    text = Text("".join, ("STOP",))
    assert [text.add(letter) for letter in "a ST, STX STOP"] == [
        *("a", "", "", "", " ST,", "", "", "", " STX", "", "", "", "", ""),
    ]
    assert text.is_stopped
    assert text.rest() == ""


def test_a_letter_is_shown_when_all_its_tokens_are_there():
    [first, *more] = _TOKENIZER.encode("é") if len(_TOKENIZER.encode("é")) > 1 else _TOKENIZER.encode("ÿ")
    text = Text(decode, ())
    assert text.add(first) == ""
    assert text.add(*more) in ("é", "ÿ")
