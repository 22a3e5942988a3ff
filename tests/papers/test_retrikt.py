"""In the style of RetriKT (arXiv 2310.15594): a store of teachers' answers, found by a trained student."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import experiment, lines, rows, teachers

from tuition.core.errors import ConfigError
from tuition.core.protocols import StudentAbilities
from tuition.core.records import Example
from tuition.experiment.learn.answer_store import (
    Retrieval,
    Store,
    mixed,
    retrieval_targets,
    shares_of,
)
from tuition.experiment.targets import relevance
from tuition.operate.compare import ablation_rows
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute
from tuition.student.families import OptionScorer
from tuition.student.lessons.lesson import Learning


class TestNumbers:
    def test_relevance_by_hand(self):
        taught, learnt = relevance([0.9, 0.5, 0.1], 0.2), relevance([0.6, 0.5, 0.4], 0.2)
        assert taught == pytest.approx([0.8668, 0.1173, 0.0159], abs=5e-5)
        assert learnt == pytest.approx([0.5065, 0.3072, 0.1863], abs=5e-5)
        assert float((taught * np.log(taught / learnt)).sum()) == pytest.approx(0.313744, abs=1e-6)

    def test_the_prediction_by_hand(self):
        stored = [{"1": p, "0": 1 - p} for p in (0.9, 0.2, 0.1)]
        found = mixed(relevance([0.6, 0.5, 0.4], 0.2), stored)
        assert found["1"] == pytest.approx(0.535904, abs=1e-6) and sum(found.values()) == pytest.approx(1)

    def test_what_is_trained_is_that_divergence(self):
        class Given(OptionScorer):
            def logits(self, model, batch):
                return torch.tensor([[3.0, 2.5, 2.0]])

        taught = relevance([0.9, 0.5, 0.1], 0.2)
        batch = {
            "owners": torch.tensor([[0, 1, 2]]),
            "labels": torch.tensor([0]),
            "factors": torch.tensor([1.0]),
            "shares": torch.tensor([taught.tolist()]),
        }
        entropy = -sum(share * math.log(share) for share in taught)
        assert float(Learning(family=Given()).loss(None, batch)) - entropy == pytest.approx(
            0.313744, abs=1e-6
        )

    def test_shares_are_counted(self):
        one, other = Example(id="1", question="Is it?"), Example(id="2", question="Was it?")
        found = shares_of([(one, "yes"), (one, "no"), (one, "yes"), (one, None), (other, None)])
        assert found == {"Is it?": {"yes": pytest.approx(2 / 3), "no": pytest.approx(1 / 3)}}


TEXTS = {
    "Is the red bok old?": {"yes": 1.0},
    "Is the red lix old?": {"yes": 0.5, "no": 0.5},
    "Is the blue bok old?": {"no": 1.0},
    "Is the blue lix old?": {"no": 1.0},
}


def test_targets_are_those_of_a_plain_loop():
    examples = [Example(id=f"{i}", question=text) for i, text in enumerate(TEXTS)]
    table = Retrieval(candidates=3, temperature=0.5)
    targets = retrieval_targets(examples, Store(TEXTS), table=table, seed=0)
    assert len(targets) == 4
    for example, target in zip(examples, targets, strict=True):
        own = TEXTS[example.question]
        weights = []
        for text in target.example.choices:
            other = TEXTS[text]
            dot = sum(own.get(answer, 0) * other.get(answer, 0) for answer in ("yes", "no"))
            lengths = [math.sqrt(sum(p * p for p in shares.values())) for shares in (own, other)]
            weights.append(math.exp(dot / (lengths[0] * lengths[1]) / 0.5))
        assert target.shares == pytest.approx([one / sum(weights) for one in weights])
        assert example.question not in target.example.choices and len(set(target.example.choices)) == 3
        assert target.output == target.example.choices[target.shares.index(max(target.shares))]


class Likes:
    """A scripted student that finds texts relevant which have a word."""

    abilities = StudentAbilities(generates=False)

    def __init__(self, word):
        self.word = word

    def score_options(self, questions):
        return [tuple(9.0 * (self.word in text) for text in one.example.choices) for one in questions]


class TestTheStore:
    asked = Example(id="q", question="Is the green bok old?")

    def test_a_plain_loop_agrees(self):
        [said] = Store(TEXTS).answers(Likes("bok"), [self.asked], n=4)
        weights = [math.exp(9.0 * ("bok" in text)) for text in TEXTS]
        yes = sum(
            weight * shares.get("yes", 0) for weight, shares in zip(weights, TEXTS.values(), strict=True)
        )
        yes /= sum(weights)
        assert said.answer == ("yes" if yes > 0.5 else "no")
        assert said.confidence == pytest.approx(max(yes, 1 - yes))

    def test_entries_change_what_is_answered_and_nothing_is_trained(self):
        store = Store({text: shares for text, shares in TEXTS.items() if "blue" in text})
        student = Likes("green")
        [before] = store.answers(student, [self.asked], n=4)
        more = Store({**store.entries, "Is the green bok very old?": {"yes": 1.0}})
        [after] = more.answers(student, [self.asked], n=4)
        assert (before.answer, after.answer) == ("no", "yes") and after.confidence > 0.99

    def test_by_words_alone(self):
        [said] = Store(TEXTS).answers(None, [dataclasses.replace(self.asked, question="the blue bok")], n=2)
        assert said.answer == "no"

    def test_a_question_with_choices_gets_one_of_them(self):
        store = Store(
            {"What eats moss?": {"the bok": 0.6, "the lix": 0.4}, "What eats fish?": {"the lix": 1.0}}
        )
        asked = Example(id="q", question="What eats leaves?", choices=("the lix", "the mov"))
        [said] = store.answers(None, [asked], n=2)
        assert said.answer == "the lix"
        [none] = store.answers(None, [dataclasses.replace(asked, choices=("a", "b"))], n=2)
        assert none.answer is None

    def test_what_shares_no_word_is_not_answered(self):
        [said] = Store(TEXTS).answers(Likes("bok"), [Example(id="q", question="zzz")], n=2)
        assert (said.answer, said.confidence) == (None, None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run with a real tiny encoder, and texts that a teacher wrote."""
    folder = tmp_path_factory.mktemp("retrikt")
    config = experiment(
        folder,
        recipe="retrikt",
        task={"source": "playground", "train": 16, "valid": 6, "test": 6, "domains": ["coins"]},
        teacher=teachers("ada", "emil", samples=2),
        student={"model": "fresh:bert-nano"},
        written=4,
    )
    planned = plan_of(config).teachers
    return Path(config.out), execute(config).metrics, config, planned


