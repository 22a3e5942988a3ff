"""Low-rank additions saved apart from their model, or merged; read by Tuition, transformers and peft."""

import json
import warnings

import peft
import pytest
import torch
import transformers

from tuition.core.errors import TrainingError
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student

AUTO = {"t5-nano": transformers.AutoModelForSeq2SeqLM, "llama-nano": transformers.AutoModelForCausalLM}
PEFT = {"t5-nano": peft.AutoPeftModelForSeq2SeqLM, "llama-nano": peft.AutoPeftModelForCausalLM}


def load(model, **config):
    return load_student(
        StudentConfig(model=str(model), device="cpu", lora_rank=2, **config),
        TrainingConfig(steps=30, lr=1e-2),
    )


@pytest.fixture(params=AUTO)
def trained(request, student, answers, tmp_path):
    """A base in a folder, a student with additions to it, and where it is saved."""
    student(request.param).save(tmp_path / "base")
    learner = load(tmp_path / "base", update="lora")
    learner.fit(answers, tmp_path / "checkpoints")
    learner.save(tmp_path / "kept")
    return request.param, learner, tmp_path / "kept"


def said(learner, questions):
    scores = [score for row in learner.score_options(questions) for score in row]
    # weights in other memory may round the last digit otherwise
    texts = [(item.text, item.tokens) for item in learner.generate(questions, max_tokens=6)]
    return texts, [round(score, 4) for score in scores]


def size(folder):
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))


def test_the_additions_alone_are_saved_and_loaded(trained, answers):
    _, learner, kept = trained
    assert {file.name for file in kept.glob("*.safetensors")} == {"adapter_model.safetensors"}
    assert size(kept) < size(kept.with_name("base")) / 2
    assert json.loads((kept / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        kept.with_name("base")
    )
    again = load(kept)
    assert said(again, answers) == said(learner, answers)
    assert said(load(kept.with_name("base")), answers) != said(learner, answers)
    assert again.parameters == learner.parameters
    again.save(kept.with_name("copy"))
    assert {file.name: file.read_bytes() for file in kept.with_name("copy").iterdir()} == {
        file.name: file.read_bytes() for file in kept.iterdir()
    }


def test_peft_and_transformers_read_the_additions(trained, answers):
    name, learner, kept = trained
    tokenizer = transformers.AutoTokenizer.from_pretrained(kept)
    texts = [item.text for item in learner.generate(answers, max_tokens=6)]
    assert any(texts)
    prompts = learner._encoder.prompts(answers)
    # peft asks models for an attribute that transformers has renamed
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
    base = AUTO[name].from_pretrained(kept.with_name("base"))
    for model in (PEFT[name].from_pretrained(kept), peft.PeftModel.from_pretrained(base, kept)):
        for prompt, text in zip(prompts, texts, strict=True):
            written = model.generate(input_ids=torch.tensor([prompt]), max_new_tokens=6, do_sample=False)[0]
            own = written if name == "t5-nano" else written[len(prompt) :]
            assert tokenizer.decode(own, skip_special_tokens=True).strip() == text
    plain = AUTO[name].from_pretrained(kept)
    assert any("lora" in key for key in plain.state_dict()) and plain.config.use_cache


def test_merged_on_request_while_training_and_afterwards(trained, answers, tmp_path):
    name, learner, kept = trained
    whole = load(tmp_path / "base", update="lora", saved="merged")
    whole.fit(answers, tmp_path / "checkpoints")
    whole.save(tmp_path / "whole")
    load(kept, saved="merged").save(tmp_path / "later")
    for folder in (tmp_path / "whole", tmp_path / "later"):
        assert not (folder / "adapter_config.json").exists()
        plain = AUTO[name].from_pretrained(folder)
        for key, weight in learner.model.state_dict().items():
            assert torch.equal(plain.state_dict()[key], weight), key
        assert said(load(folder), answers) == said(learner, answers)


def test_a_model_in_half_precision_has_its_additions_in_memory_as_in_the_folder(student, answers, tmp_path):
    student("llama-nano").save(tmp_path / "float")
    load(tmp_path / "float", saved_dtype="bfloat16").save(tmp_path / "base")
    for saved in ("adapter", "merged"):
        learner = load(tmp_path / "base", update="lora", saved=saved)
        learner.fit(answers, tmp_path / f"checkpoints-{saved}")
        learner.save(tmp_path / saved)
        assert said(load(tmp_path / saved), answers) == said(learner, answers)
    later = load(tmp_path / "adapter", saved="merged")
    later.save(tmp_path / "later")
    assert said(load(tmp_path / "later"), answers) == said(later, answers)


def test_additions_upon_additions_are_saved_whole(trained, answers, tmp_path):
    _, _, kept = trained
    more = load(kept, update="lora")
    more.fit(answers, tmp_path / "again")
    more.save(tmp_path / "more")
    assert (tmp_path / "more" / "model.safetensors").exists()
    assert said(load(tmp_path / "more"), answers) == said(more, answers)


@pytest.mark.parametrize("name", ["fresh:llama-nano", "encoder"])
def test_a_student_that_cannot_be_had_again_is_saved_whole(name, student, answers, tmp_path):
    if name == "encoder":
        student("bert-nano").save(tmp_path / "base")
        learner = load(tmp_path / "base", update="lora")
    else:
        learner = student("llama-nano", update="lora", lora_rank=2)
    learner.fit(answers, tmp_path / "checkpoints")
    learner.save(tmp_path / "kept")
    assert [file.name for file in (tmp_path / "kept").glob("*.safetensors")] == ["model.safetensors"]


def test_without_their_model_additions_are_refused(trained):
    _, _, kept = trained
    kept.with_name("base").rename(kept.with_name("elsewhere"))
    expected = (
        r"'.*kept' holds low-rank additions alone, and their model cannot be had: there is no model folder"
    )
    with pytest.raises(TrainingError, match=expected):
        load(kept)
    (kept / "adapter_config.json").write_text("{")
    with pytest.raises(
        TrainingError, match=r"adapter_config.json' is broken: .*; fetch or save the model again"
    ):
        load(kept)
