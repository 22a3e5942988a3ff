import pytest
import transformers

from tuition.student.fresh import SHAPES
from tuition.student.load import make_model, train_tokenizer

TEXTS = ["12 apples and 3 pears", "15 fruits in all"] * 5


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_makes_a_model_of_its_family(name):
    model, tokenizer = make_model(name, TEXTS, seed=0)
    assert len(tokenizer) <= SHAPES[name].vocabulary
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.is_encoder_decoder == (SHAPES[name].family == "seq2seq")
    assert model.num_parameters() < 10_000_000


def test_sizes_grow():
    nano, mini = (make_model(f"llama-{size}", TEXTS, seed=0)[0].num_parameters() for size in ("nano", "mini"))
    assert nano < 50_000 < mini < 1_000_000


def test_a_frequent_word_becomes_one_token():
    tokenizer = train_tokenizer(SHAPES["llama-nano"], TEXTS)
    assert tokenizer.tokenize("15 fruits") == ["1", "5", "Ġfruits"]
    assert len(tokenizer.tokenize("stiurf")) == 6


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano", "bert-nano"])
def test_the_tokenizer_comes_back_from_its_files(name, tmp_path):
    tokenizer = train_tokenizer(SHAPES[name], TEXTS)
    tokenizer.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert again("12 pears", "Ünknown").input_ids == tokenizer("12 pears", "Ünknown").input_ids
    assert (again.pad_token_id, again.eos_token_id) == (tokenizer.pad_token_id, tokenizer.eos_token_id)
    assert again.decode(again("12 pears").input_ids, skip_special_tokens=True) == "12 pears"
