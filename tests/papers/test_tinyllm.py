"""TinyLLM (arXiv 2402.04616): its loss by hand and by a slow plain loop, and its example generator."""

import functools
import random
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import experiment, teachers

from tuition.annotation import Demonstrations
from tuition.annotation.demonstrations import Choice
from tuition.core.records import Annotation, Example
from tuition.core.splits import Splits, fingerprint
from tuition.experiment.bench import Bench
from tuition.experiment.learn.distil import Combine, loss_weights, objectives
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.families import FAMILIES
from tuition.student.lessons.lesson import Learning
from tuition.student.load import load_student
from tuition.student.training.passes import Item, plan_steps, shares
from tuition.student.training.share import share_rows
from tuition.student.training.train import Steps, item_of
from tuition.tasks import make_task


def loss(items: list[Item], token_losses: list[list[float]], normaliser: str) -> float:
    factors = shares(items, range(len(items)), normaliser=normaliser)
    return sum(factor * loss for factor, losses in zip(factors, token_losses, strict=True) for loss in losses)


def item(objective: str, weight: float, terms: int, *, example: str = "a") -> Item:
    return Item(example_id=example, objective=objective, weight=weight, length=10, terms=terms)


@pytest.mark.parametrize("normaliser", ["item", "batch"])
def test_the_summed_loss_adds_weighted_objectives(normaliser):
    items = [item("answer", 1.0, 1), item("first", 0.5, 1), item("second", 2.0, 1)]
    assert loss(items, [[0.7], [1.2], [0.4]], normaliser) == pytest.approx(2.1)


@pytest.mark.parametrize("normaliser", ["item", "batch"])
def test_the_convex_loss_is_a_choice_of_weights(normaliser):
    items = [item("answer", 0.5, 1), item("only", 0.5, 2)]
    assert loss(items, [[0.7], [1.0, 1.4]], normaliser) == pytest.approx(0.95)


@pytest.mark.parametrize("normaliser", ["item", "batch"])
def test_two_items_whose_means_agree(normaliser):
    items = [item("answer", 1.0, 2), item("answer", 1.0, 1, example="b")]
    assert loss(items, [[2, 4], [3]], normaliser) == pytest.approx(3.0)


@pytest.mark.parametrize(("normaliser", "expected"), [("item", 3.5), ("batch", 3.75)])
def test_the_paper_averages_items_and_the_published_code_tokens(normaliser, expected):
    items = [item("answer", 1.0, 3), item("answer", 1.0, 1, example="b")]
    assert loss(items, [[2, 4, 6], [3]], normaliser) == pytest.approx(expected)


@pytest.mark.parametrize(("normaliser", "expected"), [("item", 3.5), ("batch", 3.0)])
def test_an_item_with_two_samples_of_a_teacher_counts_once(normaliser, expected):
    # a: (1 + 3) / 2 = 2; b: 5; the mean of the two items is 3.5, that of the three rationales 3.
    items = [item("ada", 1.0, 1), item("ada", 1.0, 2), item("ada", 1.0, 1, example="b")]
    losses = {"item": [[1], [2, 4], [5]], "batch": [[1], [3, 3], [5]]}
    assert loss(items, losses[normaliser], normaliser) == pytest.approx(expected)


@pytest.mark.parametrize("normaliser", ["item", "batch"])
def test_an_objective_averages_over_the_items_that_have_one(normaliser):
    items = [item("answer", 1.0, 1, example=name) for name in "abcd"] + [item("rare", 3.0, 1, example="b")]
    assert loss(items, [[1.0], [1.0], [1.0], [1.0], [0.5]], normaliser) == pytest.approx(1.0 + 3.0 * 0.5)


