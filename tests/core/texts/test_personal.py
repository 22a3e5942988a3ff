"""Personal data in texts: what is found, and what only looks like it."""

import time

import pytest

from tuition.core.texts.personal import KINDS, count, mask

FOUND = [
    ("email", "write to Jo.Doe+shop@mail.example.co.uk, please"),
    ("email", "<o'brien%x@example.org>"),
    ("email", "größe@münchen.example"),
    ("phone", "call +49 (0)30 1234567 today"),
    ("phone", "call +1-202-555-0143"),
    ("phone", "0049 151 23456789"),
    ("phone", "Tel. 030/1234567"),
    ("phone", "020 7946 0958"),
    ("phone", "07700 900123"),
    ("phone", "01 23 45 67 89"),
    ("phone", "(202) 555-0143"),
    ("phone", "202-555-0143"),
    ("card", "my card is 4111 1111 1111 1111, valid"),
    ("card", "5500-0000-0000-0004"),
    ("card", "378282246310005"),
    ("card", "3782 822463 10005"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "pay to GB29NWBK60161331926819 now"),
    ("iban", "NL91 ABNA 0417 1643 00 PAID LAST WEEK"),
    ("iban", "de89370400440532013000"),
]
OTHERS = [
    "In 2026 there were 12 345 678 people, 3.14159265358979 of them pi.",
    "from 2026-11-29 to 01/02/2027, at 10:30",
    "order 4111 1111 1111 1112 and number 1234567890123456",
    "0.123456789 and 1,020.7946",
    "DE00370400440532013000",
    "1700000000000000000 nanoseconds",
    "@handle and a@b and user@localhost",
    "555-0143, 100 200 300",
    "version 10.0.22631.4317 at 192.168.100.200",
    "5 + 7 = 12; 1000000007 is prime",
]


@pytest.mark.parametrize(("kind", "text"), FOUND)
def test_each_form_is_found_and_masked(kind, text):
    assert count(text) == {kind: 1}
    masked = mask(text)
    assert f"[{kind}]" in masked
    assert count(masked) == {}
    assert mask(masked) == masked
    assert mask(text, [one for one in KINDS if one != kind]) == text or kind in ("card", "iban")


@pytest.mark.parametrize("text", OTHERS)
def test_other_numbers_stay(text):
    assert count(text) == {}
    assert mask(text) == text


def test_the_words_around_stay():
    assert mask("NL91 ABNA 0417 1643 00 PAID LAST WEEK") == "[iban] PAID LAST WEEK"
    assert mask("mail a@b.example, or b@c.example.") == "mail [email], or [email]."
    assert mask("call +49 30 1234567.") == "call [phone]."


def test_the_kinds_that_are_wanted():
    text = "a@b.example, 202-555-0143"
    assert mask(text, ["phone"]) == "a@b.example, [phone]"
    assert count(text) == {"email": 1, "phone": 1}
    assert count(text, ["email"]) == {"email": 1}
    assert mask(text, []) == text


@pytest.mark.parametrize(
    "piece", ["a", "a.", "1", "1 ", "+1", "+1 ", "a@", "a@b.", "DE89 ", "AB12", "0 ", "(0"]
)
def test_a_long_text_takes_time_in_proportion(piece):
    begun = time.perf_counter()
    mask(piece * (400_000 // len(piece)))
    assert time.perf_counter() - begun < 5
