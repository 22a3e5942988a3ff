"""What is written is what `transformers` writes, whatever a model keeps of what it has read."""

import pytest
import torch
import transformers

from tuition.core.errors import TrainingError
from tuition.student.branches.read import Asked, write, write_branches
from tuition.student.families import pad

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
HEADS = {"num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 64}
EXPERTS = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}
LINEAR = {f"linear_{name}": n for name, n in (("key_head_dim", 8), ("value_head_dim", 8))}
MODELS = {
    "gemma3": lambda: transformers.Gemma3ForCausalLM(
        transformers.Gemma3TextConfig(vocab_size=60, sliding_window=5, **SIZES, **HEADS)
    ),
    "gpt2": lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=2, n_positions=64)
    ),
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=60, **SIZES, **HEADS)),
    "mamba": lambda: transformers.MambaForCausalLM(
        transformers.MambaConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2, state_size=8)
    ),
    "qwen3_next": lambda: transformers.Qwen3NextForCausalLM(
        transformers.Qwen3NextConfig(
            vocab_size=60,
            linear_num_value_heads=2,
            linear_num_key_heads=2,
            shared_expert_intermediate_size=16,
            layer_types=["linear_attention", "full_attention"],
            **SIZES,
            **HEADS,
            **EXPERTS,
            **LINEAR,
        )
    ),
    "t5": lambda: transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=60, d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2, decoder_start_token_id=0
        )
    ),
}
PROMPTS = [[5, 9, 20, 31], [40], [7] * 11, [30, 31, 32, 33, 34, 35], [8, 50], [12, 13, 14]]


def made(name):
    """A model whose weights are large, so that it writes many kinds of tokens."""
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(6)
    return model


def by_transformers(model, marks):
    left = not model.config.is_encoder_decoder
    settings = transformers.GenerationConfig(
        max_new_tokens=15, do_sample=False, num_beams=1, eos_token_id=marks, pad_token_id=0
    )
    with torch.inference_mode():
        out = model.generate(
            input_ids=pad(PROMPTS, 0, left=left),
            attention_mask=pad([[1] * len(prompt) for prompt in PROMPTS], 0, left=left),
            generation_config=settings,
        )
    new = out[:, max(map(len, PROMPTS)) if left else 1 :].tolist()
    return [row[: next((i + 1 for i, t in enumerate(row) if t in marks), len(row))] for row in new]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_greedy_texts_are_those_of_transformers(name):
    model = made(name)
    free = by_transformers(model, [1])
    assert len({tuple(row) for row in free}) > 2
    # A mark that no text begins with, so that they end at unlike places.
    marks = [1, next(token for row in free for token in row if all(other[0] != token for other in free))]
    expected = by_transformers(model, marks)
    assert len({len(row) for row in expected}) > 1
    found = write(model, PROMPTS, max_tokens=15, marks=marks, pad_id=0, batch_questions=8)
    assert [row.tokens for row in found] == expected
    assert not any(row.entropies for row in found)
    for prompt, row in zip(PROMPTS, found, strict=True):
        [alone] = write(model, [prompt], max_tokens=15, marks=marks, pad_id=0, batch_questions=8)
        assert alone.tokens == row.tokens
        assert alone.logprobs == pytest.approx(row.logprobs, abs=1e-4)


def test_a_model_that_keeps_a_state_is_refused_samples_and_beginnings():
    rest = {"max_tokens": 3, "seed": 0, "marks": [1], "positions": None, "pad_id": 0, "batch_rows": 9}
    model = made("mamba")
    for samples, prefixes in ((2, [[]]), (1, [[4, 5], [4]])):
        asked = [Asked(prompt=[5, 6], prefixes=prefixes)]
        with pytest.raises(
            TrainingError, match="of type 'mamba' cannot go on from beginnings: it keeps a state"
        ):
            write_branches(model, asked, samples=samples, temperature=1.0, **rest)
