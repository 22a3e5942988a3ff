"""EvoKD (arXiv 2403.06414) in the form of STAT (2510.10023): more of what the student's wrong chains miss."""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from leaky import LEAK, SEEN, TEST, VALID, solved
from tiny import bench_of, experiment, rows, teachers

from tuition.annotation.invent.skills import named_of, skills_of
from tuition.annotation.invent.write import questions_in
from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Generation, StudentAbilities
from tuition.core.records import Example
from tuition.core.splits import SealedTest, Splits
from tuition.experiment.learn.invent import Author, WritingConfig, apportioned, given_away
from tuition.experiment.learn.skill_rounds import SkillRounds, profile
from tuition.experiment.teach.gather import gather
from tuition.operate.compare import ablation_rows, left_out
from tuition.operate.execute import execute
from tuition.playground.domains import DOMAINS
from tuition.playground.world import recognise


class TestNumbers:
    def test_the_profile_by_hand(self):
        # Four misses: adding in two texts, carrying in one, reading in one; one text misses nothing.
        assert profile([["adding", "carrying"], ["adding"], ["reading"], []]) == {
            "adding": 0.5,
            "carrying": 0.25,
            "reading": 0.25,
        }
        assert profile([[], []]) == {}

    def test_shares_become_numbers_by_hand(self):
        assert apportioned({"a": 0.5, "b": 0.3, "c": 0.2}, 10, have={}) == {"a": 5, "b": 3, "c": 2}
        # What was written counts: of 8 in all 4 are due to each.
        assert apportioned({"a": 0.5, "b": 0.5}, 4, have={"a": 4}) == {"b": 4}
        assert apportioned({"a": 1.0}, 0, have={}) == {}

    def test_a_plain_loop_agrees(self):
        draw = Random(0)
        for _ in range(50):
            shares = {name: draw.random() for name in "abcd"[: draw.randint(1, 4)]}
            shares = {name: share / sum(shares.values()) for name, share in shares.items()}
            have, n = {name: draw.randint(0, 3) for name in shares}, draw.randint(0, 12)
            now = dict(have)
            for _ in range(n):
                total = sum(now.values()) + 1
                lack = {name: shares[name] * total - now[name] for name in shares}
                now[max(lack, key=lack.get)] += 1
            got = apportioned(shares, n, have=have)
            assert {name: have[name] + got.get(name, 0) for name in shares} == now


class TestWhatIsRead:
    def test_questions_and_options_and_nothing_else(self):
        text = (
            'Here they are:\n1. {"question": "What is 2 plus 2?", "answer": "4"}\n'
            '{"question": "Which eats moss?\\nAnswer: the bok", "choices": ["bok", "lix"], "label": "bok"}\n'
            '{"question": "What is 3 plus 3? The answer is 6."}\n'
            '{"question": "Which?", "choices": ["one"]}\n'
            '{"question": "", "choices": []}\n{"question": "Cut of'
        )
        assert questions_in(text, n=9) == [("What is 2 plus 2?", ()), ("Which eats moss?", ("bok", "lix"))]
        assert questions_in(text, n=1) == [("What is 2 plus 2?", ())]

    @pytest.mark.parametrize(
        "text",
        [
            '[{"question": "What is 1?"},\n {"question": "What is 2?", "choices": null}]',
            '```json\n{\n "question": "What is 1?"\n}\n{\n "question": "What is 2?"\n}\n```',
            '{"question": "What is 1?",}\n{"question": "What is 2?"',
        ],
    )
    def test_other_forms_of_a_list(self, text):
        found = [question for question, _ in questions_in(text, n=9)]
        assert found[:1] == ["What is 1?"] and set(found) <= {"What is 1?", "What is 2?"}

    def test_nothing_readable(self):
        assert questions_in("I cannot write such questions.", n=3) == questions_in("", n=3) == []

    def test_skills(self):
        text = "1. Skill: adding numbers.\nskill 2: Carrying\n**Skill:** adding  numbers\nNone else."
        assert skills_of(text, n=8) == ["adding numbers", "Carrying"]
        assert skills_of(text, n=1) == ["adding numbers"]
        assert named_of("Skill: CARRYING.\nSkill: reading\n", ["adding numbers", "Carrying"]) == ["Carrying"]


