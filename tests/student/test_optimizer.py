import pytest
import torch
from torch.optim import AdamW, Muon
from torch.optim.lr_scheduler import LambdaLR
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from tuition.core.errors import TrainingError
from tuition.student.training.optimizer import StackedMuon, muon_with_adamw

RATES = {"lr": 1e-3, "matrix_lr": 0.02, "weight_decay": 0.1}


def tiny_llama(seed=0):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def train(model, optimizer, *, steps, seed=1, schedule=None):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        ids = torch.randint(0, 40, (4, 12), generator=generator)
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if schedule is not None:
            schedule.step()


def flat(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def names_of(model, group):
    wanted = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in wanted}


def test_every_parameter_has_one_group_and_block_matrices_come_first():
    model = tiny_llama()
    groups = muon_with_adamw(model, **RATES).param_groups
    matrices, others, vectors = (names_of(model, group) for group in groups)
    assert len(matrices) == 2 * 7
    assert all("proj" in name for name in matrices)
    assert others == {"model.embed_tokens.weight"}
    assert len(vectors) == 5 and all("norm" in name for name in vectors)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.1, 0.0]
    assert [group["lr"] for group in groups] == [0.02, 1e-3, 1e-3]


def test_the_position_table_of_t5_is_no_matrix():
    config = T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=24, num_layers=1, num_heads=2)
    model = T5ForConditionalGeneration(config)
    others = names_of(model, muon_with_adamw(model, **RATES).param_groups[1])
    assert "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight" in others
    assert "shared.weight" in others


