"""KARD (arXiv 2305.18395): passages by the rationale in training, by a ranker at inference."""

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from tiny import bench_of, experiment, lines, teachers

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Generation, StudentAbilities
from tuition.core.records import Annotation, Example, Target
from tuition.core.rows import read_rows
from tuition.core.splits import SealedTest, Splits
from tuition.core.texts.nearest import Nearest
from tuition.core.texts.passages import Passages
from tuition.experiment.checks import load_splits
from tuition.experiment.evaluate import student_answers
from tuition.experiment.knowledge import KnowledgeConfig, informed, passages_of, taught
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute
from tuition.playground.domains.knowledge import sentences
from tuition.playground.world import PlaygroundSource, playground_splits
from tuition.recipes import RECIPES
from tuition.recipes.kard import Ranker, ranked, ranker_targets
from tuition.report import rows_of
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.families import OptionScorer
from tuition.student.lessons.lesson import Learning
from tuition.student.load import load_student

FACTS = ("A bok is a morp.", "Morps eat moss.", "A lix is a tarn.", "Tarns eat fish.", "Morps live in caves.")
BOK = Example(id="bok", question="What does a bok eat?", choices=("moss", "fish"), answer="moss")
RATIONALE = "A bok is a morp, and so it does as they do. Morps eat moss."


def annotation(example=BOK, text=RATIONALE):
    return Annotation(
        example_id=example.id, teacher="t", kind="rationale", rationale=text, answer=example.answer
    )


class TestNumbers:
    def test_the_rankers_loss_by_hand(self):
        # BM25 (3, 1) at τ 1, and scores (200, 100) at τ 100: KL = 0.067131.
        shares = np.exp([3.0, 1.0]) / np.exp([3.0, 1.0]).sum()
        assert shares == pytest.approx([0.8808, 0.1192], abs=5e-5)

        class Given(OptionScorer):
            def logits(self, model, batch):
                return torch.tensor([[2.0, 1.0]])

        batch = {
            "owners": torch.tensor([[0, 1]]),
            "labels": torch.tensor([0]),
            "factors": torch.tensor([1.0]),
            "shares": torch.tensor([shares.tolist()]),
        }
        entropy = -sum(share * math.log(share) for share in shares)
        assert float(Learning(family=Given()).loss(None, batch)) - entropy == pytest.approx(
            0.067131, abs=1e-6
        )

    def test_what_the_ranker_learns(self):
        passages = Passages(FACTS)
        [target] = ranker_targets(
            {"bok": BOK}, [annotation()], passages, table=Ranker(candidates=4, temperature=2.0), seed=0
        )
        options = target.example.choices
        # Two by the rationale, two by the question; one is found by both.
        assert set(options) == {"A bok is a morp.", "Morps eat moss.", "A lix is a tarn."}
        by_text = dict(zip(passages.texts, passages.scores(RATIONALE), strict=True))
        weights = np.exp([by_text[text] / 2.0 for text in options])
        assert target.shares == pytest.approx(weights / weights.sum())
        assert target.input.startswith("What does a bok eat?") and target.example.context == ""


class TestPassages:
    def test_scores_are_those_of_nearest(self):
        texts = [
            f"the {a} of a {b} and the {a}" for a in ("moss", "fish", "tarn") for b in ("bok", "lix", "mov")
        ]
        ours, theirs = Passages(texts), Nearest(texts)
        for query in ("a bok of moss", "the the lix", "tarn and fish, a tarn"):
            wanted = dict(theirs.find(query, len(texts)))
            assert ours.scores(query) == pytest.approx([wanted[i] for i in range(len(texts))], rel=1e-6)
            assert ours.find(query, 3) == [i for i, _ in theirs.find(query, 3)]

    def test_what_shares_no_word_is_not_found(self):
        assert (
            Passages(FACTS).find("zzz", 3)
            == Passages(()).find("bok", 3)
            == Passages(FACTS).find("bok", 0)
            == []
        )

    def test_a_passage_that_holds_question_and_answer(self):
        told = Passages([*FACTS, "Quiz: what does a BOK eat? Moss!", "What does a bok eat? I never knew."])
        assert told.holding("What does a bok eat?", ["moss"]).startswith("Quiz")
        assert told.holding("What does a bok eat?", ["fish"]) is None
        assert told.holding("What does a lix eat?", ["fish"]) is None


