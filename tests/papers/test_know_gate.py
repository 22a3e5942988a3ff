"""Knowledge detection: gates and preference by hand, a plain loop that agrees, and what a run keeps."""

import dataclasses
import json

import pytest
import torch
from tiny import bench_of, experiment, lines

from tuition.core.records import Example, Grade, Target
from tuition.experiment.targets import ANSWER_PREFIX, questions
from tuition.operate.compare import ablations
from tuition.operate.execute import execute
from tuition.recipes.know_gate import gates, words_differ
from tuition.student.lessons.measures import preference
from tuition.student.load import load_student

VALUES = ("moss", "seeds", "fish", "roots")
ANIMALS = [a + b for a in ("ba", "ke", "di", "fo", "gu", "pa", "ze", "vi") for b in ("x", "n", "l", "m", "r")]


@pytest.mark.parametrize(("threshold", "is_kept"), [(0.5, True), (0.8, False)])
def test_the_gates_by_hand(threshold, is_kept):
    # S_L = .2 and S_K = .7
    trusted, unknown = gates(
        [0.1, 0.2, 0.3, 0.2], [0.9, 0.4, 0.8, 0.7], trusted_below=0.5, unknown_above=threshold
    )
    assert (trusted, unknown) == (True, is_kept)
    assert gates([0.5], [0.5], trusted_below=0.5, unknown_above=0.5) == (False, False), "both are strict"


def test_the_preference_by_hand():
    own, reference = torch.tensor([[-2.0, -5.0]]), torch.tensor([[-2.4, -4.4]])
    assert preference(own, reference, 0.3).item() == pytest.approx(0.554355, abs=1e-6)


def test_words_differ_by_their_f1():
    assert words_differ("It eats moss", "it EATS fish") == pytest.approx(1 / 3)
    assert (words_differ("moss", "fish"), words_differ("moss", "moss"), words_differ("", "")) == (1, 0, 0)


def fact(i):
    return VALUES[(i * 7 + i // 4) % 4]


def row(i, *, documented, labelled, asked="What does a {} eat?"):
    return {
        "id": f"{ANIMALS[i]}{documented:d}",
        "question": asked.format(ANIMALS[i]),
        "context": f"{fact(i)} is what it eats." if documented else "",
        "answer": fact(i) if labelled else None,
    }


def told(folder, *settings, **changed):
    """Eight facts are told without a document; how to read is told of others; sixteen are to be gated."""
    folder.mkdir(exist_ok=True)
    train = [row(i, documented=False, labelled=True) for i in range(8)]
    train += [row(i, documented=True, labelled=True) for i in range(16, 40)]
    train += [row(i, documented=True, labelled=False) for i in range(16)]
    valid = [
        row(i, documented=True, labelled=True, asked="Here is a {}. What does it eat?") for i in range(16)
    ]
    for name, found in (("train", train), ("valid", valid)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in found))
    task = {
        "source": "files",
        "kind": "free_text",
        **{n: str(folder / f"{n}.jsonl") for n in ("train", "valid")},
    }
    whole = {
        "recipe": "know_gate",
        "task": task,
        "teacher": None,
        "read_share": 1.0,
        "student": {"model": "fresh:llama-nano", "max_output_tokens": 8, "threads": 1},
        "reading": {"steps": 220, "batch_examples": 16, "lr": 1e-2, "schedule": "linear"},
        "training": {"steps": 30, "batch_examples": 8, "lr": 1e-3},
        "evaluation": {"jobs": 1},
    }
    return experiment(folder, *settings, **{**whole, **changed})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("know")
    config = told(folder)
    return execute(config).metrics, folder / "run", config


def test_what_is_kept_is_unknown_to_the_student(run):
    metrics, folder, _ = run
    rows = lines(folder / "gates.jsonl")
    assert len(rows) == metrics["gates"]["asked"] == 16
    kept = {one["example_id"] for one in rows if one["is_kept"]}
    known = {f"{ANIMALS[i]}1" for i in range(8)}
    assert len(kept) >= 4, "most of the other eight"
    assert len(kept - known) >= 0.9 * len(kept)
    assert metrics["objectives"] == {"preference": len(kept)}


def test_a_plain_loop_agrees(run):
    _, folder, config = run
    own = config.student.model_copy(update={"model": str(folder / "reference")})
    reference = load_student(own, config.training)
    with bench_of(config) as bench:
        asked = [example for example in bench.train if example.context]
        asked = [example for example in asked if example.answer is None]
        bare, task = [dataclasses.replace(example, context="") for example in asked], bench.task
    how = {"samples": 10, "temperature": 1.0, "max_tokens": 8, "seed": 0}
    found = {one["example_id"]: one for one in lines(folder / "gates.jsonl")}
    for example, told, guessed in zip(
        asked,
        reference.explain(questions(asked, ANSWER_PREFIX), **how),
        reference.explain(questions(bare, ANSWER_PREFIX), **how),
        strict=True,
    ):
        [said] = reference.generate(questions([example], ANSWER_PREFIX), max_tokens=8)
        label = dataclasses.replace(example, answer=said.text)
        wrong = [
            sum(task.grade(task.read(one.text, example), label) is not Grade.RIGHT for one in texts) / 10
            for texts in (told, guessed)
        ]
        row = found[example.id]
        assert (row["said"], row["s_l"], row["s_k"]) == (said.text, *map(pytest.approx, wrong))
        assert row["is_kept"] == (wrong[0] < 0.5 < wrong[1])


def test_what_was_kept_became_likelier_without_the_document(run):
    metrics, folder, config = run
    models = [
        load_student(config.student.model_copy(update={"model": str(folder / name)}), config.training)
        for name in ("reference", "student")
    ]
    kept = [one for one in lines(folder / "gates.jsonl") if one["is_kept"]]
    texts = {f"{name}1": f"What does a {name} eat?" for name in ANIMALS}
    targets = [
        Target(
            example=Example(id="q", question=texts[one["example_id"]]),
            prefix=ANSWER_PREFIX,
            input=texts[one["example_id"]],
            output=one["said"],
        )
        for one in kept
    ]
    before, after = (sum(map(sum, model.score(targets))) for model in models)
    assert after > before
    assert metrics["student"]["is_trained"] and metrics["gates"]["before"]["n"] == 16


def test_the_gates_can_be_opened_one_at_a_time(tmp_path):
    config = told(tmp_path, gates={"contradiction": "words"})
    parts = ablations(config)
    assert (parts["without_trust"].gates.trusted_below, parts["without_need"].gates.unknown_above) == (
        1.1,
        -0.1,
    )
    assert parts.keys() == {"without_trust", "without_need"}


def test_without_documents_nothing_is_gated(tmp_path):
    config = experiment(tmp_path, recipe="know_gate", teacher=None)
    metrics = execute(config).metrics
    assert metrics["gates"]["asked"] == 0 and metrics["objectives"] == {"preference": 0}
    said = [one for one in lines(tmp_path / "run" / "events.jsonl") if one["event"] == "warning"]
    assert said[0]["text"] == "none of 0 questions passed both gates"
