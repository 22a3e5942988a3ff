import random

import pytest
import torch
import transformers

from tuition.student.encode import OptionRow, TextRow
from tuition.student.families import FAMILIES
from tuition.student.lessons.lesson import Learning
from tuition.student.training.passes import Item
from tuition.student.training.share import is_exact, share, share_rows

SIZES = {"vocab_size": 40, "pad_token_id": 0, "bos_token_id": 3, "eos_token_id": 2}
DEEP = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
STACKS = {"d_model": 16, "d_ff": 24, "decoder_start_token_id": 0, "dropout_rate": 0.0}
MODELS = {
    "llama": lambda: transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**SIZES, **DEEP, num_key_value_heads=1)
    ),
    "gpt_neox": lambda: transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(**SIZES, **DEEP)),
    "qwen3": lambda: transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**SIZES, **DEEP, num_key_value_heads=2, head_dim=8)
    ),
    "gpt2": lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            **SIZES, n_embd=16, n_layer=2, n_head=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0
        )
    ),
    "t5": lambda: transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            **SIZES, **STACKS, d_kv=8, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu"
        )
    ),
}


def window(size):
    return transformers.MistralForCausalLM(
        transformers.MistralConfig(**SIZES, **DEEP, num_key_value_heads=2, sliding_window=size)
    )


def bart():
    config = transformers.BartConfig(
        **SIZES,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        decoder_start_token_id=2,
    )
    return transformers.BartForConditionalGeneration(config)


def shaken(model):
    """No two tokens are alike to it."""
    source = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=source)
    return model.train()


def family_of(model):
    return FAMILIES["seq2seq" if model.config.is_encoder_decoder else "causal"]


def groups_of(model, *, n=5):
    """Rows of uneven questions with one to four outputs each; a decoder's inputs part near their ends."""
    source = random.Random(1)

    def ids(least, most):
        return [source.randrange(4, 40) for _ in range(source.randint(least, most))]

    groups = []
    for i in range(n):
        question = ids(2, 12)
        ends = [[] if model.config.is_encoder_decoder or j % 2 else ids(0, 3) for j in range(1 + i % 4)]
        groups.append([TextRow(prompt=question + end, output=[*ids(0, 9), 2]) for end in ends])
    return groups