LONG = "Ada has {} red apples in her old basket and Ben gives her two more of them."


class TestWhatIsRefused:
    def author(self, config, **splits):
        test = SealedTest([Example(id="t", question=splits.get("test", "What is a test?"))])
        valid = (Example(id="v", question=splits.get("valid", "What is a valid?")),)
        held = [Example(id="h", question=splits.get("held", "What is held?"))]
        with bench_of(config) as bench:
            bench = dataclasses.replace(bench, splits=Splits(train=(), valid=valid, test=test))
            return Author(bench, "leaky", labeller="leaky", config=WritingConfig(), kept_apart=held)

    @pytest.mark.parametrize("split", ["valid", "test", "held"])
    def test_near_repeats_of_what_figures_stand_on(self, sums, split):
        author = self.author(sums(), **{split: LONG.format(3)})
        near = Example(id="made:1", question=LONG.format(4))
        other = Example(id="made:2", question="How many legs do six hens and two cows have, all in all?")
        assert author.taken([near, other], known=[]) == [other]
        assert +author.refused == {f"near_{split}": 1}
        # The test stays sealed.
        assert author.splits.test.open("the end")[0].id == "t"

    def test_the_same_few_words(self):
        assert given_away(["What is 1 plus 2?", "What is 1 plus 3?"], ["what is 1 PLUS 2"]) == {0}

    def test_what_is_known(self, sums):
        author = self.author(sums())
        one, same = (Example(id=f"made:{i}", question="What  is new?") for i in range(2))
        old = Example(id="p", question="What is old?")
        assert author.taken([one, same, dataclasses.replace(old, id="made:3")], known=[old]) == [one]
        assert +author.refused == {"repeated": 2}


class Half:
    """A scripted student that is right in some domains and never in the others."""

    abilities = StudentAbilities(generates=True)

    def __init__(self, knows, answer):
        self.knows, self.answer = knows, answer

    def explain(self, questions, **_):
        return [[self.text(one.example)] for one in questions]

    def text(self, example):
        said = self.answer(example) if self.knows(example) else "nothing at all"
        return Generation(text=f"I think.\nThe answer is {said}.", tokens=4)


