"""Mentor-KD: its hand numbers through the real path, its soft half in a run, and what is refused."""

import math

import pytest
import torch
import transformers
from tiny import attempts, experiment, lines, teachers

from tuition.core.errors import ConfigError
from tuition.core.protocols import Imitate, Lesson
from tuition.operate.compare import ablations
from tuition.operate.execute import execute
from tuition.student.encode import TextRow
from tuition.student.families import FAMILIES
from tuition.student.lessons.lesson import Learning


def constant(logits):
    """Make a model of two tokens that always gives these logits."""
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=2,
            hidden_size=2,
            intermediate_size=2,
            num_hidden_layers=1,
            num_attention_heads=1,
            pad_token_id=0,
        )
    )
    with torch.no_grad():
        model.model.embed_tokens.weight.fill_(1.0)
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        model.lm_head.weight.copy_(torch.tensor(logits)[:, None].expand(2, 2) / 2)
    return model.eval()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Imitate(), 0.524447),
        (Imitate(squared=True), 0.642177),
        (Imitate(share=0.0), 0.693147),
        (Imitate(share=1.0), 0.130812),
    ],
)
@pytest.mark.parametrize("outputs", [[[0]], [[0], [0, 0, 0, 0, 0], [0, 0]]], ids=["one", "padded"])
def test_the_loss_by_hand(how, expected, outputs):
    # Student [0, 0], mentor [2 ln 3, 0], τ = 2, the right class is 0; padding changes nothing.
    student, mentor = constant([0.0, 0.0]), constant([2 * math.log(3), 0.0])
    groups = [[TextRow(prompt=[1] * (i + 1), output=output)] for i, output in enumerate(outputs)]
    factor = 1 / sum(map(len, outputs))
    batch = FAMILIES["causal"].collate(groups, [[factor]] * len(groups), pad_id=0)
    lesson = Lesson(imitate=how, mentor=student)
    learning = Learning(family=FAMILIES["causal"], lesson=lesson, mentor=mentor)
    assert learning.loss(student, batch).item() == pytest.approx(expected, abs=1e-6)


SMALL = {"max_output_tokens": 8}
TRAINED = {"steps": 3, "batch_examples": 4}


def soft(folder, **changed):
    whole = {
        "recipe": "mentor_kd",
        "mentor": {"student": {"model": "fresh:llama-nano", **SMALL}, "training": TRAINED, "samples": 1},
        "student": {"model": "fresh:llama-nano", **SMALL},
        "lesson": {"imitate": {}},
        "teacher": teachers("ada"),
    }
    return experiment(folder, **{**whole, **changed})


def test_a_run_learns_the_soft_labels_of_its_mentor(tmp_path):
    config = soft(tmp_path)
    metrics = execute(config).metrics
    assert metrics["imitate"] == {
        "measure": "forward",
        "temperature": 2.0,
        "share": 0.3,
        "tokens": None,
        "squared": False,
    }
    hard = execute(soft(tmp_path / "hard", lesson={})).metrics
    assert "imitate" not in hard and hard["objectives"] == metrics["objectives"]

    def first(folder):
        events = lines(folder / "run" / "events.jsonl")
        return [event["first_loss"] for event in events if event["event"] == "trained"]

    assert first(tmp_path)[0] == first(tmp_path / "hard")[0], "the mentor learns from the teachers alone"
    assert first(tmp_path)[1] < first(tmp_path / "hard")[1], "0.7 of the cross-entropy, and little beside it"
    assert ablations(config).keys() == {"without_mentor", "without_soft_labels", "without_mentor_chains"}
    assert ablations(soft(tmp_path, lesson={})).keys() == {"without_mentor"}


def test_a_mentor_may_be_imitated_on_the_teachers_chains_alone(tmp_path):
    config = soft(tmp_path)
    alone = ablations(config)["without_mentor_chains"]
    metrics = execute(alone).metrics
    assert metrics["mentor"]["model"] == "fresh:llama-nano" and "chains" not in metrics["mentor"]
    assert metrics["imitate"]["share"] == 0.3


def test_a_mentor_of_another_tokenizer_is_refused_before_a_teacher_is_asked(tmp_path):
    other = {"student": {"model": "base", **SMALL}, "training": TRAINED, "samples": 1}
    with pytest.raises(ConfigError, match=r"^\[mentor\] \[student\] mentor and student cut text differently"):
        execute(soft(tmp_path, mentor=other))
    assert attempts(tmp_path / "tuition.db") == 0
    execute(soft(tmp_path / "alone", mentor=other, lesson={}))
    assert attempts(tmp_path / "alone" / "tuition.db") == 12, "its chains alone may be learnt"
