import pytest

from tuition.core.texts.claims import corrected, is_asserted, is_claimed, turn


@pytest.mark.parametrize(
    "head",
    [
        "So the ",
        "I think the ",
        "I would say that the ",
        "There is no doubt that the ",
        "Since it is not A, the ",
        "If we add them, the ",
        "It does not move so the ",
        "I don't know why. The ",
        "The most likely ",
        "The question's ",
        "According to the passage, the ",
    ],
)
def test_what_the_writer_says_is_claimed(head):
    assert is_claimed(head, "answer is")


@pytest.mark.parametrize(
    "head",
    [
        "I don't think the ",
        "I am not sure that the correct ",
        "It is unlikely that the ",
        "I doubt the ",
        "If the ",
        "Let's assume for a moment that the ",
        "A student says: “The ",
        "Some people might say that the ",
        "At first I thought the ",
        "My friend's ",
        "The least likely ",
        "The incorrect ",
        "Die falsche ",
    ],
)
def test_what_is_denied_supposed_or_anothers_is_not_claimed(head):
    assert not is_claimed(head, "answer is")


def test_what_would_be_so_under_another_condition_is_not_claimed():
    assert not is_claimed("If it were hot, the ", "answer would be")
    assert is_claimed("If it is hot, the ", "answer would be")


@pytest.mark.parametrize(
    ("text", "correction"),
    [
        (". Wait, no, it's 6.", "6"),
        (", no, wait, A.", None),
        ("... no, 6.", "6"),
        ("\n\nHmm, on reflection it is (D).", "(D"),
        (". I was wrong, it is B.", "B"),
        (", or rather 6.", "6"),
        (". But this is incorrect.", None),
        (" is wrong.", None),
        (". Let me recalculate: 3 + 3 = 6.", None),
    ],
)
def test_what_is_taken_back_is_found(text, correction):
    place = turn(text)
    assert place is not None
    said = corrected(text[place:])
    assert (said is None) == (correction is None)
    assert correction is None or said.startswith(correction)


@pytest.mark.parametrize(
    "text",
    [
        ") No, there cannot be any",
        ". True, False.",
        ": No-load speed",
        ". Birds have no teeth, but rather a beak.",
        ". Wait times are long.",
        ". It should be noted that it is warm.",
        ". No other option fits.",
        ". A is wrong because of that.",
    ],
)
def test_what_only_looks_like_it_takes_nothing_back(text):
    assert turn(text) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "So 12 are left.",
        "Therefore, she initially had 12.",
        "There are 12 apples.",
        "No number here.",
    ],
)
def test_what_a_sentence_states_is_asserted(sentence):
    assert is_asserted(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Is it 12?",
        "12 is wrong.",
        "Some say it is 12.",
        "I don't think it is 12.",
        "A student answered 12.",
        "The least likely value is 12.",
        "I would never choose 12.",
    ],
)
def test_what_a_sentence_asks_denies_or_reports_is_not_asserted(sentence):
    assert not is_asserted(sentence)