@pytest.fixture
def sums(tmp_path, monkeypatch):
    """A folder with sums to learn, and the configuration of a run on them."""
    monkeypatch.chdir(tmp_path)
    SEEN.clear()

    def table(name, questions):
        rows = [
            {"id": f"{name}{i}", "question": one, "answer": solved(one)} for i, one in enumerate(questions)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    table("train", [f"What is {i} {sign} {i % 5}?" for i in range(10, 25) for sign in ("plus", "minus")])
    table("valid", [VALID, "What is 3 plus 3?"])
    table("test", [TEST, "What is 9 minus 3?"])
    task = {"train": "train.jsonl", "valid": "valid.jsonl", "test": "test.jsonl", "kind": "number"}
    whole = {"recipe": "evokd", "task": task, "teacher": [{"kind": "leaky:Leaky", "name": "leaky"}]}
    return lambda **changed: experiment(tmp_path, **whole, **changed)


def rounds_of(bench, config, *, first, held, rest=()):
    writing = config.writing
    author = Author(bench, "leaky", labeller="leaky", config=writing, kept_apart=held)
    return SkillRounds(
        bench=bench,
        author=author,
        config=config.diagnosis,
        each=config.each,
        held=held,
        first=first,
        rest=rest,
    )


def parts(bench):
    """Ten to look at the student by, five to learn first, and the rest."""
    held, first = bench.train[:10], bench.train[10:15]
    gathered = gather(dataclasses.replace(bench, train=first))
    taught = [("review", bench.by_id[one.example_id], one) for one in gathered.annotations]
    return held, taught, bench.train[15:]


def test_more_is_written_where_the_student_fails(sums):
    config = sums(each={"items": 24})
    student = Half(lambda one: "plus" in one.question or "4?" in one.question, lambda one: one.answer)
    with bench_of(config) as bench:
        held, first, rest = parts(bench)
        loop = rounds_of(bench, config, first=first, held=held, rest=rest)
        done = [loop.run(student, i=i, by="write", known=bench.train) for i in (1, 2, 3)]
    asked = sum((Counter(one.figures["asked"]) for one in done), Counter())
    assert asked["taking away"] == 54 and asked["easy"] == 18 and not asked["adding"]
    written = Counter(
        "minus" in example.question for one in done for group, example, _ in one.fresh if group != "easy"
    )
    assert written[True] > written[False] == 0
    assert all(one.figures["refused"].keys() <= {"near_valid", "near_test", "repeated"} for one in done)


def test_labels_come_from_a_call_of_their_own(sums):
    config = sums(each={"items": 12})
    with bench_of(config) as bench:
        held, first, rest = parts(bench)
        loop = rounds_of(bench, config, first=first, held=held, rest=rest)
        done = loop.run(Half(lambda _: False, None), i=1, by="write", known=bench.train)
    replies = [reply for request, reply in SEEN if request.role == "write"]
    asked = [request for request, _ in SEEN if request.example_id.startswith("made:")]
    assert replies and all(LEAK in one for one in replies)
    assert asked and not any(LEAK in message.content for one in asked for message in one.messages)
    for _, example, chain in done.fresh:
        assert example.answer == str(solved(example.question)) == chain.answer
        assert (example.label_source, example.split) == ("teacher:leaky", "train")
        assert example.question not in (VALID, TEST)
    assert {"near_valid", "near_test"} <= done.figures["refused"].keys()


def test_the_diagnosis_shows_the_wrong_text_and_its_label(sums):
    config = sums(each={"items": 4}, diagnosis={"most": 3})
    with bench_of(config) as bench:
        held, first, rest = parts(bench)
        rounds_of(bench, config, first=first, held=held, rest=rest).run(
            Half(lambda _: False, None), i=1, by="write", known=bench.train
        )
    prompts = [one.messages[-1].content for one, _ in SEEN if one.prompt == "misses/1"]
    assert len(prompts) == 3
    for prompt in prompts:
        assert "Student: I think.\nThe answer is nothing at all." in prompt and "\nAnswer: " in prompt
        assert "- adding\n- taking away" in prompt


def test_weighing_draws_what_needs_the_missing_skill(sums):
    config = sums(each={"items": 50})
    with bench_of(config) as bench:
        held, first, rest = parts(bench)
        done = rounds_of(bench, config, first=first, held=held, rest=rest).run(
            Half(lambda one: "plus" in one.question, lambda one: one.answer),
            i=1,
            by="weight",
            known=bench.train,
        )
    assert done.shares == {"taking away": 1.0} and done.figures["asked"] == {"looked_at": len(first)}
    wanted = [example.id for _, example, _ in first if "minus" in example.question]
    assert [example.id for _, example, _ in done.fresh] == wanted


def test_both_arms_spend_the_same_money(sums, tmp_path):
    student, spent = Half(lambda one: "plus" in one.question, lambda one: one.answer), {}
    for by in ("write", "pool"):
        config = sums(each={"items": 1000, "usd": 0.003}, out=by, store=f"{by}.db")
        with bench_of(config) as bench:
            held, first, rest = parts(bench)
            rest = [
                dataclasses.replace(rest[0], id=f"p{i}", question=f"What is {i} plus 5?") for i in range(400)
            ]
            done = rounds_of(bench, config, first=first, held=held, rest=rest).run(
                student, i=1, by=by, known=bench.train
            )
            spent[by] = done.figures["used"]["usd"]
            assert done.fresh
    # To within about one item, of some 0.0001 dollars.
    assert spent["write"] == pytest.approx(0.003, abs=3e-4) and spent["pool"] == pytest.approx(
        0.003, abs=3e-4
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run with a real tiny student and the playground's programs."""
    folder = tmp_path_factory.mktemp("evokd")
    config = experiment(
        folder,
        recipe="evokd",
        task={"source": "playground", "train": 24, "valid": 4, "test": 4, "domains": ["coins", "dates"]},
        teacher=teachers("ada"),
        rounds=2,
        each={"items": 6},
    )
    return Path(config.out), execute(config).metrics, config


def test_a_run_says_what_was_missed_and_written(run):
    folder, metrics, _ = run
    assert metrics["skills"] == ["reasoning about coins", "reasoning about dates"]
    assert [row["round"] for row in metrics["invented"]] == [1, 2]
    for row in metrics["invented"]:
        assert row["wrong"] == row["held"] == sum(row["missing"].values()) == 5
        assert sum(row["asked"].values()) == 6 and 0 < sum(row["learnt"].values()) <= 6
    made = json.loads((folder / "rounds" / "01" / "invented.json").read_text())["fresh"]
    for group, example, _ in made:
        assert recognise(example["question"])[0].name == group.rpartition(" ")[2]
    assert metrics["test"]["n"] == 4 and (folder / "student" / "config.json").exists()
    assert not (folder / "intervals").exists()


def test_the_ledger_is_the_sum_of_the_calls(run):
    _, metrics, config = run
    [(calls, nano)] = rows(config.store, "SELECT COUNT(*), SUM(paid_nano) FROM attempts WHERE state = 'kept'")
    assert metrics["spend"]["calls"] == calls
    assert metrics["spend"]["usd"] == pytest.approx(nano / 1e9)
    [(first,)] = rows(
        config.store,
        "SELECT SUM(paid_nano) FROM attempts WHERE state = 'kept' "
        "AND json_extract(request, '$.role') = 'rationale'",
    )
    of_rounds = sum(row["used"]["usd"] for row in metrics["invented"])
    assert first / 1e9 + of_rounds == pytest.approx(metrics["spend"]["usd"])
    assert {"diagnose", "write", "solve", "rationale"} == metrics["spend"]["by_role"].keys()


def test_a_round_is_read_back(run):
    folder, metrics, config = run
    # As after a kill: what the rounds came to is there, and nothing is asked again.
    before = len(rows(config.store, "SELECT 1 FROM attempts"))
    (folder / "done").unlink()
    again = execute(config).metrics
    assert again["invented"] == metrics["invented"] and again["test"] == metrics["test"]
    assert len(rows(config.store, "SELECT 1 FROM attempts")) == before


def test_the_ablations(tmp_path):
    config = experiment(tmp_path, recipe="evokd", each={"items": 8, "usd": 0.01})
    found = ablation_rows(config)
    assert found.keys() == {"same_money", "weight", "without_review"}
    assert (found["same_money"].by, found["same_money"].each.usd) == ("pool", 0.01)
    assert "each.usd is not set" in left_out(experiment(tmp_path, recipe="evokd"))["same_money"]


def test_what_cannot_be_is_refused_before_a_call(tmp_path):
    with pytest.raises(ConfigError, match=r"diagnosis\.by"):
        experiment(tmp_path, recipe="evokd", diagnosis={"by": "nobody"})
    with pytest.raises(ConfigError, match=r"each\.items is not set"):
        experiment(tmp_path, recipe="evokd", each={"usd": 1.0})
    task = {"source": "playground", "train": 8, "valid": 0, "test": 0, "domains": ["coins"]}
    config = experiment(
        tmp_path, recipe="evokd", task=task | {"hide_answers": True}, annotation={"forced": False}
    )
    with pytest.raises(DataError, match="label two or more"):
        execute(config)


@pytest.mark.parametrize("name", sorted(DOMAINS))
def test_a_program_writes_questions_that_it_can_solve(name):
    from tuition.playground.diagnosis import new_questions

    asked = f"Write 3 new questions of it.\n\nSkill: reasoning about {name}\n\nNew questions:"
    found = questions_in(new_questions(asked, knows={name}, seed="0"), n=3)
    assert len(found) == 3 and all(recognise(question)[0].name == name for question, _ in found)
    assert new_questions(asked, knows={}, seed="0") == "I cannot write such questions."
    assert new_questions("Question: q\nExplanation:", knows={name}, seed="0") is None
