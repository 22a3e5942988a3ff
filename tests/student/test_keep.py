"""The best student of a training by validation, kept through kills and moves."""

import json

import pytest
import torch

from tuition.core.errors import TrainingError
from tuition.student.training import train

NAMES = ["t5-nano", "llama-nano", "bert-nano"]
BEST = {"keep": "best", "validate_every": 1, "steps": 6, "batch_examples": 5, "lr": 1e-2}


class Killed(BaseException):
    pass


def told(values):
    """A validation that finds these accuracies, one after the other."""
    left = list(values)
    return lambda: left.pop(0)


def killed_at(step):
    def progress(stage, done, total):
        if done == step:
            raise Killed

    return progress


def same(one, other):
    pairs = zip(one.model.named_parameters(), other.model.named_parameters(), strict=True)
    return all(torch.equal(weight, its) for (_, weight), (_, its) in pairs)


@pytest.mark.parametrize("more", [{}, {"update": "lora", "lora_rank": 2}], ids=["full", "lora"])
@pytest.mark.parametrize("name", NAMES)
def test_the_best_is_the_student_and_of_equals_the_earlier(name, more, student, answers, tmp_path):
    learner = student(name, training=BEST, **more)
    report = learner.fit(answers, tmp_path / "best", validate=told([0.25, 0.5, 0.75, 0.75, 0.5, 0.75]))
    assert report["validated"] == [[1, 0.25], [2, 0.5], [3, 0.75], [4, 0.75], [5, 0.5], [6, 0.75]]
    assert report["best_step"] == 3
    assert json.loads(json.dumps(report)) == report
    until_then = student(name, training=BEST | {"keep": "last", "steps": 3}, **more)
    until_then.fit(answers, tmp_path / "three")
    assert same(learner, until_then)


@pytest.mark.parametrize("more", [{}, {"update": "lora", "lora_rank": 2}], ids=["full", "lora"])
@pytest.mark.parametrize(("name", "instruction"), [("t5-nano", "decoder"), ("llama-nano", "behind")])
def test_the_best_is_kept_where_targets_share_rows(
    name, instruction, more, student, targets, tmp_path, monkeypatch
):
    shared, found = [], train.share_rows

    def share_rows(*words, **named):
        shared.append(found(*words, **named))
        return shared[-1]

    monkeypatch.setattr(train, "share_rows", share_rows)
    more = {**more, "instruction": instruction}
    learner = student(name, training=BEST, **more)
    report = learner.fit(targets, tmp_path / "best", validate=told([0.25, 0.5, 0.75, 0.75, 0.5, 0.75]))
    assert report["best_step"] == 3
    assert len(shared[0]) < len(targets), "some targets share a row"
    until_then = student(name, training=BEST | {"keep": "last", "steps": 3}, **more)
    until_then.fit(targets, tmp_path / "three")
    assert same(learner, until_then)
    # the same losses as those of a row for each target
    monkeypatch.setattr(train, "share_rows", lambda model, rows, *_, **__: [[i] for i in range(len(rows))])
    apart = student(name, training=BEST, **more).fit(targets, tmp_path / "apart", validate=told([0.5] * 6))
    assert report["first_loss"] == pytest.approx(apart["first_loss"], rel=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_to_validate_changes_no_step_and_asks_a_student_as_it_is_loaded(
    precision, student, answers, tmp_path
):
    training = BEST | {"precision": precision}
    learner, plain = student("llama-nano", training=training), student("llama-nano", training=training)
    steps, texts = [], []

    def validate():
        assert not {"forward", "_original_forward"} & vars(learner.model).keys()
        texts.append([item.text for item in learner.generate(answers, max_tokens=8)])
        return len(texts) / 6

    def progress(*_):
        steps.append(learner.model.config._attn_implementation)

    report = learner.fit(answers, tmp_path / "best", validate=validate, progress=progress)
    assert report["best_step"] == 6
    assert report["losses"] == plain.fit(answers, tmp_path / "last")["losses"]
    assert steps == ["eager"] * 6 and same(learner, plain)
    assert [item.text for item in learner.generate(answers, max_tokens=8)] == texts[-1]


def test_a_pass_over_the_examples_is_what_is_validated_after(student, answers, tmp_path):
    training = {"keep": "best", "steps": 8, "batch_examples": 5}
    report = student("llama-nano", training=training).fit(answers, tmp_path, validate=told([0.1, 0.2, 0.3]))
    assert [step for step, _ in report["validated"]] == [3, 6, 8], "12 examples, 5 a step; and the last step"


@pytest.mark.parametrize(("best", "is_moved"), [(2, True), (6, False)])
def test_a_killed_training_remembers_the_best(best, is_moved, student, answers, tmp_path):
    values = dict.fromkeys(range(1, 7), 0.5) | {best: 1.0}
    training = BEST | {"save_every": 3}
    straight = student("t5-nano", training=training)
    whole = straight.fit(answers, tmp_path / "straight", validate=told(values.values()))
    with pytest.raises(Killed):
        student("t5-nano", training=training).fit(
            answers, tmp_path / "cut", validate=told(values.values()), progress=killed_at(5)
        )
    folder = tmp_path / "cut"
    if is_moved:
        folder = folder.rename(tmp_path / "moved")
    resumed = student("t5-nano", training=training)
    rest = resumed.fit(answers, folder, validate=told([values[step] for step in (4, 5, 6)]))
    assert (rest["resumed_from"], rest["best_step"]) == (3, best)
    assert rest["validated"] == whole["validated"] and rest["losses"] == whole["losses"]
    assert same(resumed, straight)


def test_a_finished_training_ends_with_the_best_again(student, answers, tmp_path):
    first = student("llama-nano", training=BEST)
    first.fit(answers, tmp_path / "run", validate=told([0.1, 0.9, 0.1, 0.1, 0.1, 0.1]))
    (tmp_path / "run").rename(tmp_path / "moved")
    again = student("llama-nano", training=BEST)
    assert again.fit(answers, tmp_path / "moved", validate=told([]))["best_step"] == 2
    assert same(first, again)
    (tmp_path / "moved" / "checkpoint-2").rename(tmp_path / "elsewhere")
    with pytest.raises(TrainingError, match=r"checkpoint of the best validation, '.*checkpoint-2', is gone"):
        student("llama-nano", training=BEST).fit(answers, tmp_path / "moved", validate=told([]))


def test_how_it_is_validated_is_part_of_a_training_and_how_often_it_is_saved_is_not(
    student, answers, tmp_path
):
    one = told([0.5] * 6)
    student("llama-nano", training=BEST).fit(answers, tmp_path, validate=one)
    for changed in ({"validate_every": 2}, {"validate_questions": 3}):
        with pytest.raises(TrainingError, match="holds checkpoints of a training with other targets or"):
            student("llama-nano", training=BEST | changed).fit(answers, tmp_path, validate=one)
    with pytest.raises(TrainingError, match="holds checkpoints of a training with other targets or settings"):
        student("llama-nano", training=BEST | {"keep": "last"}).fit(answers, tmp_path)
    report = student("llama-nano", training=BEST | {"save_every": 1}).fit(answers, tmp_path, validate=one)
    assert report["resumed_from"] == 6
