"""Personal data by its form: what is found, and what only looks alike."""

import time

import pytest

from tuition.core.texts.personal import masked, personal_in


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Mail to a.b+c@mail.example.co.uk.", "Mail to [EMAIL]."),
        ("<jörg@example.de>", "<[EMAIL]>"),
        ("Call +1 (415) 555-2671 now", "Call [PHONE] now"),
        ("Call (415) 555-2671", "Call [PHONE]"),
        ("415-555-2671", "[PHONE]"),
        ("0171 / 123 45 67", "[PHONE]"),
        ("030-1234567, bitte", "[PHONE], bitte"),
        ("0049 171 1234567", "[PHONE]"),
        ("4111-1111-1111-1111 12/26", "[CARD] 12/26"),
        ("4111 1111 1111 1111 12", "[CARD] 12"),
        ("378282246310005", "[CARD]"),
        ("IBAN GB29 NWBK 6016 1331 9268 19 BANK", "IBAN [IBAN] BANK"),
        ("DE89370400440532013000", "[IBAN]"),
    ],
)
def test_what_is_masked(text, made):
    assert masked(text) == made


@pytest.mark.parametrize(
    "text",
    [
        "a@b",
        "10:30 @ home",
        "4111 1111 1111 1112",
        "Order 1234567890123456",
        "DE88 3704 0044 0532 0130 00",
        "01-02-2024 10:30",
        "2024-01-02 10:30:00",
        "01.02.2024",
        "3+12345678",
        "0.1234567890",
        "00123456789",
        "What is 1234567 times 7654321?",
        "AB12 CDEF",
    ],
)
def test_what_only_looks_alike(text):
    assert (masked(text), personal_in(text)) == (text, [])


def test_kinds_are_told_and_chosen():
    text = "a@example.org, +49 170 1234567, 4111 1111 1111 1111"
    assert personal_in(text) == ["email", "card", "phone"]
    assert masked(text, ("phone",)) == "a@example.org, [PHONE], 4111 1111 1111 1111"


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "1 " * 100_000, "AB12 " * 40_000, "+1-" * 60_000, "0 1" * 60_000]
)
def test_no_text_takes_long(text):
    began = time.monotonic()
    masked(text)
    assert time.monotonic() - began < 5