def test_the_hand_numbers_from_the_weights_on():
    """γ = 1, α = (0.5, 2), L_A = 0.7, L = (1.2, 0.4); and the convex sum of one rationale."""
    for combine, gamma, losses, expected in (
        ("summed", 1.0, {"first": (0.5, 1.2), "second": (2.0, 0.4)}, 2.1),
        ("convex", 0.5, {"only": (3.0, 1.2)}, 0.95),
        ("normalised", 1.0, {"first": (0.5, 1.2), "second": (2.0, 0.4)}, 0.6),
    ):
        alphas = {name: alpha for name, (alpha, _) in losses.items()}
        weight, weights = loss_weights(gamma, alphas, combine=combine)
        items = [item("answer", weight, 1), *(item(name, weights[name], 1) for name in losses)]
        token_losses = [[0.7], *([value] for _, value in losses.values())]
        assert loss(items, token_losses, "item") == pytest.approx(expected)


# --- The loss of the program against a slow plain loop, written from the formulas ---

EXAMPLES = [
    Example(
        id=f"q{i}",
        question=" + ".join(str((7 * i + j) % 10) for j in range(2 + i % 3)) + " has which colour?",
        choices=("red", "deep blue", "white")[: 2 + i % 2],
        context="Sums have colours." if i % 2 else "",
        answer=("red", "deep blue")[i % 2],
    )
    for i in range(6)
]
ALPHAS = {"ada": 0.5, "bela": 2.0, "chen": 1.0}
PREFIXES = {"ada": "explain: ", "bela": "rationale: ", "chen": "chen says: "}


def rationales(names):
    """Unequal numbers: `ada` has one each, `bela` none, one or two, `chen` one for every third."""
    many = {"ada": lambda i: 1, "bela": lambda i: i % 3, "chen": lambda i: int(i % 3 == 0)}
    return [
        Annotation(
            example_id=example.id,
            teacher=name,
            kind="rationale",
            rationale=" ".join(f"{name} adds {j}" for j in range(1 + (i + sample) % 4)),
            answer=None,
            sample=sample,
        )
        for name in names
        for i, example in enumerate(EXAMPLES)
        for sample in range(many[name](i))
    ]


@functools.cache
def student(shape, instruction):
    """A tiny student that has been shaken, so that no two tokens are alike to it."""
    texts = [f"{example.context} {example.question} adds explain predict" for example in EXAMPLES]
    config = StudentConfig(model=f"fresh:{shape}", device="cpu", instruction=instruction)
    learner = load_student(config, TrainingConfig(), texts=texts)
    source = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in learner.model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=source)
    learner.model.eval()
    return learner


def program_loss(learner, targets, normaliser):
    """What one optimizer step sums up, over several forward passes."""
    rows = learner._encoder.rows(targets)
    items = [item_of(target, row) for target, row in zip(targets, rows, strict=True)]
    plan = plan_steps(items, batch_examples=len(EXAMPLES), steps=1, epochs=None, seed=0)
    config = TrainingConfig(token_budget=150, normaliser=normaliser)
    family, pad_id = FAMILIES[learner.family], learner.tokenizer.pad_token_id
    groups = share_rows(learner.model, rows, items, family=family, token_budget=150, pad_id=pad_id)
    steps = Steps(
        Learning(family=family), rows, items, plan=plan, groups=groups, config=config, pad_id=pad_id
    )
    passes = steps[0]["passes"]
    assert len(passes) > 1
    return sum(steps.learning.loss(learner.model, batch).item() for batch in passes)


