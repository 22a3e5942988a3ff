import json

import pytest
from tiny import lines, rows, teachers
from tiny_rounds import active, closed, course_of

from tuition.experiment.rounds.allowance import Used
from tuition.experiment.rounds.config import Allowance
from tuition.experiment.rounds.state import ActiveRun
from tuition.operate.execute import execute

PLANTED = "Quxolotl"
"""A label that no teacher, no student and no question would ever come up with."""


def planted(folder):
    """Twelve questions of a file whose labels give themselves away."""
    animals = ["cat", "dog", "owl", "bee", "cow", "hen"]
    pool = [
        {
            "id": f"q{i}",
            "question": f"A {animals[i % 6]} meets {i} friends. How many are they?",
            "answer": f"{PLANTED} {i}",
        }
        for i in range(12)
    ]
    for name, part in (("train", pool), ("valid", pool[:2]), ("test", pool[2:4])):
        part = [
            {**row, "id": f"{name}-{row['id']}", "question": f"{name}: {row['question']}"} for row in part
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return {
        "source": "files",
        "kind": "free_text",
        **{name: str(folder / f"{name}.jsonl") for name in ("train", "valid", "test")},
    }


def holding(folder):
    """The files below a folder that hold the planted label, in whatever form."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(folder)) for path in files if PLANTED.encode() in path.read_bytes())


@pytest.mark.parametrize("annotator", ["chain", "clear", "repair", "answer_only"])
def test_no_label_of_the_pool_reaches_a_teacher_or_the_student(annotator, tmp_path):
    config = active(tmp_path, task=planted(tmp_path), annotator=annotator)
    execute(config)
    prompts = rows(tmp_path / "tuition.db", "SELECT request FROM attempts")
    assert len(prompts) >= 8
    assert not [prompt for (prompt,) in prompts if PLANTED in prompt]
    assert holding(tmp_path / "run" / "rounds") == []
    assert holding(tmp_path / "run" / "student") == []
    # Whoever looks for it finds it where it belongs: in the examination.
    assert "predictions.jsonl" in holding(tmp_path / "run")


def test_labels_that_may_be_used_are_shown(tmp_path):
    task = planted(tmp_path)
    config = active(tmp_path, task=task, annotator="chain_gold", uses_labels=True)
    with course_of(config) as state:
        assert all(example.answer.startswith(PLANTED) for example in state.pool.values())
        assert {example.label_source for example in state.pool.values()} == {"gold"}
    execute(config)
    prompts = rows(tmp_path / "tuition.db", "SELECT request FROM attempts")
    assert all(PLANTED in prompt for (prompt,) in prompts)


def test_a_pool_has_no_labels_and_validation_keeps_its_own(tmp_path):
    with course_of(active(tmp_path)) as state:
        assert {example.answer for example in state.pool.values()} == {None}
        assert {example.label_source for example in state.pool.values()} == {""}
        assert [example.id for example in state.bench.train] == list(state.pool)
        assert {example.answer for example in state.bench.train} == {None}
        assert all(example.answer for example in state.bench.splits.valid)


def test_a_course_reads_its_rounds_back(tmp_path):
    config = active(tmp_path)
    with course_of(config) as state:
        ids = list(state.pool)
        assert (state.number, state.stop, state.rounds) == (0, None, [])
        state.close(closed(0, gone=ids[:3]))
        assert (state.number, state.stop) == (1, None)
        state.close(closed(1, gone=ids[5:6], stop={"by": "rounds"}))
    with course_of(config) as again:
        assert again.number == 2
        assert again.stop == {"by": "rounds"}
        assert again.rounds == state.rounds
        assert [example.id for example in again.left] == [*ids[3:5], *ids[6:]]
        assert again.folder == tmp_path / "run" / "rounds" / "02"
        assert not again.folder.exists()
        assert again.read_json("round.json") is None


def test_each_round_draws_with_a_seed_of_its_own(tmp_path):
    with course_of(active(tmp_path, seed=5)) as state:
        assert state.seed == 50_000
        state.close(closed(0))
        assert state.seed == 50_001


def test_the_cold_start_is_the_first_round_and_may_be_left_out(tmp_path):
    with course_of(active(tmp_path)) as state:
        assert state.is_cold
        assert state.allowance == Allowance(items=4)
        state.close(closed(0))
        assert not state.is_cold
    rounds = {"cold": {"items": 0}, "each": {"items": 7}}
    with course_of(active(tmp_path, rounds=rounds, out=str(tmp_path / "warm"))) as state:
        assert not state.is_cold
        assert state.allowance == Allowance(items=7)


def test_mending_once_given_up_stays_given_up(tmp_path):
    with course_of(active(tmp_path)) as state:
        state.close(closed(0))
        assert not state.is_blind
        state.close(closed(1, switched_to_blind=True))
        state.close(closed(2))
        assert state.is_blind


def test_what_was_used_before_a_round_is_what_the_last_one_ended_with(tmp_path):
    config = active(tmp_path, rounds={"each": {"items": 4}, "total": {"items": 9}})
    with course_of(config) as state:
        assert state.used_before == Used()
        state.close(closed(0, used=Used(items=4, calls=8, tokens=100, usd=0.5).to_json()))
        assert state.used_before == Used(items=4, calls=8, tokens=100, usd=0.5)
        now = Used(items=6, calls=12, tokens=160, usd=0.75)
        # Two of four in this round, six of nine in all.
        assert state.next_part(now) == 2
        assert not state.is_used_up(now)
        assert state.next_part(Used(items=8)) == 0
        assert state.is_used_up(Used(items=9))
    with course_of(config) as again:
        assert again.used_before == state.used_before
    begun = [row for row in lines(tmp_path / "run" / "events.jsonl") if row["event"] == "rounds_begun"]
    assert len(begun) == 1


def test_rows_are_written_whole_and_only_the_used_are_learnt(tmp_path):
    execute(active(tmp_path, teacher=teachers("emil")))
    with course_of(active(tmp_path, teacher=teachers("emil"))) as state:
        assert isinstance(state, ActiveRun)
        assert state.number == 2
        assert state.annotations == [*state.replies_of(0)[0], *state.replies_of(1)[0]]
        kept = {item.example_id for item in state.annotations}
        places = [tmp_path / "run" / state.place_of(number) for number in (0, 1)]
        written = [row for place in places for row in lines(place / "annotations.jsonl")]
        assert kept == {row["example_id"] for row in written if row["is_used"]}
        assert {row["example_id"] for row in written} == set(state.pool) - {item.id for item in state.left}
