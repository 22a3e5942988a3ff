import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.tasks.answers import normalise, read_string, read_yes_no
from tuition.tasks.options import read_option

COLOURS = ("red", "blue", "light blue", "green")


@pytest.mark.parametrize(
    ("text", "i"),
    [
        ("(b)", 1),
        ("B", 1),
        ("b.", 1),
        ("B) blue", 1),
        ("(b) blue", 1),
        ("Answer: B", 1),
        ("Answer: d", 3),
        ("**Answer:** C", 2),
        ("Some thoughts. The answer is (B).", 1),
        ("the answer is (B)", 1),
        ("The correct option is C.", 2),
        ("Final Answer: The answer is (D).", 3),
        ("It is \\boxed{A}", 0),
        ("So it is \\boxed{\\text{C}}.", 2),
        ("because of the sky --> (B)", 1),
        ("#### green", 3),
        ("light blue", 2),
        ("Blue.", 1),
        ("The answer is that it is light blue.", 2),
        ("The answer is B because the sky is.", 1),
        ("The final answer is:\n(A)", 0),
        ("One.\nTherefore, option (a) is the correct answer. It is warm", 0),
        ("First we look. This is (C).", 2),
        ("We looked at the sky. So it must be green.", 3),
        ("The answer is (B). The answer is (B).", 1),
    ],
)
def test_options_are_read(text, i):
    assert read_option(text, COLOURS) == COLOURS[i]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is",
        "The answer is (",
        "The answer is (B) and (C).",
        "The answer is B or C.",
        "The answer is (A), because (B) is not so.",
        "The answer is (B) green.",
        "The answer is not (B).",
        "The answer is not among the choices, but the closest is (B).",
        "The answer is (E).",
        "Green is one of the colours, and red another one.",
        "It cannot be green.",
        "It is not (B).",
        "First, green. Then we go on to something else and never conclude.",
        "So it must be green and then the",
        "I like red or blue.\nQuestion: which?\nAnswer: (A)",
        "I like red or blue.\n> Q7) which?\nAnswer: (A)",
        "I like red or blue.\nOptions:\nAnswer: (A)",
        "A dog ran by.",
    ],
)
def test_what_is_not_said_is_not_guessed(text):
    assert read_option(text, COLOURS) is None


LONG = (
    "Cut it. Then glue it.",
    "Cut it.",
    "Ask what the answer is: maybe 5? Go on.",
    "Rs. 1000",
    "A, B and C",
)


@pytest.mark.parametrize("i", range(len(LONG)))
@pytest.mark.parametrize(
    "form", ["{}", "{}.", "So.\nThe answer is {}.", 'The answer is "{}"\nDone.', "#### {}"]
)
def test_an_option_of_any_sentences_is_read_whole(form, i):
    assert read_option(form.format(LONG[i]), LONG) == LONG[i]
    assert read_option(form.format(LONG[i].upper()), LONG) == LONG[i]


@pytest.mark.parametrize(
    "text",
    [
        "The answer is red? No.",
        "The answer is A, B and Cut.",
        "The answer is\nRs. 1000,5.",
        "The answer is Rs. 10000.",
    ],
)
def test_what_only_begins_like_an_option_is_none(text):
    assert read_option(text, (*LONG, "red")) is None


PEAS = ("WW or ww", "WW or Ww", "ww  or tt", "ww or tt")


@pytest.mark.parametrize("form", ["{}", "{}.", "So.\nThe answer is {}.", "({letter}) {}", "Answer: {letter}"])
@pytest.mark.parametrize("i", range(len(PEAS)))
def test_options_that_differ_in_case_or_blanks_are_kept_apart(form, i):
    assert read_option(form.format(PEAS[i], letter="ABCD"[i]), PEAS) == PEAS[i]


@pytest.mark.parametrize(
    "text",
    [
        "ww or ww",
        "The answer is ww or WW.",
        "So it must be WW or Ww.",
        "(B) WW or ww",
        "Answer: (B) WW or ww",
    ],
)
def test_what_fits_two_options_is_none(text):
    assert read_option(text, PEAS) is None


