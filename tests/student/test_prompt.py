"""Prompts in the attention of the upper layers: counted, learnt alone, kept beside their model."""

import pytest
import torch
import transformers

from tuition.core.errors import ConfigError, TrainingError
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student
from tuition.student.training.optimizer import with_additions


@pytest.fixture
def whole(student, tmp_path):
    """A small model in a folder."""
    student("llama-nano").save(tmp_path / "whole")
    return tmp_path / "whole"


def prompted(folder, **config):
    how = {"update": "prompt", "device": "cpu", "threads": 1} | config
    return load_student(StudentConfig(model=str(folder), **how), TrainingConfig(steps=12, lr=0.1))


def test_the_published_shape_has_one_million_two_hundred_thousand():
    # LLaMA 7B: prompts of ten tokens of width 4096 in 30 of 32 layers, and a gate in each.
    with torch.device("meta"):
        shape = transformers.LlamaConfig(
            hidden_size=4096,
            intermediate_size=64,
            num_hidden_layers=32,
            num_attention_heads=32,
            vocab_size=64,
        )
        model = transformers.LlamaForCausalLM(shape)
        found = with_additions(model, StudentConfig(update="prompt"), seed=0)
    trained = [weight.numel() for weight in found.parameters() if weight.requires_grad]
    assert sum(trained) == 30 * (10 * 4096 + 1) == 1_228_830


def test_prompts_alone_are_learnt_and_counted(whole, targets, tmp_path):
    learner = prompted(whole, prompt_length=5)
    before = {name: weight.clone() for name, weight in learner.model.named_parameters()}
    size = learner.parameters
    report = learner.fit(targets, tmp_path / "training")
    assert report["trained_parameters"] == 5 * 32 + 1 and report["last_loss"] < report["first_loss"]
    after = dict(learner.model.named_parameters())
    for name, weight in before.items():
        assert torch.equal(after[name.replace("self_attn.", "self_attn.model.")], weight)
    assert learner.parameters == size + 5 * 32 + 1


def test_they_are_kept_beside_their_model(whole, targets, tmp_path):
    learner = prompted(whole)
    learner.fit(targets, tmp_path / "training")
    learner.save(tmp_path / "kept")
    assert not (tmp_path / "kept" / "model.safetensors").exists()
    again = load_student(StudentConfig(model=str(tmp_path / "kept"), device="cpu"), TrainingConfig())
    for own, other in zip(again.score(targets[:4]), learner.score(targets[:4]), strict=True):
        assert own == pytest.approx(other, rel=1e-5)
    again.save(tmp_path / "copy")
    assert (tmp_path / "copy" / "adapter_model.safetensors").exists()
    with pytest.raises(TrainingError, match="takes no second ones"):
        prompted(tmp_path / "kept").fit(targets, tmp_path / "more")


def test_what_is_written_with_a_cache_is_what_is_read_whole(whole, targets, tmp_path):
    learner = prompted(whole)
    learner.fit(targets, tmp_path / "training")
    question = targets[0]
    [written] = learner.generate([question], max_tokens=4)
    ids = learner.prompts([question])[0]
    for logprob in written.logprobs:
        with torch.no_grad():
            likely = learner.model(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        assert likely.max().item() == pytest.approx(logprob, abs=1e-4)
        ids.append(int(likely.argmax()))


def test_where_it_does_not_fit_it_is_refused(student, whole, targets, tmp_path):
    for changed in ({"model": "fresh:llama-nano"}, {"saved": "merged"}):
        with pytest.raises(ConfigError, match="it must be a model in a folder or on the hub"):
            load_student(
                StudentConfig(**{"model": str(whole), "update": "prompt", "device": "cpu"} | changed),
                TrainingConfig(),
                texts=["a text"],
            )
    student("t5-nano").save(tmp_path / "t5")
    with pytest.raises(TrainingError, match="for models of type llama and mistral, this one is 't5'"):
        prompted(tmp_path / "t5").fit(targets, tmp_path / "training")


def test_its_length_is_of_no_other_training(student, targets, tmp_path):
    student("llama-nano", training={"steps": 1}).fit(targets, tmp_path)
    again = student("llama-nano", training={"steps": 1}, prompt_length=3).fit(targets, tmp_path)
    assert again["resumed_from"] == 1