def test_a_run_keeps_the_store_and_says_what_its_size_does(run):
    folder, metrics, config, planned = run
    store = lines(folder / "store.jsonl")
    assert all(sum(row["shares"].values()) == pytest.approx(1) for row in store)
    found = metrics["store"]
    assert found["entries"] == len(store) >= 16 and 0 < found["written"] <= 4
    sizes = [row["entries"] for row in found["sizes"]]
    assert sizes == sorted(sizes) and sizes[-1] == len(store) and len(sizes) == 4
    assert all(row["n"] == 6 and 0 <= row["accuracy"] <= 1 for row in found["sizes"])
    # The whole store on validation is what the examination has.
    assert found["sizes"][-1]["right"] == metrics["valid"]["right"]
    assert metrics["objectives"] == {"retrieval": 16} and metrics["student"]["is_trained"]
    prompts = [
        json.loads(text)["messages"][-1]["content"]
        for (text,) in rows(config.store, "SELECT request FROM attempts")
    ]
    assert not any("Answer: " in text.rpartition("Question:")[2] for text in prompts), "no label is shown"
    calls = metrics["spend"]["calls"]
    assert sum(row.low_calls for row in planned) <= calls <= sum(row.high_calls for row in planned)


def test_what_cannot_be_is_refused_before_a_call(tmp_path):
    config = experiment(tmp_path, recipe="retrikt")
    with pytest.raises(
        ConfigError, match="'fresh:llama-nano' writes text, and retrikt needs a student that scores"
    ):
        execute(config)
    assert not rows(config.store, "SELECT 1 FROM attempts")
    with pytest.raises(ConfigError, match="none is given"):
        experiment(tmp_path, recipe="retrikt", teacher=None)


def test_the_ablations(tmp_path):
    config = experiment(tmp_path, recipe="retrikt", student={"model": "fresh:bert-nano"})
    found = ablation_rows(config)
    assert found["by_words"].retrieval.by == "words"
    assert found["stored_labels"].retrieval.shares == "labels"


def test_labels_can_stand_in_the_store(run, tmp_path):
    _, _, config, _ = run
    paid = len(rows(config.store, "SELECT 1 FROM attempts"))
    table = config.retrieval.model_copy(update={"shares": "labels"})
    other = config.model_copy(update={"retrieval": table, "out": str(tmp_path / "labels")})
    found = execute(other).metrics["store"]
    store = lines(tmp_path / "labels" / "store.jsonl")
    assert all(list(row["shares"].values()) == [1.0] for row in store)
    assert found["written"] == 0 and found["entries"] == len(store) >= 14
    assert len(rows(config.store, "SELECT 1 FROM attempts")) == paid, "nothing new is asked"