def test_a_step_equals_the_steps_of_the_two_optimisers_apart():
    together, apart = tiny_llama(), tiny_llama()
    train(together, muon_with_adamw(together, **RATES), steps=3)

    groups = muon_with_adamw(apart, **RATES).param_groups
    muon = Muon(groups[0]["params"], lr=0.02, weight_decay=0.1)
    tables = [{"params": groups[1]["params"]}, {"params": groups[2]["params"], "weight_decay": 0.0}]
    adamw = AdamW(tables, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        ids = torch.randint(0, 40, (4, 12), generator=generator)
        apart(input_ids=ids, labels=ids).loss.backward()
        muon.step()
        adamw.step()
        apart.zero_grad()
    assert torch.linalg.vector_norm(flat(together) - flat(apart)) <= 1e-5 * torch.linalg.vector_norm(
        flat(apart) - flat(tiny_llama())
    )


@pytest.mark.parametrize("most", [1, 1000, 2**22])
def test_matrices_of_one_shape_are_stepped_together_and_come_to_the_same(most, monkeypatch):
    monkeypatch.setattr("tuition.student.training.optimizer._STACK", most)
    source = torch.Generator().manual_seed(2)
    shapes = [(16, 16), (16, 40), (40, 16), (16, 16), (16, 16), (40, 16)]
    start = [torch.randn(shape, generator=source) for shape in shapes]
    ours, plain = ([torch.nn.Parameter(weight.clone()) for weight in start] for _ in range(2))
    optimizers = [kind(weights, lr=0.02) for kind, weights in ((StackedMuon, ours), (Muon, plain))]
    for _ in range(4):
        for one, other in zip(ours[1:], plain[1:], strict=True):
            one.grad = other.grad = torch.randn(one.shape, generator=source)
        for optimizer in optimizers:
            optimizer.step()
    assert torch.equal(ours[0], start[0]), "it has no gradient"
    for one, other, before in zip(ours, plain, start, strict=True):
        assert torch.linalg.vector_norm(one - other) <= 1e-5 * torch.linalg.vector_norm(other - before)
    first, second = (optimizer.state_dict()["state"] for optimizer in optimizers)
    assert {key: list(state) for key, state in first.items()} == {
        key: list(state) for key, state in second.items()
    }


def test_a_schedule_reaches_both_parts():
    model = tiny_llama()
    optimizer = muon_with_adamw(model, **RATES)
    schedule = LambdaLR(optimizer, lambda step: 0.0 if step else 1.0)
    train(model, optimizer, steps=1, schedule=schedule)
    before = flat(model)
    train(model, optimizer, steps=1, schedule=schedule)
    assert torch.equal(flat(model), before)
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_saved_state_continues_as_if_never_interrupted(tmp_path, dtype):
    straight = tiny_llama().to(dtype)
    optimizer = muon_with_adamw(straight, **RATES)
    train(straight, optimizer, steps=3)
    torch.save({"model": straight.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
    train(straight, optimizer, steps=3, seed=2)

    resumed = tiny_llama(seed=5).to(dtype)
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    resumed.load_state_dict(saved["model"])
    again = muon_with_adamw(resumed, lr=1.0, matrix_lr=1.0, weight_decay=0.0)
    again.load_state_dict(saved["optimizer"])
    train(resumed, again, steps=3, seed=2)
    assert torch.equal(flat(resumed), flat(straight))
    schedule = LambdaLR(again, lambda _: 0.0)
    before = flat(resumed)
    train(resumed, again, steps=1, schedule=schedule)
    assert torch.equal(flat(resumed), before)


def test_steps_too_small_for_bfloat16_add_up():
    model = tiny_llama().bfloat16()
    model.model.norm.weight.data.fill_(1.0)
    optimizer = muon_with_adamw(model, lr=1e-3, matrix_lr=0.0, weight_decay=0.0)
    seen = []
    for _ in range(40):
        model.model.norm.weight.grad = torch.ones(16, dtype=torch.bfloat16)
        optimizer.step()
        seen.append(model.model.norm.weight[0].item())
    assert seen[0] == 1.0
    assert seen[-1] == pytest.approx(0.96, abs=0.004)
    optimizer.zero_grad()
    assert model.model.norm.weight.grad is None


def test_frozen_parameters_are_left_out():
    model = tiny_llama()
    for parameter in model.model.layers.parameters():
        parameter.requires_grad = False
    optimizer = muon_with_adamw(model, **RATES)
    held = {name for group in optimizer.param_groups for name in names_of(model, group)}
    assert held == {"model.embed_tokens.weight", "model.norm.weight"}
    train(model, optimizer, steps=1)


def test_a_model_with_nothing_to_train_is_refused():
    model = tiny_llama()
    model.requires_grad_(False)
    with pytest.raises(TrainingError, match="no parameter that requires a gradient; unfreeze"):
        muon_with_adamw(model, **RATES)


def test_a_closure_gives_its_loss_back():
    model = tiny_llama()
    optimizer = muon_with_adamw(model, **RATES)
    ids = torch.arange(12)[None]

    def closure():
        optimizer.zero_grad()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        return loss.item()

    first = optimizer.step(closure)
    for _ in range(10):
        last = optimizer.step(closure)
    assert last < first - 0.2


def test_the_trainer_resumes_with_it(tmp_path):
    from transformers import Trainer, TrainingArguments

    ids = torch.randint(0, 40, (16, 12), generator=torch.Generator().manual_seed(3))
    rows = [{"input_ids": row, "labels": row} for row in ids]

    def run(folder, *, steps, resume=None):
        model = tiny_llama()
        optimizer = muon_with_adamw(model, **RATES)
        schedule = LambdaLR(optimizer, lambda step: 1 - step / 4)
        arguments = TrainingArguments(
            output_dir=str(folder),
            max_steps=steps,
            save_steps=2,
            per_device_train_batch_size=4,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
            dataloader_pin_memory=False,
        )
        trainer = Trainer(model, arguments, train_dataset=rows, optimizers=(optimizer, schedule))
        trainer.train(resume_from_checkpoint=resume)
        return flat(model)

    straight = run(tmp_path / "a", steps=4)
    run(tmp_path / "b", steps=2)
    resumed = run(tmp_path / "b", steps=4, resume=str(tmp_path / "b" / "checkpoint-2"))
    assert torch.equal(resumed, straight)
