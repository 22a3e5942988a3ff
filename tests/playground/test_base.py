import json
import re

import pytest

from tuition.playground import BASE_FOLDER

torch = pytest.importorskip("torch")

TEXTS = [
    "Anna has 12 pears. How many now?",
    "two\nlines\n\n and a blank line\n",
    "  blanks  before and behind  ",
    "grüße, Ελλάδα, 数学, \t tab \r\n",
    "emoji 😀🧮, a zero-width joiner 👩‍🔬",
    "",
]


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(BASE_FOLDER)


@pytest.fixture(scope="module")
def model():
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(BASE_FOLDER, dtype=torch.float32).eval()


def finish(model, tokenizer, question, *, tokens=60):
    ids = tokenizer(question + "\n", return_tensors="pt")
    out = model.generate(**ids, max_new_tokens=tokens, do_sample=False)
    return tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_back_unchanged(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_every_digit_is_one_token(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("In 1987, 305 - 21 = 284")["input_ids"])
    assert [token for token in tokens if re.search(r"\d", token)] == list("198730521284")


def test_a_word_is_the_same_token_at_the_start_of_a_line_and_within(tokenizer):
    first, second = (tokenizer(text)["input_ids"] for text in ("pears", "the pears\npears"))
    assert len(first) == 1
    assert second.count(first[0]) == 2


def test_question_and_answer_encoded_apart_decode_as_one(tokenizer):
    ids = tokenizer("How many?\n")["input_ids"] + tokenizer("Seven 7")["input_ids"]
    assert tokenizer.decode(ids) == "How many?\nSeven 7"


def test_marks_and_limits(tokenizer, model):
    assert 1_000 <= len(tokenizer) <= 2_000
    assert tokenizer.pad_token_id == model.config.pad_token_id
    assert tokenizer.eos_token_id == model.config.eos_token_id
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert len(tokenizer) == model.config.vocab_size
    assert 600_000 <= model.num_parameters() <= 3_000_000


def test_the_weights_are_bfloat16_safetensors_of_at_most_8_mb():
    from safetensors import safe_open

    assert sum(path.stat().st_size for path in BASE_FOLDER.iterdir()) <= 8_000_000
    assert not list(BASE_FOLDER.glob("*.bin"))
    with safe_open(BASE_FOLDER / "model.safetensors", framework="pt") as weights:
        kinds = {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    assert kinds == {"BF16"}


def test_no_file_names_the_machine_it_was_made_on():
    for path in BASE_FOLDER.iterdir():
        if path.suffix != ".safetensors":
            assert not re.search(r"/(?:home|root|tmp|work|Users)/", path.read_text(encoding="utf-8")), path


def test_the_card_tells_what_it_is_made_of():
    card = (BASE_FOLDER / "CARD.md").read_text(encoding="utf-8")
    for word in ("seed", "steps", "tokens", "CPU", "cannot", "Muon"):
        assert word in card
    config = json.loads((BASE_FOLDER / "config.json").read_text())
    assert config["model_type"] == "llama"
    assert config["use_cache"] is True


def test_it_copies_made_up_words(model, tokenizer):
    question = "predict: Ada: mirlo; Ben: toskav; Cleo: drabin. which for Ben?"
    assert finish(model, tokenizer, question) == "toskav"


def test_it_keeps_a_ledger(model, tokenizer):
    said = finish(model, tokenizer, "explain: Rosa has 25 pens. then + 17, then - 8. How many now?")
    assert re.search(r"25 \+ 17 = 42", said)
    assert "42 - 8 = 34" in said