class TestTheLeakCheck:
    @pytest.mark.parametrize("split", ["valid", "test"])
    def test_a_passage_that_gives_a_question_away_is_refused(self, split, tmp_path):
        (tmp_path / "p.txt").write_text("\n".join([*FACTS, "What does a bok eat? Moss."]))
        splits = Splits(
            train=(),
            valid=(BOK,) if split == "valid" else (),
            test=SealedTest([BOK]) if split == "test" else None,
        )
        config = KnowledgeConfig(files=(str(tmp_path / "p.txt"),))
        with pytest.raises(DataError, match=rf"passages hold 1 questions of {split} \('bok'\) together with"):
            informed(splits, config)

    def test_facts_alone_give_nothing_away(self, tmp_path):
        (tmp_path / "p.txt").write_text("\n".join(FACTS))
        config = KnowledgeConfig(files=(str(tmp_path / "p.txt"),), k=2)
        found = informed(Splits(train=(BOK,), valid=(BOK,), test=SealedTest([BOK])), config)
        wanted = "A bok is a morp.\nA lix is a tarn."
        assert [found.train[0].context, found.valid[0].context] == [wanted, wanted]
        assert [one.context for one in found.test.open("a test")] == [wanted]


class TestWhatFindsAPassage:
    def test_in_training_the_rationale(self, tmp_path):
        (tmp_path / "p.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in FACTS[1:]))
        config = KnowledgeConfig(files=(str(tmp_path / "p.jsonl"),), by="rationale")
        assert informed(Splits(train=(BOK,), valid=(), test=None), config).train == (BOK,), (
            "teachers read none"
        )
        chain = Target(
            example=BOK,
            prefix="explain: ",
            input=BOK.question,
            output="Morps eat moss, and this is one.\nThe answer is fish.",
            objective="chain",
        )
        answer = Target(example=BOK, prefix="predict: ", input=BOK.question, output="moss")
        by_rationale, by_question = taught([chain, answer], config)
        assert by_rationale.example.context == "Morps eat moss.", (
            "the closing sentence is no part of the query"
        )
        assert by_question.example.context == "A lix is a tarn."

    def test_on_the_playground_the_rationale_finds_it_and_the_question_does_not(self):
        passages, source = Passages(sentences()), PlaygroundSource()
        for seed in range(5):
            splits = playground_splits(seed=seed, train=120, valid=0, test=0, domains=["knowledge"])
            hits = {"question": 0, "rationale": 0}
            for example in splits.train:
                kind, needed = source.reference(example)[0].splitlines()
                queries = {"question": example.question, "rationale": f"{kind} {needed}"}
                for by, query in queries.items():
                    hits[by] += passages.texts[passages.find(query, 1)[0]] in (
                        (needed,) if by == "question" else (kind, needed)
                    )
            assert hits["rationale"] == 120 and hits["question"] <= 0.7 * 120

    def test_the_ranker_chooses_of_what_the_question_finds(self):
        class LikesFood:
            abilities = StudentAbilities(generates=False)

            def score_options(self, questions):
                return [tuple(float("eat" in text) for text in one.example.choices) for one in questions]

        passages = Passages(FACTS)
        [plain] = ranked([BOK], passages, None, pool=4, k=1)
        [chosen] = ranked([BOK], passages, LikesFood(), pool=4, k=1)
        assert (plain.context, chosen.context) == ("A bok is a morp.", "Morps eat moss.")
        [few] = ranked([BOK], passages, LikesFood(), pool=1, k=1)
        assert few.context == "A bok is a morp.", "what the question does not find cannot be chosen"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run of two steps, with a real tiny student and a real tiny ranker."""
    folder = tmp_path_factory.mktemp("kard")
    tiny = {"steps": 2, "batch_examples": 4, "lr": 1e-3}
    config = experiment(
        folder,
        recipe="kard",
        task={"source": "playground", "train": 24, "valid": 4, "test": 4, "domains": ["knowledge"]},
        teacher=teachers("chen"),
        annotation={"forced": True, "verify": "self"},
        evaluation={"votes": 3},
        knowledge={"files": ["playground:"]},
        ranker={"student": {"model": "fresh:bert-nano"}, "training": tiny, "pool": 8},
    )
    return Path(config.out), execute(config).metrics, config


def test_a_run_says_how_well_passages_are_found(run):
    folder, metrics, _ = run
    knowledge = metrics["knowledge"]
    assert knowledge["passages"] == 216 and knowledge["held_out"] == 2
    assert {"hit_by_question", "hit_by_ranker", "steps", "parameters"} <= knowledge.keys()
    assert metrics["objectives"].keys() == {"chain"}
    assert (folder / "ranker" / "config.json").exists()
    assert metrics["test"]["n"] == 4
    assert all(row["is_forced"] for row in lines(folder / "annotations.jsonl"))


def test_sampled_rationales_vote_beside_the_same_passages(run):
    """The paper's inference: several rationales are sampled beside the passage, and their answers vote."""
    folder, metrics, config = run
    rows = [row for row in lines(folder / "predictions.jsonl") if row["split"] == "test"]
    voted = metrics["test"]["votes"]
    assert (voted["samples"], voted["n"]) == (3, len(rows)) and voted["student_tokens"] > 0
    assert all(sum(row["votes"].values()) <= 3 for row in rows)
    shown = [row.name for row in rows_of(folder, RECIPES)]
    assert shown[-2:] == ["run", "run, 3 votes"]

    class Reads:
        """Takes the option that the length of the passage names: without one, always the first."""

        abilities = StudentAbilities(generates=True)

        def explain(self, asked, *, samples, **_):
            told = [option(one.example, one.example.context) for one in asked]
            return [[Generation(text=f"The answer is {word}.", tokens=4)] * samples for word in told]

    def option(example, context):
        return example.choices[len(context) % len(example.choices)]

    passages = passages_of(config.knowledge)
    with bench_of(config.model_copy(update={"out": f"{config.out}-votes"})) as bench:
        questions = bench.splits.valid
        assert not any(one.context for one in questions)
        told = [ranked([one], passages, None, pool=8, k=1)[0].context for one in questions]
        counts, tokens = student_answers(
            bench,
            Reads(),
            prefix="explain: ",
            prepare=lambda asked: ranked(asked, passages, None, pool=8, k=1),
        ).vote(questions)
    wanted = [option(one, text) for one, text in zip(questions, told, strict=True)]
    assert wanted != [one.choices[0] for one in questions]
    assert counts == [{word: 3} for word in wanted] and tokens == 4 * 3 * 4


def test_what_cannot_be_is_refused_before_a_call(tmp_path):
    with pytest.raises(ConfigError, match=r"\[knowledge\] files; give both"):
        experiment(tmp_path, recipe="kard")
    (tmp_path / "p.txt").write_text("\n")
    config = experiment(tmp_path, knowledge={"files": [str(tmp_path / "p.txt")]})
    with pytest.raises(DataError, match="no passage was found in"):
        load_splits(config)


@pytest.mark.parametrize("recipe", ["tinyllm", "elad"])
def test_other_recipes_read_passages_too_and_so_do_teachers(tmp_path, recipe):
    task = {"source": "playground", "train": 8, "valid": 4, "test": 4, "domains": ["knowledge"]}
    config = experiment(tmp_path, recipe=recipe, task=task, knowledge={"files": ["playground:"], "k": 2})
    with bench_of(config) as bench:
        for example in (*bench.train, *bench.splits.valid):
            first, second = example.context.splitlines()
            assert {first, second} <= set(sentences())
        prompt = plan_of(config).preview.prompt[-1]["content"]
    assert any(example.context in prompt for example in bench.train)


@pytest.mark.parametrize(
    ("name", "of", "question", "flan", "llama"),
    [("bioasq", 1085, 958, 1001, 1008), ("pubmedqa", 600, 566, 577, 548)],
)
def test_recorded_rationales_find_abstracts(data, name, of, question, flan, llama):
    """Their teachers had read the abstract, so that this bounds what a rationale finds from above."""
    rows = [
        (part, row)
        for part in ("bioasq", "pubmedqa")
        for split in ("train", "valid")
        for row in read_rows(data / "tinyllm" / f"{part}.{split}.jsonl.gz")
    ]
    passages = Passages(row["context"] for _, row in rows)
    assert len(passages.texts) == 1685
    assert not any(passages.holding(row["question"], [row["answer"]]) for part, row in rows if part == name)
    hits = Counter()
    for row in (row for part, row in rows if part == name):
        told = {by: row["rationales"][by]["text"] for by in ("flan-t5-xl", "llama-2")}
        for by, query in (("question", row["question"]), *told.items()):
            [first] = passages.find(query, 1)
            hits[by] += passages.texts[first] == row["context"]
        hits["of"] += 1
    assert hits == {"of": of, "question": question, "flan-t5-xl": flan, "llama-2": llama}


_MANY = """
import itertools, random, resource
from tuition.core.texts.passages import Passages
draw, words = random.Random(0), [f"w{i:x}" for i in range(50_000)]
sums = list(itertools.accumulate(1 / (i + 1) for i in range(len(words))))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = Passages(" ".join(draw.choices(words, cum_weights=sums, k=100)) for _ in range(20_000))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_a_fiftieth_of_a_million_passages_takes_a_fiftieth_of_two_gigabytes():
    grown = subprocess.run([sys.executable, "-c", _MANY], capture_output=True, text=True, check=True)
    # Kilobytes; sorting takes 70 MB besides, however many there are.
    assert int(grown.stdout) < 2_000_000 / 50 + 70_000


TOPICS = {
    "Diet": "what does the {} eat?",
    "Habitat": "where does the {} live?",
    "Rhythm": "when is the {} awake?",
    "Stature": "how big is the {}?",
    "Enemy": "what does the {} fear?",
}
"""By what passages and rationales call a topic: how a question asks for it, without that word."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_ranker_learns_to_find_what_only_the_rationale_finds(seed, tmp_path):
    draw = Random(seed)
    names = [
        a + b for a in ("bo", "li", "mo", "ta", "ke", "zu", "fe", "da") for b in ("k", "x", "v", "rn", "lp")
    ]
    draw.shuffle(names)
    values = ("moss", "caves", "night", "tiny", "wolves")
    passages = Passages(
        f"{topic} of the {name}: {draw.choice(values)}."
        for name in names
        for topic in draw.sample([*TOPICS], 5)
    )

    def asked(some):
        """Questions, rationales and the passages that are needed."""
        rows = []
        for name in some:
            for topic, question in TOPICS.items():
                example = Example(id=f"{name}-{topic}", question=question.format(name))
                [needed] = [text for text in passages.texts if text.startswith(f"{topic} of the {name}:")]
                rows.append((example, f"One asks for the {topic.lower()} of the {name}.", needed))
        return rows

    train, new = asked(names[:30]), asked(names[30:])
    targets = ranker_targets(
        {example.id: example for example, _, _ in train},
        [annotation(example, text) for example, text, _ in train],
        passages,
        table=Ranker(candidates=8),
        seed=seed,
    )
    training = TrainingConfig(steps=300, lr=3e-3, batch_examples=16, seed=seed)
    student = StudentConfig(model="fresh:bert-nano", device="cpu", threads=1)
    texts = [*passages.texts, *(example.question for example, _, _ in train)]
    ranker = load_student(student, training, texts=texts)
    ranker.fit(targets, tmp_path)

    def hits(found):
        return sum(one.context == needed for one, (_, _, needed) in zip(found, new, strict=True)) / len(new)

    examples = [example for example, _, _ in new]
    by_question = hits(ranked(examples, passages, None, pool=8, k=1))
    assert all(passages.texts[passages.find(text, 1)[0]] == needed for _, text, needed in new)
    assert by_question <= 0.7
    assert hits(ranked(examples, passages, ranker, pool=8, k=1)) >= by_question + 0.1
