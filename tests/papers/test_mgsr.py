"""MGSR: its numbers by hand, plain loops that agree, and what a run rewrites and follows."""

import dataclasses

import pytest
import torch
from tiny import experiment, lines, teachers

from tuition.core.errors import ConfigError, TrainingError
from tuition.core.protocols import Align, Clip, Imitate, Lesson, Spans
from tuition.core.records import Example, Target
from tuition.operate.compare import ablations
from tuition.operate.execute import execute
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.lessons.clip import (
    Region,
    clipped,
    kept_classes,
    sentence_ends,
    span_differences,
)
from tuition.student.lessons.lesson import learning_of
from tuition.student.lessons.regenerate import mended, worst_token
from tuition.student.load import load_student
from tuition.student.training.train import item_of, make_steps

MENTOR = torch.tensor([[0.6, 0.25, 0.1, 0.05]]).log()
STUDENT = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()


def test_the_worst_token_by_hand():
    tokens, mentor = [5, 9, 2, 7], [5, 4, 2, 8]
    j = worst_token(tokens, mentor, [0.9, 0.3, 0.1, 0.7])
    assert j == 3, "position 0 agrees, so its .9 does not count"
    assert [*tokens[:j], mentor[j]] == [5, 9, 2, 8]
    assert worst_token(tokens, tokens, [0.9, 0.3, 0.1, 0.7]) is None


@pytest.mark.parametrize(
    ("classes", "renormalised", "expected"),
    [
        ([0, 1], True, 0.038431),
        ([0, 1, 2], True, 0.081074),
        ([0, 1], False, 0.197699),
        ([0, 1, 2, 3], True, 0.093727),
    ],
)
def test_the_clipped_divergence_by_hand(classes, renormalised, expected):
    kept = torch.zeros(1, 4)
    kept[0, classes] = 1.0
    found = clipped(STUDENT, MENTOR, kept, renormalised=renormalised)
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_the_label_is_kept_beside_the_likeliest():
    kept = kept_classes(MENTOR, torch.tensor([2]), Clip(top=2))
    assert kept.tolist() == [[1, 1, 1, 0]]
    assert clipped(STUDENT, MENTOR, kept).item() == pytest.approx(0.081074, abs=1e-6)


def test_the_span_term_by_hand():
    mentor = torch.tensor([[0.5, 0.5], [0.8, 0.2]]).log()
    student = torch.tensor([[0.6, 0.4], [0.5, 0.5]]).log()
    assert span_differences(student, mentor, torch.tensor([1.0])).tolist() == pytest.approx([0, 0.02])
    assert span_differences(student, mentor, torch.tensor([0.0])).tolist() == [0, 0]


def test_a_learned_region_begins_wide_and_its_edges_have_a_gradient():
    region = Region()
    mentor = torch.randn(5, 90).log_softmax(-1)
    low, high = region(mentor.exp().sort(-1, descending=True).values).unbind(-1)
    assert (low < 0.03).all() and (high > 0.95).all()
    labels = torch.zeros(5, dtype=torch.long)
    kept = kept_classes(mentor, labels, Clip(), region=region)
    assert set(kept.detach().flatten().round(decimals=5).tolist()) == {0.0, 1.0}
    assert kept[:, 0].tolist() == [1.0] * 5 and 0.5 < kept.mean().item() < 1
    clipped(torch.randn(5, 90).log_softmax(-1), mentor, kept).sum().backward()
    assert region.layers[-1].bias.grad.abs().sum() > 0


def targets():
    return [
        Target(
            example=Example(id=str(i), question="q"),
            prefix="explain: ",
            input=f"what is {i} and {i + 1}",
            output=f"We add {i}. It is {2 * i + 1}."[: 12 + 3 * i],
            objective="own" if i % 2 else "chain",
            is_taught=not i % 2,
        )
        for i in range(5)
    ]


def student(name="llama-nano", **training):
    texts = [f"{target.prefix}{target.input} {target.output}" for target in targets()]
    return load_student(
        StudentConfig(model=f"fresh:{name}", device="cpu", threads=1),
        TrainingConfig(**{"steps": 4, "lr": 1e-2} | training),
        texts=texts,
    )


def shaken(learner, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in learner.model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.05)
    return learner


def label_logits(learner, target):
    """Logits and labels of an output by one plain forward pass."""
    prompt, output = learner.prompts([target])[0], learner.outputs([target.output])[0]
    if learner.family == "causal":
        logits = learner.model(input_ids=torch.tensor([prompt + output])).logits[0, len(prompt) - 1 : -1]
    else:
        logits = learner.model(input_ids=torch.tensor([prompt]), labels=torch.tensor([output])).logits[0]
    return logits, output


