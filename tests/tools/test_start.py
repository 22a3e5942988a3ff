import torch
from transformers import LlamaConfig, LlamaForCausalLM

from base_student.start import look_one_back, start_llama
from base_student.tokens import learn_tokenizer


def test_the_chosen_heads_read_the_token_before_and_the_others_do_not():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=100,
        hidden_size=128,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config)
    look_one_back(model, heads=2)
    ids = torch.randint(0, 100, (3, 40))
    with torch.no_grad():
        weights = model(input_ids=ids, output_attentions=True).attentions[0]
    before = weights.diagonal(offset=-1, dim1=2, dim2=3)[..., 1:].mean((0, 2))
    assert (before[:2] > 0.8).all()
    assert (before[2:] < 0.2).all()


def test_a_started_model_has_the_marks_and_sizes_of_its_tokenizer():
    tokenizer = learn_tokenizer(["some words to learn"] * 3, vocabulary=300, longest=64)
    model = start_llama(tokenizer, width=32, inner=48, layers=2, heads=2)
    assert model.dtype == torch.bfloat16
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.max_position_embeddings == 64
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.bos_token_id is None
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