def gradients(model, groups, factors):
    """The loss of one pass and every gradient."""
    model.zero_grad()
    family = family_of(model)
    loss = Learning(family=family).loss(model, family.collate(groups, factors, pad_id=0))
    loss.backward()
    return loss.item(), {name: weight.grad.clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", MODELS)
def test_loss_and_gradients_are_those_of_separate_rows(name, attention):
    torch.manual_seed(0)
    model = shaken(MODELS[name]())
    model.set_attn_implementation(attention)
    groups = groups_of(model)
    factors = [[0.1 * (i + j + 1) for j in range(len(group))] for i, group in enumerate(groups)]
    together, shared = gradients(model, groups, factors)
    flat = [
        ([row], [factor])
        for g, f in zip(groups, factors, strict=True)
        for row, factor in zip(g, f, strict=True)
    ]
    total, apart = 0.0, {key: torch.zeros_like(grad) for key, grad in shared.items()}
    for group, factor in flat:
        loss, found = gradients(model, [group], [factor])
        total += loss
        apart = {key: apart[key] + found[key] for key in apart}
    assert together == pytest.approx(total, rel=1e-5)
    whole = torch.linalg.vector_norm(torch.stack([grad.norm() for grad in apart.values()]))
    for key, grad in apart.items():
        assert torch.linalg.vector_norm(shared[key] - grad) <= 1e-5 * max(grad.norm(), 0.01 * whole), key
    assert is_exact(model, family_of(model), groups[3:4], pad_id=0)
    assert model.training


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_of_rounded_weights_shares_too(dtype):
    torch.manual_seed(0)
    for name in ("llama", "t5"):
        model = shaken(MODELS[name]()).to(dtype)
        assert is_exact(model, family_of(model), groups_of(model)[3:4], pad_id=0), name


@pytest.mark.parametrize(
    "make",
    [
        lambda: window(3),
        bart,
        lambda: transformers.BloomForCausalLM(
            transformers.BloomConfig(**SIZES, hidden_size=16, n_layer=2, n_head=2)
        ),
        lambda: transformers.MambaForCausalLM(
            transformers.MambaConfig(**SIZES, hidden_size=16, num_hidden_layers=1, state_size=4)
        ),
    ],
    ids=["looks back 3 tokens", "counts columns", "reads no mask of rows and columns", "recurrent"],
)
def test_a_model_that_would_compute_something_else_keeps_targets_apart(make):
    torch.manual_seed(0)
    model = shaken(make())
    [group] = [group for group in groups_of(model, n=4) if len(group) == 4]
    family = family_of(model)
    assert not is_exact(model, family, [group], pad_id=0)
    items = [item("q", row) for row in group]
    assert share_rows(model, group, items, family=family, token_budget=500, pad_id=0) == [[0], [1], [2], [3]]


def test_a_model_that_looks_back_far_enough_shares():
    torch.manual_seed(0)
    model = shaken(window(60))
    assert is_exact(model, FAMILIES["causal"], groups_of(model)[3:4], pad_id=0)


def test_a_long_row_that_shares_nothing_keeps_the_others_apart_where_the_model_looks_back_a_little():
    torch.manual_seed(0)
    question = list(range(4, 12))
    rows = [TextRow(prompt=question, output=[20 + i, 30 + i, 2]) for i in range(3)]
    items = [item("q", row) for row in rows]
    long = TextRow(prompt=[*range(4, 34)], output=[35, 36, 2])
    how = {"family": FAMILIES["causal"], "token_budget": 500, "pad_id": 0}
    model = shaken(window(16))
    assert share_rows(model, rows, items, **how) == [[0, 1, 2]]
    rows, items = [*rows, long], [*items, item("other", long)]
    assert share_rows(model, rows, items, **how) == [[0], [1], [2], [3]]
    assert share_rows(shaken(window(60)), rows, items, **how) == [[0, 1, 2], [3]]


def item(name, row):
    return Item(example_id=name, objective="why", weight=1.0, length=row.length, terms=row.terms)


def shared(family, prompts, *, names=None, budget=10**6, output=10):
    rows = [TextRow(prompt=prompt, output=[7] * output) for prompt in prompts]
    items = [item(name, row) for name, row in zip(names or ["q"] * len(rows), rows, strict=True)]
    return share(FAMILIES[family], rows, items, token_budget=budget)


LONG, SHORT = list(range(100)), [1, 2]


def test_an_encoder_decoder_shares_equal_inputs_alone():
    assert shared("seq2seq", [LONG, [*LONG, 5], LONG]) == [[0, 2], [1]]


def test_a_decoder_shares_what_inputs_begin_with():
    assert shared("causal", [[*LONG, 5], [*LONG, 6], LONG]) == [[0, 1, 2]]
    assert shared("causal", [[5, *LONG], [6, *LONG], [5, *LONG, 7]]) == [[0, 2], [1]]


def test_only_targets_of_one_example_share():
    assert shared("causal", [LONG, LONG, LONG], names=["a", "b", "a"]) == [[0, 2], [1]]


def test_a_row_that_would_be_too_long_is_begun_anew():
    assert shared("causal", [LONG] * 4, budget=125) == [[0, 1], [2, 3]]


def test_targets_share_only_where_that_saves_work():
    assert shared("causal", [SHORT] * 3) == [[0, 1, 2]]
    assert shared("causal", [SHORT] * 3, output=60) == [[0], [1], [2]], "attention over the row costs more"


def test_options_are_never_shared():
    pair = {"input_ids": [1], "attention_mask": [1]}
    rows = [OptionRow(options=[pair, pair], gold=0)] * 2
    items = [item("q", row) for row in rows]
    model = transformers.BertForMultipleChoice(transformers.BertConfig(**SIZES, **DEEP))
    assert share_rows(model, rows, items, family=FAMILIES["options"], token_budget=99, pad_id=0) == [[0], [1]]