def learning_and_loss(learner, lesson, taught):
    learning = learning_of(lesson, learner, taught, encoder=learner._encoder)
    rows = learner._encoder.rows(taught)
    items = [item_of(target, row) for target, row in zip(taught, rows, strict=True)]
    config = TrainingConfig(steps=1, batch_examples=99, token_budget=90)
    steps = make_steps(learner.model, rows, items, learning=learning, config=config, pad_id=0)
    return learning, sum(learning.loss(learner.model, batch) for batch in steps[0]["passes"])


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_the_whole_loss_equals_the_plain_loop(name):
    learner, mentor = shaken(student(name), 1), shaken(student(name), 2)
    sums, counts = {}, {}
    for target in targets():
        own, output = label_logits(learner, target)
        other, _ = label_logits(mentor, target)
        own, other = own.log_softmax(-1), other.log_softmax(-1).detach()
        texts = [learner.tokenizer.decode([token]) for token in output]
        for i, token in enumerate(output):
            classes = {*other[i].topk(3).indices.tolist(), token}
            p, q = (torch.stack([one[i].exp()[c] for c in classes]) for one in (other, own))
            p, q = p / p.sum(), q / q.sum()
            term = 0.7 * (p * (p / q).log()).sum()
            if target.is_taught:
                term = term - 0.9 * own[i, token]
            is_joined = i > 0 and texts[i - 1].rstrip(" ")[-1:] not in (*".!?\n",)
            if is_joined:
                products = [one[i - 1].exp() * one[i].exp() for one in (own, other)]
                term = term + 0.5 * (products[0] - products[1]).square().sum()
            sums[target.objective] = sums.get(target.objective, 0.0) + term
            counts[target.objective] = counts.get(target.objective, 0) + 1
    expected = sum(sums[key] / counts[key] for key in sums)
    lesson = Lesson(
        imitate=Imitate(share=0.7, tokens=0.9, temperature=1.0),
        mentor=mentor,
        clip=Clip(top=3),
        spans=Spans(weight=0.5),
    )
    _, loss = learning_and_loss(learner, lesson, targets())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_random_spans_end_as_often():
    learner, mentor = shaken(student(), 1), shaken(student(), 2)
    imitate = Imitate(share=0.0, tokens=0.0)
    found = {
        by: learning_and_loss(
            learner, Lesson(imitate=imitate, mentor=mentor, spans=Spans(by=by, weight=1e3)), targets()
        )[1].item()
        for by in ("sentence", "random")
    }
    assert found["random"] == pytest.approx(found["sentence"], rel=0.5) and len({*found.values()}) == 2


@pytest.mark.parametrize("by", ["sentence", "random"])
def test_no_span_reaches_into_the_next_target_of_a_pass(by):
    learner, mentor = shaken(student(), 1), shaken(student(), 2)
    lesson = Lesson(imitate=Imitate(share=0.0, tokens=0.0), mentor=mentor, spans=Spans(by=by, weight=1e3))
    learning = learning_of(lesson, learner, targets(), encoder=learner._encoder)
    # Cut before its end mark, as a text that is too long is.
    rows = [dataclasses.replace(row, output=row.output[:-2]) for row in learner._encoder.rows(targets())]

    def loss(rows):
        batch = learning.family.collate([[row] for row in rows], [[1.0]] * len(rows), pad_id=0)
        return learning.loss(learner.model, batch).item()

    apart = [loss([row]) for row in rows]
    assert loss(rows) == pytest.approx(sum(apart), rel=1e-4) and sum(apart) > 0


def test_sentences_end_at_their_marks():
    learner = student()
    ends = sentence_ends(learner.tokenizer, learner.model.config.vocab_size)
    marks = [learner.tokenizer.convert_tokens_to_ids(mark) for mark in (".", "?", "!")]
    assert ends[marks].all() and ends[learner.tokenizer.eos_token_id] and 4 <= ends.sum() < 12


def test_the_heads_learn_with_the_student_and_are_forgotten(tmp_path):
    learner, mentor = student(), shaken(student(), 2)
    names = {name for name, _ in learner.model.named_parameters()}
    lesson = Lesson(
        imitate=Imitate(share=1.0, tokens=1.0), mentor=mentor, clip=Clip(), align=Align(), spans=Spans()
    )
    learning = learning_of(lesson, learner, targets(), encoder=learner._encoder)
    before = {name: weight.clone() for name, weight in learning.heads.state_dict().items()}
    assert {name.partition(".")[0] for name in before} == {"region", "align"}
    size = learner.parameters
    report = learner.fit(targets(), tmp_path, lesson=lesson)
    assert report["last_loss"] < report["first_loss"]
    assert {name for name, _ in learner.model.named_parameters()} == names and learner.parameters == size
    [kept] = tmp_path.glob("checkpoint-4/model.safetensors")
    from safetensors.torch import load_file

    after = load_file(kept)
    for name, weight in before.items():
        assert not torch.equal(after[f"lesson_heads.{name}"], weight), name
    assert student().fit(targets(), tmp_path, lesson=lesson)["resumed_from"] == 4


