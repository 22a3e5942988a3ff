import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation.revise.read import (
    Revision,
    Said,
    read_location,
    read_revision,
    read_suffix,
    read_verdict,
    what_is_said,
)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Step 2 is right.", True),
        ("Step 2 is wrong.", False),
        ("Step 1 is right, as said. Step 2 is incorrect.", False),
        ("Step 2 is wrong since step 1 is right.", False),
        ("Step 2 is incorrect because the previous value is correct.", False),
        ("Step 1 is right.", None),
        ("Step 1 is right. It is wrong.", None),
        ("Step 1 is wrong. It is right.", None),
        ("It is not correct.", False),
        ("Yes, it follows.", True),
        ("No.", False),
        ("Step 3: wrong", None),
        ("Correct", True),
        ("Step 2 is right.\n\nQuestion: Is it wrong?\nIt is wrong.", True),
        ("Step 2 is", None),
        ("Now that depends.", None),
        ("", None),
    ],
)
def test_a_verdict_is_that_of_the_step_or_the_one_stated_last_or_a_bare_word(text, verdict):
    assert read_verdict(text, step=2) is verdict


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("The first wrong step is 2.", 1),
        ("The first wrong step is step 3.", 2),
        ("First wrong step: Step 1", 0),
        ("No step is wrong.", 3),
        ("All steps are correct.", 3),
        ("1", 0),
        ("2", 1),
        ("3", 2),
        ("4", None),
        ("Step 1 is right. Step 2 is right. Step 3 is right.", 3),
        ("Step 2 is right. Step 3 is right.", None),
        ("All steps are right. It is right.", 3),
        ("All steps are right. It is wrong.", None),
        ("None.", 3),
        ("The first wrong step is 4.", None),
        ("The first wrong step is 0.", None),
        ("I cannot tell.", None),
        ("", None),
    ],
)
def test_a_location_is_an_index_or_the_number_of_steps(text, place):
    assert read_location(text, 3) == place


def test_labels_of_steps_are_no_part_of_a_step():
    assert read_suffix("Step 2: 4 + 5 = 9.\nStep 3: So 9.") == "4 + 5 = 9.\nSo 9."
    assert read_suffix("2. As step 1 says: 9.") == "2. As step 1 says: 9."


def reply(k, steps, answer, **more):
    return json.dumps({"first_wrong_step": k, "corrected_steps": steps, "answer": answer} | more)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (reply(2, ["4 + 5 = 9."], "9"), Revision(1, ("4 + 5 = 9.",), "9", False)),
        (reply(None, [], "9"), Revision(None, (), "9", False)),
        (reply(None, ["idle"], 9), Revision(None, (), "9", False)),
        (reply("null", None, "9"), Revision(None, (), "9", False)),
        (reply("Nothing", None, "9"), Revision(None, (), "9", False)),
        (reply("No", None, "9"), Revision(None, (), "9", False)),
        (reply("step 1", "Step 1: So.", "9"), Revision(0, ("So.",), "9", False)),
        (reply(4, ["One more."], "9"), Revision(3, ("One more.",), "9", False)),
        (reply(2, ["So."], "9", why="none"), Revision(1, ("So.",), "9", False)),
        (f"Here:\n```json\n{reply(2, ['So.'], '9')}\n```", Revision(1, ("So.",), "9", True)),
        (reply(2, ["So."], "9")[:-1], Revision(1, ("So.",), "9", True)),
        (reply(2, ["So."], "9")[:-1] + ",}", Revision(1, ("So.",), "9", True)),
        (reply(1, ["So."], "8") + "\n" + reply(2, ["So."], "9"), Revision(1, ("So.",), "9", True)),
        (reply(1, ["So."], "9"), Revision(0, ("So.",), "9", False)),
        (reply(5, ["So."], "9"), None),
        ('{"a":' * 5000, None),
        (reply(0, ["So."], "9"), None),
        (reply(-1, ["So."], "9"), None),
        (reply(True, ["So."], "9"), None),
        (reply(2, [], "9"), None),
        (reply(2, [3], "9"), None),
        (reply(2, ["So."], ""), None),
        (reply(2, ["So."], None), None),
        ('{"first_wrong_step": 2, "corrected_steps": ["4 + 5', None),
        ("[1, 2]", None),
        ("3", None),
        ("I do not know.", None),
        ("", None),
    ],
)
def test_one_object_is_read_repaired_or_refused(text, found):
    assert read_revision(text, 3) == found


@given(st.text(max_size=80) | st.text('{}[]":,null123', max_size=60))
def test_no_text_breaks_a_reader(text):
    assert read_verdict(text, step=2) in (True, False, None)
    assert read_location(text, 3) in (0, 1, 2, 3, None)
    found = read_revision("{" + text, 3)
    assert found is None or found.first_wrong in (None, 0, 1, 2, 3)


ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
CARDINALS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


@pytest.mark.parametrize(
    ("ordinal", "cardinal", "number"), [*zip(ORDINALS, CARDINALS, range(1, 11), strict=True)]
)
def test_numbers_in_words_are_numbers(ordinal, cardinal, number):
    assert what_is_said(f"The {ordinal} step is wrong.").wrong == {number}
    assert what_is_said(f"Step {cardinal} is right.").right == {number}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Step 2 is accurate.", Said(right={2})),
        ("Step 2 is inaccurate.", Said(wrong={2})),
        ("Step 2: not right.", Said(wrong={2})),
        ("It's wrong.", Said(unnamed={False})),
        ("It is not short but step 2 is wrong.", Said(wrong={2})),
        ("If so, the sum is right\nStep 2 is wrong", Said(wrong={2})),
        ("Is step 2 right? No.", Said(wrong={2})),
        ("Is step 2 right? Let me see. No.", Said(bare={False})),
        ("Is step 2 right? I looked and it is fine. No.", Said(unnamed={True}, bare={False})),
        ("If step 2 is wrong, the sum falls.", Said(has_fault=True)),
        ("I doubt that step 2 is wrong.", Said(has_fault=True)),
        ("All numbers other than zero have an inverse.", Said()),
        ("I do not think that step 2 is wrong" + ", as the sum is 12" * 12, Said(has_fault=True)),
    ],
)
def test_statements_are_collected_by_what_they_are_of(text, expected):
    assert what_is_said(text) == expected
