"""A user's own words: what is sent with them, and what a template may not do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation.own_words import BLANKS, OwnWords, template_of, unmarked
from tuition.annotation.prompts import PROMPTS, blanks_of
from tuition.annotation.revise.prompts import answer_messages
from tuition.core.errors import ConfigError
from tuition.core.records import Example, Message

SHOWN = Example(id="d", question="Is 2 even?", choices=("yes", "no"), answer="yes")
ASKED = Example(id="e", question="Is 9 even?", context="Nine.", choices=("yes", "no"), answer="no")
TURNS = (
    Message(role="system", content="You sell shoes."),
    Message(role="user", content="Mine are torn."),
    Message(role="assistant", content="Since when?"),
    Message(role="user", content="Today."),
)
TALK = Example(
    id="t",
    question="System: You sell shoes.\nUser: Mine are torn.\nAssistant: Since when?\nUser: Today.",
    messages=TURNS,
    answer="refund",
)
SOLVE = PROMPTS["solve/1"]


def told(messages):
    return [(message.role, message.content) for message in messages]


def test_without_words_of_ones_own_nothing_changes():
    messages = SOLVE.render(ASKED, [SHOWN])
    sent = OwnWords().around(messages, prompt="solve/1", blanks=blanks_of(ASKED, [SHOWN]))
    assert sent == (messages, "solve/1")


def test_the_instruction_begins_the_question_and_the_system_message_stands_before_it():
    [plain] = SOLVE.render(ASKED)
    sent, name = OwnWords(system="Be brief.", instruction="Sort numbers.").around([plain], prompt="solve/1")
    assert told(sent) == [("system", "Be brief."), ("user", f"Sort numbers.\n\n{plain.content}")]
    assert name == "solve/1"


@pytest.mark.parametrize("render", [SOLVE.render, answer_messages])
def test_earlier_turns_are_messages_and_the_last_one_is_asked(render):
    sent, _ = OwnWords(system="Be brief.", instruction="Route it.").around(render(TALK, [SHOWN]))
    *before, (role, asked) = told(sent)
    assert before == [
        ("system", "Be brief.\n\nYou sell shoes."),
        ("user", "Mine are torn."),
        ("assistant", "Since when?"),
    ]
    assert role == "user" and asked.startswith("Route it.\n\nAnswer the last question.")
    assert "\n\nQuestion: Today.\n" in asked and "torn" not in asked


def test_a_conversation_among_demonstrations_is_written_out():
    [message] = SOLVE.render(ASKED, [TALK])
    assert f"\n\nQuestion: {TALK.question}\nExplanation: The answer is refund.\n\n" in message.content


TEMPLATE = """\
{% for one in examples %}
Q: {{ one.question }} A: {{ one.label }}
{% endfor %}
Read: {{ context }} {{ question }} ({{ choices | join(' or ') }})
End with: The answer is X.
"""


def test_a_template_takes_the_place_of_the_prompt():
    words = OwnWords(instruction="Sort.", prompts={"solve": TEMPLATE})
    sent, name = words.around(
        SOLVE.render(ASKED, [SHOWN]), prompt="solve/1", blanks=blanks_of(ASKED, [SHOWN])
    )
    assert told(sent) == [
        (
            "user",
            "Sort.\n\nQ: Is 2 even? A: yes\nRead: Nine. Is 9 even? (yes or no)\nEnd with: The answer is X.",
        )
    ]
    assert name == template_of("solve", TEMPLATE).name
    other, is_other = words.around(SOLVE.render(ASKED), prompt="rationale/1", blanks=blanks_of(ASKED))
    assert is_other == "rationale/1" and other[0].content.startswith("Sort.\n\nAnswer the last question.")


def test_a_template_says_where_the_instruction_stands():
    words = OwnWords(instruction="Sort.", prompts={"solve": "{{ question }} {{ instruction }}"})
    sent, _ = words.around(SOLVE.render(ASKED), prompt="solve/1", blanks=blanks_of(ASKED))
    assert sent[0].content == "Is 9 even? Sort."


def test_another_template_has_another_name():
    names = {template_of("solve", "{{ question }}" + end).name for end in ("", ".", "!")}
    assert len(names) == 3 and all(name.startswith("solve/own-") for name in names)


@pytest.mark.parametrize("role", BLANKS)
def test_every_prompt_offers_its_blanks(role):
    needed, more, mark = BLANKS[role]
    lists = {"steps", "explanations"}
    shown = ("question", "context", "options", "instruction", *needed, *(set(more) - {"examples"}))
    text = " ".join(
        f"{{{{ {name}{' | join(' + repr('; ') + ')' if name in lists else ''} }}}}" for name in shown
    )
    assert template_of(role, text)
    for name in ("question", *needed):
        whole = "{{ question }}" if name != "question" else "text"
        with pytest.raises(ConfigError, match=rf"prompts\.{role} lacks .*{{{{ {name} }}}}"):
            template_of(role, whole)
    assert (not mark) == (unmarked(role, "") == "")
    assert unmarked(role, f"… {mark.upper()} …") == ""


def test_the_label_is_no_blank_where_it_is_to_be_found():
    for role in ("solve", "answer", "verify", "judge_step", "revise", "confirm", "locate", "clear"):
        with pytest.raises(ConfigError, match=f"unknown blank in prompts.{role} 'label'"):
            template_of(role, "{{ question }} {{ label }}")


ODD = {
    "{{ qestion }}": "unknown blank in prompts.solve 'qestion'; did you mean 'question'",
    "{{ question }": "prompts.solve, line 1: unexpected",
    "\n{% if question %}": "prompts.solve, line 2: Unexpected end of template",
    "{{ question | center }}": "prompts.solve, line 1: No filter named 'center'",
    "{{ question is defined }}": "prompts.solve, line 1: test is not allowed",
    "{{ question.__class__ }}": "there is no part '__class__'; a demonstration has choices, context, label",
    "{{ examples.mro }}": "there is no part 'mro'",
    "{{ question.format }}": "there is no part 'format'",
    "{{ question | join('x') }}": "join takes a list and a short text",
    "{{ choices | join(question) }}": "join takes a list and a short text",
    "{{ question | trim('q') }}": "trim takes nothing more",
    "{{ question * 99 }}": "mul is not allowed",
    "{{ question % 99 }}": "mod is not allowed",
    "{{ question() }}": "call is not allowed",
    "{{ cycler }}": "unknown blank in prompts.solve 'cycler'",
    "{{ choices[0] }}": "getitem is not allowed",
    "{% set x = question %}": "assign is not allowed",
    "{% include 'x' %}": "include is not allowed",
    "{% macro x() %}{% endmacro %}": "macro is not allowed",
    "{% for i in range(9) %}{% endfor %}": "for repeats over choices, examples, explanations, steps",
    "{% for i in question %}{% endfor %}": "for repeats over choices",
    "{% for i in choices recursive %}{% endfor %}": "for repeats over choices",
    "{{ self }}": "there is no blank 'self'",
    "{{ choices }}": "cannot be filled in: a list is no text",
    "{% for one in choices %}{{ one.label }}{% endfor %}": "cannot be filled in: 'str object' has no attr",
    "{% for a in choices %}" * 3 + "{% endfor %}" * 3: "at most two deep",
    "{% if question %}" * 500 + "{% endif %}" * 500: "nested too deeply",
    "{{ " + "(" * 4000 + "question" + ")" * 4000 + " }}": "nested too deeply",
}


@pytest.mark.parametrize("odd", ODD)
def test_what_a_template_may_not_do_is_told(odd):
    with pytest.raises(ConfigError) as error:
        template_of("solve", "{{ question }}" + odd if odd[0] != "\n" else odd)
    assert ODD[odd] in str(error.value)


def test_an_unknown_prompt_is_told_with_the_near_one():
    with pytest.raises(ConfigError, match=r"unknown prompt in \[prompts\] 'sovle'; did you mean 'solve'"):
        template_of("sovle", "{{ question }}")


def test_what_becomes_too_long_is_refused():
    template = template_of("solve", "{% for one in choices %}{{ question }}{% endfor %}")
    long = Example(id="e", question="x" * 30_000, choices=tuple(map(str, range(40))))
    with pytest.raises(ConfigError, match=r"prompts.solve becomes longer than 1,000,000 letters; shorten"):
        template.fill(blanks_of(long))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_text_of_examples_is_data_in_a_template_too(text):
    filled = template_of("solve", "<{{ question }}>").fill(blanks_of(Example(id="e", question=text)))
    assert filled == f"<{text}>"
