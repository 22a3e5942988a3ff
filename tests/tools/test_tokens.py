import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base_student.tokens import learn_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return learn_tokenizer(["the river ran 12 miles\nriver deep"] * 20, vocabulary=320, longest=128)


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back(tokenizer, text):
    # Surrogates are no text; the marks themselves are read as marks.
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_digits_stand_alone_and_words_are_alike_everywhere(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("river 345\nriver the river")["input_ids"])
    assert [token for token in tokens if re.search(r"\d", token)] == ["3", "4", "5"]
    assert tokens.count("Ġriver") == 3


def test_marks_pad_on_the_left(tokenizer):
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<pad>", "</s>")
    batch = tokenizer(["river", "the river"], padding=True)
    assert batch["input_ids"][0][0] == tokenizer.pad_token_id
    assert tokenizer.model_max_length == 128


def test_a_saved_tokenizer_loads_as_any_other(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "the river\nriver 7 \U0001f600"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.decode(again(text)["input_ids"]) == text
