from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation import PROMPTS
from tuition.core.records import Example

SHOWN = Example(id="d", question="Is 2 even?", choices=("yes", "no"), answer="yes")
ASKED = Example(
    id="e", context="Nine is odd.\n\n\nTen is not.", question="Is 9 even?", choices=("yes", "no"), answer="no"
)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def test_names_carry_their_version():
    assert set(PROMPTS) == {"rationale/1", "solve/1"}
    assert all(name == prompt.name for name, prompt in PROMPTS.items())


def test_forced_prompt_word_for_word():
    [message] = PROMPTS["rationale/1"].render(ASKED, [SHOWN])
    assert message.role == "user"
    assert message.content == (
        "Below are questions with their right answers. For the last question, explain in a few sentences "
        "why its answer is right. Write the explanation only.\n"
        "\n"
        "Question: Is 2 even?\nOptions:\n(a) yes\n(b) no\nAnswer: yes\n"
        "\n"
        "Question: Nine is odd.\nTen is not.\nIs 9 even?\nOptions:\n(a) yes\n(b) no\nAnswer: no\nExplanation:"
    )


def test_free_prompt_word_for_word():
    [message] = PROMPTS["solve/1"].render(Example(id="e", question="2 + 2?", answer="4"), [SHOWN])
    assert message.content == (
        "Answer the last question. Reason step by step, then end with one sentence of the form: "
        "The answer is X.\n"
        "\n"
        "Question: Is 2 even?\nOptions:\n(a) yes\n(b) no\nExplanation: The answer is yes.\n"
        "\n"
        "Question: 2 + 2?\nExplanation:"
    )


def test_options_beyond_z_have_letters_too():
    many = Example(id="e", question="?", choices=tuple(f"n{i}" for i in range(30)), answer="n0")
    [message] = PROMPTS["solve/1"].render(many)
    assert "\n(z) n25\n(aa) n26\n" in message.content
    assert message.content.endswith("\n(ad) n29\nExplanation:")


def test_free_prompt_never_shows_the_label():
    secret = Example(id="e", question="Which?", answer="xyzzy")
    assert "xyzzy" not in PROMPTS["solve/1"].render(secret)[0].content
    assert "Answer: xyzzy" in PROMPTS["rationale/1"].render(secret)[0].content


@given(texts, texts, st.lists(texts, max_size=4))
def test_text_of_examples_is_data(context, question, choices):
    example = Example(
        id="e", context=context, question=question, choices=tuple(choices), answer="{0} %s {{x}}"
    )
    for prompt in PROMPTS.values():
        content = prompt.render(example, [example])[0].content
        assert len(content.split("\n\n")) == 3, "an instruction and two blocks, whatever the text holds"
        assert content.endswith("Explanation:")
    assert "{0} %s {{x}}" in content or not prompt.is_forced


def test_braces_and_percent_signs_stay_as_they_are():
    example = Example(id="e", question="What is {x.__class__} and %d and {{ y }}?", answer="{}")
    content = PROMPTS["rationale/1"].render(example)[0].content
    assert "Question: What is {x.__class__} and %d and {{ y }}?\nAnswer: {}\n" in content
