import gc
import json
from collections import Counter

import pytest
import torch
import transformers

from tuition.core.errors import TrainingError
from tuition.student.config import TrainingConfig
from tuition.student.encode import Encoder
from tuition.student.families import FAMILIES
from tuition.student.lessons.lesson import Learning
from tuition.student.training.checkpoints import last_checkpoint
from tuition.student.training.passes import plan_steps
from tuition.student.training.share import share_rows
from tuition.student.training.train import Steps, StepTrainer, item_of

SPLITS = [1, 90, 10**6]
"""Token budgets: every target alone, a few together, all in one pass."""


def uneven(learner, targets):
    """Teach one rationale by heart, so that tokens have unlike losses and the normalisers disagree."""
    one = next(target for target in targets if target.objective == "long")
    batch = FAMILIES[learner.family].collate([learner._encoder.rows([one])], [[1.0]], pad_id=0)
    optimizer = torch.optim.AdamW(learner.model.parameters(), lr=0.01)
    for _ in range(6):
        Learning(family=FAMILIES[learner.family]).loss(learner.model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    return learner


def plain_loss(student, targets, normaliser):
    """γ·L_A + Σ α_m·L_m by one forward pass a target, with the loss that the model itself computes."""
    encoder = Encoder(student.tokenizer, student._config, family=student.family)
    sums, counts, weights = {}, {}, {}
    siblings = Counter((target.objective, target.example.id) for target in targets)
    for target in targets:
        prompt = encoder.prompts([target])[0]
        output = encoder.output(target.output)
        if student.family == "seq2seq":
            ids, labels = prompt, output
        else:
            ids, labels = prompt + output, [-100] * len(prompt) + output
        mean = student.model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        name = target.objective
        count = len(output) if normaliser == "batch" else 1 / siblings[name, target.example.id]
        sums[name] = sums.get(name, 0.0) + mean * count
        counts[name] = counts.get(name, 0) + count
        weights[name] = target.weight
    return sum(weights[name] * sums[name] / counts[name] for name in sums)


def steps_of(student, targets, config, *, is_shared):
    """All targets as one optimizer step."""
    family, pad_id = FAMILIES[student.family], student.tokenizer.pad_token_id
    rows = student._encoder.rows(targets)
    items = [item_of(target, row) for target, row in zip(targets, rows, strict=True)]
    plan = plan_steps(items, batch_examples=100, steps=1, epochs=None, seed=0)
    assert sorted(plan[0]) == list(range(len(targets)))
    groups = [[i] for i in range(len(rows))]
    if is_shared:
        groups = share_rows(
            student.model, rows, items, family=family, token_budget=config.token_budget, pad_id=pad_id
        )
    return Steps(Learning(family=family), rows, items, plan=plan, groups=groups, config=config, pad_id=pad_id)


def one_step(student, targets, *, normaliser, token_budget, tmp_path):
    """Run one optimizer step of the real trainer; give its loss and the length of its gradient."""
    config = TrainingConfig(
        steps=1, batch_examples=100, token_budget=token_budget, normaliser=normaliser, max_grad_norm=0
    )
    steps = steps_of(student, targets, config, is_shared=False)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=1,
        per_device_train_batch_size=1,
        use_cpu=True,
        logging_steps=1,
        max_grad_norm=0,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    trainer = StepTrainer(student.model, steps, arguments=arguments)
    trainer.train()
    row = trainer.state.log_history[0]
    return row["loss"], row["grad_norm"], len(steps[0]["passes"])


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
@pytest.mark.parametrize("normaliser", ["item", "batch"])
@pytest.mark.parametrize("token_budget", SPLITS)
def test_the_trainer_computes_the_loss_of_the_paper(
    name, normaliser, token_budget, student, targets, tmp_path
):
    learner = uneven(student(name), targets)
    expected = plain_loss(learner, targets, normaliser)
    expected.backward()
    norm = torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(weight.grad) for weight in learner.model.parameters()])
    )
    learner.model.zero_grad()
    loss, grad_norm, passes = one_step(
        learner, targets, normaliser=normaliser, token_budget=token_budget, tmp_path=tmp_path
    )
    assert passes == {1: len(targets), 10**6: 2}.get(token_budget, passes), "short and long ones, each a pass"
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert grad_norm == pytest.approx(norm.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
@pytest.mark.parametrize("normaliser", ["item", "batch"])
@pytest.mark.parametrize("is_shared", [False, True])
def test_every_gradient_equals_the_plain_loop(name, normaliser, is_shared, student, targets):
    learner = uneven(student(name), targets)
    plain_loss(learner, targets, normaliser).backward()
    expected = {key: weight.grad.clone() for key, weight in learner.model.named_parameters()}
    learner.model.zero_grad()
    config = TrainingConfig(token_budget=190, normaliser=normaliser)
    steps = steps_of(learner, targets, config, is_shared=is_shared)
    assert (max(map(len, steps.groups)) > 1) == is_shared
    for batch in steps[0]["passes"]:
        steps.learning.loss(learner.model, batch).backward()
    for key, weight in learner.model.named_parameters():
        difference = torch.linalg.vector_norm(weight.grad - expected[key])
        assert difference <= 1e-5 * torch.linalg.vector_norm(expected[key]), key


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_the_two_normalisers_differ_here(name, student, targets):
    learner = uneven(student(name), targets)
    item, batch = (plain_loss(learner, targets, normaliser).item() for normaliser in ("item", "batch"))
    assert abs(item - batch) > 1e-4 * batch  # ten times what the tests above let pass


@pytest.mark.parametrize(
    ("name", "optimizer"), [("t5-nano", "adamw"), ("llama-nano", "muon"), ("bert-nano", "adamw")]
)
def test_a_killed_training_goes_on_to_the_same_weights(name, optimizer, student, targets, answers, tmp_path):
    lessons = answers if name == "bert-nano" else targets
    training = {
        "steps": 8,
        "save_every": 3,
        "batch_examples": 5,
        "optimizer": optimizer,
        "schedule": "cosine",
    }
    straight = student(name, training=training)
    whole = straight.fit(lessons, tmp_path / "straight")

    class Killed(BaseException):
        pass

    def kill(stage, done, total):
        assert (stage, total) == ("training", 8)
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        student(name, training=training).fit(lessons, tmp_path / "killed", progress=kill)
    # What a kill leaves behind while a checkpoint is being written: weights, but no state yet.
    half = tmp_path / "killed" / "checkpoint-6"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    resumed = student(name, training=training)
    rest = resumed.fit(lessons, tmp_path / "killed")
    assert (whole["resumed_from"], rest["resumed_from"]) == (None, 3)
    assert rest["losses"] == whole["losses"]
    for (key, one), (_, other) in zip(
        straight.model.named_parameters(), resumed.model.named_parameters(), strict=True
    ):
        assert torch.equal(one, other), key


def test_a_finished_training_holds_no_optimizer(student, targets, tmp_path):
    learner = student("llama-nano", training={"optimizer": "adamw"})
    gc.collect()
    gc.disable()
    try:
        learner.fit(targets, tmp_path)
        held = [one for one in gc.get_objects() if isinstance(one, torch.optim.Optimizer) and one.state]
    finally:
        gc.enable()
    assert held == [] and all(weight.grad is None for weight in learner.model.parameters())


def test_a_finished_training_is_not_repeated(student, targets, tmp_path):
    learner = student("llama-nano")
    first = learner.fit(targets, tmp_path)
    steps = []
    again = student("llama-nano")
    second = again.fit(targets, tmp_path, progress=lambda *told: steps.append(told))
    assert steps == [] and second["resumed_from"] == 4
    assert second["last_loss"] == first["last_loss"]
    assert torch.equal(again.model.lm_head.weight, learner.model.lm_head.weight)


def test_a_checkpoint_without_readable_state_is_passed_over(tmp_path):
    assert last_checkpoint(tmp_path) is None
    for step, state in ((9, "{"), (10, None), (2, json.dumps({"global_step": 2}))):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-best").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-2"


def test_only_two_checkpoints_stay(student, targets, tmp_path):
    student("llama-nano", training={"save_every": 1}).fit(targets, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-4"]


def test_a_loss_that_is_no_number_stops_the_training(student, targets, tmp_path):
    learner = student("llama-nano")
    with torch.no_grad():
        learner.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"loss of step 1 is nan; lower training\.lr"):
        learner.fit(targets, tmp_path)


def test_bf16_arithmetic_keeps_the_weights_in_fp32(student, targets, tmp_path):
    learner = student("llama-nano", training={"precision": "bf16"})
    rough = learner.fit(targets, tmp_path / "rough")["first_loss"]
    exact = student("llama-nano").fit(targets, tmp_path / "exact")["first_loss"]
    assert learner.model.dtype == torch.float32
    assert rough != exact and rough == pytest.approx(exact, rel=0.02)
