import pytest

from tuition.core.texts.steps import before_spill, without_marks

TURNS = [
    "<|im_end|>\n<|im_start|>user\nWho?",
    "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWho?",
    "<end_of_turn>\n<start_of_turn>user\nWho?",
    "</s><s>[INST] Who? [/INST] I.",
    "\n[INST] Who? [/INST] I.",
    "\n<|user|>\nWho?",
    "<｜User｜>Who?",
    "\nUser: Who?\nAssistant: I.",
    "\n\nHuman: Who?\n\nAssistant: I.",
    "\n**User:** Who?",
    "\n### Instruction:\nWho?",
    "\n### Human: Who?",
    "### Human: Who?",
    " USER: Who? ASSISTANT: I.",
    "user\nWho?",
    "\nuser\nWho?\nassistant\nI.",
    "\n<human>: Who?",
    "\nInput: 4\nOutput: 5",
    "\n\nExample 2:\nWho?",
    "\n\n## Question\nWho?",
    "\n\n**Question**\nWho?",
    "\n\nQ2: Who?",
    "\nProblem 2\nWho?",
    "\nQuestion #2: Who?",
    "\nHere is another question: who?",
    "\n[Question]\nWho?",
    "\n问题：谁？",
    "\nFrage: Wer?",
    "\n\nStudent: Who?\nTeacher: I.",
    "\n\n2. Who is it?\nI.",
    "\n\nHere's another one: who?",
    "\n\nUser>Who?",
    "\n\n@user Who?",
    "\n\n<<USER>> Who?",
    "\n\nH: Who?",
]
OWN = [
    "In a chat, User: is a label. So the answer is 4.",
    "The log shows:\nUser: bob\nSo the answer is 4.",
    "```\nUser: bob\nInput: 4\n```\nThe answer is 4.",
    "## Question\nWho?\n\n## Answer\nI.",
    "Let me say it again.\n\n## Question\nWho?\n\nThe answer is I.",
    "Input: 4\nThe loop adds one.\nInput: 5\nSo the answer is 5.",
    "The mark `<|endoftext|>` ends a text. The answer is 4.",
    "Users: many.\nHumanity: all.",
    "1. Who is it?\n2. Where is it?\nThe answer is 12.",
    "Student: I count 12.\nSo the answer is 12.",
]


@pytest.mark.parametrize("turn", TURNS)
def test_an_invented_turn_of_any_template_is_left_out(turn):
    left = before_spill(f"The answer is 12.{turn}")
    assert without_marks(left) == "The answer is 12."
    assert before_spill(left) == left


@pytest.mark.parametrize("text", OWN)
def test_what_is_the_texts_own_stays(text):
    assert before_spill(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<|im_start|>assistant\nYes.<|im_end|>", "Yes."),
        ("<s> Yes.</s></s>", "Yes."),
        ("Yes.\n\n---\n", "Yes."),
        (" Yes. ", "Yes."),
        ("It is ___", "It is ___"),
    ],
)
def test_marks_at_the_ends_are_left_out(text, left):
    assert without_marks(text) == left