def test_options_that_look_like_letters_are_safe():
    assert read_option("The answer is B.", ("B", "A")) == "B"
    assert read_option("The answer is (A).", ("2", "e", "4")) == "2"
    assert read_option("The answer is (B).", ("b", "A")) is None


@pytest.mark.parametrize(
    "form", ["(ab)", "The answer is (AB).", "Answer: (ab) n27", "So.\nThe answer is option (ab)."]
)
def test_options_beyond_z_are_lettered_by_pairs(form):
    options = tuple(f"n{i}" for i in range(30))
    assert read_option(form, options) == "n27"
    assert read_option(form.replace("n27", "n3"), options[:27]) is None
    assert read_option("The answer is (at) n3.", options) is None


def test_yes_and_no_as_options_need_to_be_said_first():
    options = ("yes", "no", "maybe")
    assert read_option("Let us think. Yes, it does.", options) == "yes"
    assert read_option("There is no difference between the two groups.", options) is None
    assert read_option("So, the answer is maybe.", options) == "maybe"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes", "yes"),
        ("No, it is not.", "no"),
        ("The answer is yes.", "yes"),
        ("Answer: No", "no"),
        ("They weigh more. So, no.", "no"),
        ("They weigh more. Yes, they do.", "yes"),
        ("No one knows. There is nothing to see.", None),
        ("Yes, at first. So, no.", None),
        ("The answer is yes or no.", None),
        ("Yes, but no.", None),
        ("Yes, there is nothing but no one sees it.", "yes"),
        ("The answer is yes, but no.", None),
        ("The answer is yes? No.", None),
        ("", None),
    ],
)
def test_yes_and_no(text, answer):
    assert read_yes_no(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("05/01/2021", "05/01/2021"),
        ("So the answer is 05/01/2021.", "05/01/2021"),
        ('We take the last letters.\nTogether they make "yajc".', "yajc"),
        ("#### [1, 2]", "[1, 2]"),
        ("It is \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("Two sentences. Of words.", None),
        ('It is "a" or "b".', None),
    ],
)
def test_strings(text, answer):
    assert read_string(text) == answer


@given(st.text(), st.lists(st.text(min_size=1), min_size=2, max_size=5))
def test_an_option_is_one_of_the_choices_or_nothing(text, choices):
    assert read_option(text, choices) in (*choices, None)


@given(
    st.integers(0, 3),
    st.sampled_from(["({})", "The answer is ({}).", "Answer: {}", "So.\nThe answer is {}."]),
)
def test_every_letter_is_read(i, form):
    assert read_option(form.format("ABCD"[i]), COLOURS) == COLOURS[i]


def test_normalising_twice_changes_nothing():
    assert normalise(" The  Cat. ") == normalise(normalise(" The  Cat. ")) == "the cat"


LABELLED = [
    *(
        f"tinyllm/{name}.{split}"
        for name in ("obqa", "arc", "piqa", "pubmedqa", "bioasq")
        for split in ("valid", "train")
    ),
    "mmlu_pro/valid",
    "mmlu_pro/train",
    "math_small/aqua.dev",
    "math_small/aqua.test",
]


@pytest.mark.parametrize("name", LABELLED)
def test_every_gold_chain_is_read_as_its_label(data, name):
    """Without exception: a student that learned the chain by heart is graded right."""
    misread = []
    with gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            choices, gold = tuple(row["choices"]), row["answer"]
            if gold in choices and read_option(f"Because.\nThe answer is {gold}.", choices) != gold:
                misread.append((row["id"], gold))
    assert misread == []


def test_the_reader_agrees_with_recorded_answers(data):
    """Where both have an answer they agree; the reader misses few and invents fewer."""
    agree = differ = missed = invented = 0
    with gzip.open(data / "mmlu_pro" / "valid.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            for entry in row["rationales"].values():
                read = read_option(entry["text"], row["choices"])
                recorded = entry["answer"]
                agree += read is not None and read == recorded
                differ += None not in (read, recorded) and read != recorded
                missed += read is None and recorded is not None
                invented += read is not None and recorded is None
    assert differ / (agree + differ) < 0.001
    assert missed / (agree + missed) < 0.05
    assert invented < 80