@pytest.mark.parametrize("measure", ["cosine", "mse"])
def test_states_come_nearer_to_the_mentors(measure, tmp_path):
    learner, mentor = student(steps=30), shaken(student(), 2)
    lesson = Lesson(
        imitate=Imitate(share=0.0, tokens=0.0), mentor=mentor, align=Align(weight=5.0, measure=measure)
    )
    taught = [dataclasses.replace(target, is_taught=True) for target in targets()]
    report = learner.fit(taught, tmp_path, lesson=lesson)
    assert report["last_loss"] < 0.5 * report["first_loss"]


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_texts_are_mended_as_the_plain_loop_does(name):
    learner, mentor = shaken(student(name), 1), shaken(student(name), 2)
    texts = targets()
    for target, found in zip(texts, mended(learner, mentor, texts), strict=True):
        own, output = label_logits(learner, target)
        other, _ = label_logits(mentor, target)
        p, q = other.log_softmax(-1), own.log_softmax(-1)
        apart = (p.exp() * (p - q)).sum(-1)
        wise = other.argmax(-1).tolist()
        places = [i for i, token in enumerate(output) if token != wise[i]]
        j = max(places, key=lambda i: apart[i].item())
        ids = [*output[:j], wise[j]]
        assert (found.place, found.is_whole) == (j, wise[j] == learner.tokenizer.eos_token_id)
        assert found.beginning == learner.tokenizer.decode(ids, skip_special_tokens=True)


def test_a_text_that_the_mentor_would_write_stays():
    learner = student(steps=60)
    one = dataclasses.replace(targets()[0], output="ok")
    learner.model.train()
    optimizer = torch.optim.AdamW(learner.model.parameters(), lr=1e-2)
    for _ in range(40):
        logits, output = label_logits(learner, one)
        torch.nn.functional.cross_entropy(logits, torch.tensor(output)).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert mended(learner, learner, [one]) == [None]


def test_what_cannot_be_learnt_is_refused():
    learner = student()
    with pytest.raises(TrainingError, match="no mentor to follow on them"):
        learning_of(None, learner, targets(), encoder=learner._encoder)
    with pytest.raises(ValueError, match="a lesson has clip beside imitate alone"):
        Lesson(clip=Clip())
    with pytest.raises(ValueError, match="a clip is of the forward divergence, not of 'mse'"):
        Lesson(imitate=Imitate(measure="mse"), mentor=learner, clip=Clip())


OWN = {"model": "fresh:llama-nano", "max_output_tokens": 12, "threads": 1}


def grown(folder, **changed):
    training = {"steps": 3, "batch_examples": 4}
    whole = {
        "recipe": "mgsr",
        "mentor": {"student": OWN, "training": training},
        "student": OWN,
        "teacher": teachers("ada"),
    }
    return experiment(folder, **{**whole, **changed})


def test_a_run_rewrites_the_students_texts(tmp_path):
    config = grown(tmp_path)
    metrics = execute(config).metrics
    written = metrics["own_texts"]
    [turn] = written["corrections"]
    assert turn["rewritten"] + turn["agreed"] >= written["texts"] > 0
    assert metrics["objectives"]["own"] == written["texts"]
    assert len(lines(tmp_path / "run" / "own_texts.jsonl")) == written["texts"]
    assert not (tmp_path / "run" / "intervals").exists() and metrics["mentor"]["steps"] == 3
    parts = ablations(config)
    assert parts["top_classes"].clip.top == 5 and parts["random_spans"].spans.by == "random"
    assert parts["without_clip"].clip.top == 0 and parts["without_spans"].spans.weight == 0
    assert parts["without_regeneration"].corrections == parts["without_own_texts"].samples == 0
    plain = execute(parts["without_own_texts"]).metrics
    assert plain["own_texts"] == {"texts": 0, "corrections": []} and plain["objectives"]["own"] == 0


def test_another_divergence_is_not_clipped(tmp_path):
    with pytest.raises(ConfigError, match="only the forward divergence can be clipped"):
        grown(tmp_path, imitate={"measure": "reverse"})
    assert grown(tmp_path, imitate={"measure": "reverse"}, clip={"top": 0}).imitate.measure == "reverse"