def token_losses(learner, instruction, prefix, example, output):
    """Cross-entropies of one output behind one question: one forward pass without padding."""
    choices = "\n".join(f"({letter}) {text}" for letter, text in zip("abc", example.choices, strict=False))
    body = f"{example.question}\nAnswer Choices:\n{choices}"
    body = f"{example.context}\n{body}" if example.context else body
    text = prefix + body if instruction == "before" else f"{body}\n{prefix.strip()}"
    is_apart = instruction == "decoder" and learner.family == "seq2seq"
    text = body if is_apart else text
    tokenizer = learner.tokenizer
    written = [*tokenizer(output, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    if learner.family == "seq2seq":
        start = [learner.model.config.decoder_start_token_id]
        start += tokenizer(prefix.strip(), add_special_tokens=False).input_ids if is_apart else []
        logits = learner.model(
            input_ids=torch.tensor([tokenizer(text).input_ids]),
            decoder_input_ids=torch.tensor([start + written[:-1]]),
        ).logits[0, len(start) - 1 :]
    else:
        asked = tokenizer(f"{text}\n").input_ids
        asked = asked[:-1] if asked[-1] == tokenizer.eos_token_id else asked
        logits = learner.model(input_ids=torch.tensor([asked + written])).logits[0, len(asked) - 1 : -1]
    return [-row[token].item() for row, token in zip(logits.log_softmax(-1), written, strict=True)]


def mean(losses, ids, normaliser, weights=None):
    """L over the items that have one: of their token means (paper), or of all their tokens (code).

    An item with several rationales counts by the mean over them.
    """
    weights = weights or [1.0] * len(losses)
    if normaliser == "item":
        by_item = {}
        for w, row, id_ in zip(weights, losses, ids, strict=True):
            by_item.setdefault(id_, []).append(w * sum(row) / len(row))
        return sum(sum(found) / len(found) for found in by_item.values()) / len(by_item)
    return sum(w * sum(row) for w, row in zip(weights, losses, strict=True)) / sum(map(len, losses))


def combined(gamma, answer, alphas, parts, combine):
    """The three sums over objectives, as they stand in the paper and in the docs."""
    total = sum(alphas)
    match combine:
        case "summed":
            return gamma * answer + sum(a * part for a, part in zip(alphas, parts, strict=True))
        case "convex":
            return gamma * answer + (1 - gamma) * sum(
                a / total * part for a, part in zip(alphas, parts, strict=True)
            )
        case _:
            return (gamma * answer + sum(a * part for a, part in zip(alphas, parts, strict=True))) / (
                gamma + total
            )


def paper_loss(one, notes, *, gamma, combine, normaliser, form, is_one_objective):
    """The whole loss, one target at a time; `one` gives the token losses of one output."""
    by_id = {example.id: example for example in EXAMPLES}
    answer = mean([one("predict: ", example, example.answer) for example in EXAMPLES], by_id, normaliser)
    ids = [note.example_id for note in notes]
    names = list(dict.fromkeys(note.teacher for note in notes))
    if form == "task":
        rows = [one(PREFIXES[note.teacher], by_id[note.example_id], note.rationale) for note in notes]
    else:
        ends = [f"{note.rationale}\nThe answer is {by_id[note.example_id].answer}." for note in notes]
        rows = [one("explain: ", by_id[note.example_id], end) for note, end in zip(notes, ends, strict=True)]
    if form == "chain":
        gamma, answer = 0.0, 0.0
    if form == "task" and not is_one_objective:
        parts = [
            mean(
                [row for note, row in zip(notes, rows, strict=True) if note.teacher == name],
                [note.example_id for note in notes if note.teacher == name],
                normaliser,
            )
            for name in names
        ]
        return combined(gamma, answer, [ALPHAS[name] for name in names], parts, combine)
    # One objective of all rationales: its weight is their mean α, and each counts by its own.
    weights = [ALPHAS[note.teacher] for note in notes]
    average = sum(weights) / len(weights)
    part = mean(rows, ids, normaliser, [weight / average for weight in weights])
    return combined(gamma, answer, [average], [part], combine)


@pytest.mark.parametrize(
    ("shape", "instruction"),
    [(shape, where) for shape in ("t5-nano", "llama-nano") for where in ("before", "behind")]
    + [("t5-nano", "decoder")],
)
@pytest.mark.parametrize("n_teachers", [1, 2, 3])
@pytest.mark.parametrize("form", ["task", "chain", "both", "routed"])
def test_the_loss_equals_a_slow_plain_loop(form, n_teachers, shape, instruction, tmp_path):
    names = list(ALPHAS)[:n_teachers]
    notes = rationales(names)
    if form == "routed":
        notes = list({note.example_id: note for note in random.Random(1).sample(notes, len(notes))}.values())
    tables = [table for name in names for table in teachers(name, weight=ALPHAS[name], prefix=PREFIXES[name])]
    bench = Bench(
        config=experiment(tmp_path, teacher=tables),
        run=None,
        account=None,
        task=make_task("mixed"),
        splits=Splits(train=tuple(EXAMPLES), valid=(), test=None),
        train=tuple(EXAMPLES),
    )
    learner = student(shape, instruction)
    one = functools.cache(functools.partial(token_losses, learner, instruction))
    how = {"rationale_as": "task" if form == "routed" else form, "one_objective": form == "routed"}
    with torch.no_grad():
        for combine in get_args(Combine):
            targets = objectives(bench, notes, gamma=0.7, alphas=ALPHAS, combine=combine, **how)
            for normaliser in ("item", "batch"):
                expected = paper_loss(
                    one,
                    notes,
                    gamma=0.7,
                    combine=combine,
                    normaliser=normaliser,
                    form=how["rationale_as"],
                    is_one_objective=how["one_objective"],
                )
                found = program_loss(learner, targets, normaliser)
                assert found == pytest.approx(expected, rel=1e-5), (combine, normaliser)


# --- The in-context example generator ---

WORDS = ("red", "stone", "falls", "why", "river", "two", "three")
POOLS = st.lists(
    st.builds(
        Example,
        id=st.sampled_from([f"e{i}" for i in range(20)]),
        question=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
        choices=st.sampled_from([(), ("x", "y")]),
        answer=st.sampled_from([None, "x", "y"]),
    ),
    max_size=25,
)
WAYS = st.sampled_from(get_args(Choice))


def test_the_ways_to_choose_examples_are_the_three_of_the_paper_file():
    assert set(get_args(Choice)) == {"random", "nearest", "fixed"}


@given(POOLS, st.integers(0, 4), st.integers(0, 3), WAYS, st.data())
def test_the_examples_of_an_item_come_from_train_and_are_never_the_item(pool, k, seed, by, data):
    asked = data.draw(st.sampled_from(pool)) if pool else Example(id="e0", question="red stone")
    shown = Demonstrations(pool, k=k, seed=seed, by=by).draw(asked)
    assert all(item in pool and item.answer is not None for item in shown)
    assert all(item.id != asked.id and fingerprint(item) != fingerprint(asked) for item in shown)
    assert len({fingerprint(item) for item in shown}) == len(shown)
    others = {fingerprint(item) for item in pool if item.answer and fingerprint(item) != fingerprint(asked)}
    fit = {fingerprint(item) for item in pool if item.answer and item.id != asked.id} & others
    assert len(shown) <= k
    # Of repeats the first stands for all, and it may bear the item's id.
    if len(pool) == len({item.id for item in pool}):
        assert len(shown) == min(k, len(fit))


@given(POOLS.filter(bool), st.integers(1, 4), st.integers(0, 3), WAYS, st.randoms(use_true_random=False))
def test_the_examples_depend_on_the_seed_and_the_item_alone(pool, k, seed, by, order):
    source = Demonstrations(pool, k=k, seed=seed, by=by)
    first = {i: source.draw(item) for i, item in enumerate(pool)}
    turned = list(enumerate(pool))
    order.shuffle(turned)
    again = Demonstrations(pool, k=k, seed=seed, by=by)
    assert {i: again.draw(item) for i, item in turned} == first


@pytest.mark.parametrize("by", ["random", "fixed"])
def test_another_seed_shows_other_examples(by):
    pool = [Example(id=f"t{i}", question=f"question {i}", answer="x") for i in range(60)]
    shown = {Demonstrations(pool, k=2, seed=seed, by=by).draw(pool[0]) for seed in range(8)}
    assert len(shown) > 4
