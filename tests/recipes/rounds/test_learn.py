import json

import pytest
from tiny import lines
from tiny_rounds import UNSEEN, active, chains, course_of, unanswered, written

from tuition.core.errors import DataError
from tuition.core.records import Evidence, Prediction
from tuition.experiment.rounds.ask import Taught
from tuition.experiment.rounds.learn import rehearsed, student_of, train_round
from tuition.experiment.rounds.rank import Ranked
from tuition.experiment.targets import RATIONALE_PREFIX, questions
from tuition.operate.execute import execute

STILL = {"steps": 2, "batch_examples": 4, "lr": 1e-9}
"""A training that moves no weight that one could see."""


def trained(folder):
    """How many targets each training had."""
    events = lines(folder / "run" / "events.jsonl")
    return [sum(row["targets"].values()) for row in events if row["event"] == "trained"]


def shifted(folder, by):
    """Move a student's weights by hand, so that whoever begins with it shows."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file({name: value + by for name, value in load_file(path).items()}, path, metadata={"format": "pt"})


def mean_weight(folder):
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    return float(weights["model.embed_tokens.weight"].mean())


@pytest.mark.parametrize(("begin", "expected"), [("start", 0.0), ("last", 0.5)])
def test_a_round_begins_with_the_first_student_or_the_last_rounds(begin, expected, tmp_path):
    rounds = {"begin": begin, "each": {"items": 4}}
    with course_of(active(tmp_path, rounds=rounds, training=STILL)) as state:
        ids = list(state.pool)
        first = chains(ids[:4])
        train_round(state, Taught(kept=first), ranked=UNSEEN)
        written(state, first)
        shifted(state.bench.run.path / state.place_of(0) / "student", 0.5)
        train_round(state, Taught(kept=chains(ids[4:8])), ranked=UNSEEN)
        assert mean_weight(state.folder / "student") == pytest.approx(expected, abs=0.05)
    assert trained(tmp_path) == [4, 8]


@pytest.mark.parametrize(("replay", "expected"), [(1.0, 12), (0.5, 8), (0.0, 4)])
def test_a_share_of_the_earlier_annotations_is_replayed(replay, expected, tmp_path):
    rounds = {"begin": "last", "replay": replay, "each": {"items": 4}}
    with course_of(active(tmp_path, rounds=rounds)) as state:
        ids = list(state.pool)
        first = chains(ids[:8])
        train_round(state, Taught(kept=first), ranked=UNSEEN)
        written(state, first)
        train_round(state, Taught(kept=chains(ids[8:])), ranked=UNSEEN)
    assert trained(tmp_path) == [8, expected]


def test_a_trained_round_is_not_trained_again(tmp_path):
    config = active(tmp_path)
    with course_of(config) as state:
        train_round(state, Taught(kept=chains(list(state.pool)[:4])), ranked=UNSEEN)
        shifted(state.folder / "student", 0.5)
    with course_of(config) as state:
        train_round(state, Taught(kept=chains(list(state.pool)[:4])), ranked=UNSEEN)
        assert mean_weight(state.folder / "student") == pytest.approx(0.5, abs=0.05)
    assert trained(tmp_path) == [4]


def test_the_pool_is_answered_by_the_start_student_then_by_the_last_rounds(tmp_path):
    config = active(tmp_path, training=STILL)
    with course_of(config) as state:
        start = student_of(state)
        first = chains(list(state.pool)[:4])
        train_round(state, Taught(kept=first), ranked=UNSEEN)
        written(state, first)
        shifted(state.bench.run.path / state.place_of(0) / "student", 0.5)
        last = student_of(state)
    means = [one.model.get_input_embeddings().weight.detach().mean().item() for one in (start, last)]
    assert means == pytest.approx([0.0, 0.5], abs=0.05)


def test_nothing_to_learn_says_what_came_of_the_asking(tmp_path):
    taught = Taught(dropped=chains(["coins-000001"]), asked=5, unanswered=(unanswered("ada", "unpaid"),) * 4)
    with (
        course_of(active(tmp_path)) as state,
        pytest.raises(
            DataError,
            match=r"round 0 asked about 5 examples, and nothing is left to learn from \(1 replies were "
            r"dropped; 4 ada: unpaid\)\. rounds/00/annotations\.jsonl in the run folder",
        ),
    ):
        train_round(state, taught, ranked=UNSEEN)
    assert not (tmp_path / "run" / "rounds" / "00" / "student").exists()


def test_answers_alone_are_learnt_as_answers(tmp_path):
    finished = execute(active(tmp_path, annotator="answer_only"))
    rows = lines(tmp_path / "run" / "rounds" / "00" / "annotations.jsonl")
    assert {(row["kind"], row["rationale"]) for row in rows} == {("answer", "")}
    assert trained(tmp_path) == [4, 8]
    assert finished.metrics["answer_by"] == "answer"


# --- what is rehearsed ---


def looked(entropies, **answers):
    """A look at examples a, b and so on, with one entropy each."""
    names = "abcdef"[: len(entropies)]
    drafts = {
        name: Prediction(
            example_id=name, text=f"It is {name}. The answer is 7.", answer=answers.get(name, "7")
        )
        for name in names
    }
    evidence = {
        name: Evidence.from_json({"example_id": name, "entropies": (value, value)})
        for name, value in zip(names, entropies, strict=True)
    }
    return Ranked(order=(), drafts=drafts, evidence=evidence, highest=None, student_tokens=0)


def test_the_surest_explanations_are_rehearsed():
    ranked = looked([0.5, 0.1, 0.9, 0.2, 0.3, 0.4])
    found = rehearsed(ranked, Taught(), n=2)
    assert [item.example_id for item in found] == ["b", "d"]
    assert {(item.kind, item.rationale, item.answer) for item in found} == {
        ("rehearsal", "It is b.", "7"),
        ("rehearsal", "It is d.", "7"),
    }
    assert [item.parent for item in found] == [ranked.drafts["b"].id, ranked.drafts["d"].id]
    # Half of six at most; never one that was asked about, nor one without an answer.
    assert [item.example_id for item in rehearsed(ranked, Taught(), n=9)] == ["b", "d", "e"]
    assert [item.example_id for item in rehearsed(ranked, Taught(gone=("b",)), n=2)] == ["d", "e"]
    unread = looked([0.5, 0.1, 0.9, 0.2], b=None)
    assert [item.example_id for item in rehearsed(unread, Taught(), n=2)] == ["d", "a"]
    assert rehearsed(UNSEEN, Taught(), n=3) == []


def test_what_is_rehearsed_is_learnt_beside_what_was_annotated(tmp_path):
    rounds = {"rehearse": 0.5, "each": {"items": 4}}
    with course_of(active(tmp_path, rounds=rounds)) as state:
        ids = list(state.pool)
        drafts = {id_: Prediction(example_id=id_, text="So. The answer is 7.", answer="7") for id_ in ids}
        evidence = {id_: Evidence.from_json({"example_id": id_, "entropies": (0.1,)}) for id_ in ids}
        ranked = Ranked(order=(), drafts=drafts, evidence=evidence, highest=None, student_tokens=0)
        taught = Taught(kept=chains(ids[:4]), gone=tuple(ids[:4]))
        train_round(state, taught, ranked=ranked)
    assert trained(tmp_path) == [6]


def test_a_run_that_rehearses_looks_at_what_it_needs(tmp_path):
    rounds = {"most": 2, "rehearse": 1.0, "cold": {"items": 4}, "each": {"items": 4}}
    execute(active(tmp_path, rounds=rounds, selection={"strategy": "random"}))
    looks = lines(tmp_path / "run" / "rounds" / "01" / "looked.jsonl")
    assert len(looks) == 8
    assert all(row["score"] is None and row["evidence"]["entropies"] for row in looks)
    assert json.loads((tmp_path / "run" / "rounds" / "01" / "chosen.json").read_text())["highest"] is None
    assert lines(tmp_path / "run" / "rounds" / "00" / "looked.jsonl") == []


def test_a_student_explains_the_same_from_memory_and_from_its_folder(tmp_path):
    """Whoever goes on with a broken-off round shows teachers the same explanations, and buys none anew."""
    student = {"model": "base", "max_output_tokens": 48, "device": "cpu"}
    training = {"steps": 3, "batch_examples": 4, "optimizer": "muon", "precision": "bf16"}
    with course_of(active(tmp_path, student=student, training=training)) as state:
        first = chains(list(state.pool)[:4])
        trained_now = train_round(state, Taught(kept=first), ranked=UNSEEN)
        written(state, first)
        read_back = student_of(state)
        asked = questions(state.left, RATIONALE_PREFIX)
    told = [
        [item.text for [item] in one.explain(asked, samples=1, temperature=0.0, max_tokens=32, seed=0)]
        for one in (trained_now, read_back)
    ]
    assert told[0] == told[1]
    assert any(told[0])
