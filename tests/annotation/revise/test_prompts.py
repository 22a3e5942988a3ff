import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation.revise import prompts
from tuition.annotation.revise.prompts import step_messages
from tuition.core.records import Example

ASKED = Example(id="e", question="Is 9 even?", choices=("yes", "no"), answer="no")
HEAD = "Question: Is 9 even?\nOptions:\n(a) yes\n(b) no"
ONE = f"{HEAD}\nStep 1: A."


def parts(messages):
    [message] = messages
    assert message.role == "user"
    return message.content.split("\n\n")


def test_a_verdict_is_asked_for_word_for_word():
    assert parts(step_messages(prompts.JUDGE_STEP, ASKED, ["9 / 2 = 4.5.", "So it\nis not."])) == [
        "Below are a question and the first steps of a student's explanation. Decide whether step 2 is "
        "right, given the question and the steps before it. Reply with one sentence of the form: "
        "Step 2 is right. Or: Step 2 is wrong.",
        f"{HEAD}\nStep 1: 9 / 2 = 4.5.\nStep 2: So it is not.\nVerdict on step 2:",
    ]


def test_one_object_is_asked_for_word_for_word():
    assert parts(step_messages(prompts.CLEAR, ASKED, ["9 / 2 = 4."])) == [
        "Below are a question and a student's explanation. Find its first wrong step, and write that step as "
        "it should be and the steps that follow from it. Reply with one JSON object and nothing else: "
        '{"first_wrong_step": its number, or null where no step is wrong, "corrected_steps": [the corrected '
        "step and those that follow, one text each; empty where no step is wrong], "
        '"answer": "the answer to the question"}',
        f"{HEAD}\nStep 1: 9 / 2 = 4.\nJSON:",
    ]


@pytest.mark.parametrize(
    ("messages", "block"),
    [
        (prompts.answer_messages(ASKED), f"{HEAD}\nAnswer:"),
        (step_messages(prompts.REVISE, ASKED, ["A.", "B."]), f"{ONE}\nStep 2: B.\nCorrected from step 2:"),
        (
            step_messages(prompts.CONFIRM, ASKED, ["A."], stated="yes"),
            f"{ONE}\nStated answer: yes\nFinal answer:",
        ),
        (step_messages(prompts.CONFIRM, ASKED, ["A."]), f"{ONE}\nStated answer: none\nFinal answer:"),
        (step_messages(prompts.LOCATE, ASKED, ["A."]), f"{ONE}\nFirst wrong step:"),
        (step_messages(prompts.REPAIR, ASKED, ["A."]), f"{HEAD}\nAnswer: no\nStep 1: A.\nRepaired:"),
    ],
)
def test_the_block_of_every_other_prompt(messages, block):
    assert parts(messages)[1] == block


def test_demonstrations_of_an_answer_alone_show_theirs():
    shown = Example(id="d", question="Is 2 even?", answer="yes")
    assert parts(prompts.answer_messages(ASKED, [shown]))[1:] == [
        "Question: Is 2 even?\nAnswer: yes",
        f"{HEAD}\nAnswer:",
    ]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_students_text_is_data_in_one_line(text):
    words = " ".join(f"x{text}".split())
    for prompt in (prompts.JUDGE_STEP, prompts.REVISE, prompts.CLEAR):
        assert f"\nStep 1: {words}\n" in step_messages(prompt, ASKED, [f"x{text}"])[0].content
