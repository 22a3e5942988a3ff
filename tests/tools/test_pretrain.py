import pytest

from base_student.corpus import KINDS
from base_student.pretrain import Pretrain, measure, pretrain

torch = pytest.importorskip("torch")

TINY = Pretrain(copy_steps=2, steps=3, width=32, layers=1, heads=2, inner=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    return folder, pretrain(TINY, folder)


def test_it_leaves_anyones_model_and_a_card(made):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, figures = made
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    assert model.num_parameters() == figures["parameters"]
    assert len(tokenizer) == model.config.vocab_size == TINY.vocabulary
    assert figures["steps"] == 5
    card = (folder / "CARD.md").read_text()
    assert f"{figures['tokens']:,.0f} tokens" in card
    assert all(f"| {kind} | 0." in card for kind in KINDS)


def test_equal_configurations_make_equal_weights(made, tmp_path):
    folder, _ = made
    pretrain(TINY, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert (tmp_path / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_the_shares_of_right_tokens_lie_between_0_and_1(made):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, _ = made
    model = AutoModelForCausalLM.from_pretrained(folder)
    shares = measure(model, AutoTokenizer.from_pretrained(folder), n=3)
    assert set(shares) == set(KINDS)
    assert all(0 <= share < 0.5 for share in shares.values())
