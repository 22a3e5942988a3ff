import json
import shutil
from collections import Counter

import pytest
from tiny import attempts, lines, rows, teachers
from tiny_rounds import active, closed, course_of, drafts_of, unanswered

from tuition.core.errors import ConfigError
from tuition.core.records import Annotation
from tuition.experiment.rounds.ask import Asking, Taught, ask_round
from tuition.operate.execute import execute

WARM = {"cold": {"items": 0}, "each": {"items": 12}}


def no_draft(examples):
    raise AssertionError("a blind annotator wants no explanation")


def asked(state, *, draft=no_draft, order=None):
    return ask_round(state, Asking(state), order or list(state.pool.values()), draft=draft)


def of_teacher(store, name):
    """The examples a teacher was asked about, once each."""
    return {id_ for (id_,) in rows(store, "SELECT example_id FROM attempts WHERE teacher = ?", name)}


def parts_of(folder):
    return [row["n"] for row in lines(folder / "run" / "events.jsonl") if row["event"] == "asks"]


# --- parts ---


def test_money_buys_the_best_scored_part_and_is_met_to_within_one_example(tmp_path):
    config = active(tmp_path, rounds={"cold": {"usd": 0.0006}, "each": {"items": 4}})
    with course_of(config) as state:
        order = list(reversed(state.pool.values()))
        taught = asked(state, order=order)
        used = state.used(taught.asked)
    assert 4 <= taught.asked < 12
    assert parts_of(tmp_path)[0] == 4
    assert sum(parts_of(tmp_path)) == taught.asked == used.items
    # Never a gap: whoever stands first is asked first.
    assert taught.gone == tuple(example.id for example in order[: taught.asked])
    assert of_teacher(tmp_path / "tuition.db", "ada") == set(taught.gone)
    mean = used.usd / used.items
    assert abs(0.0006 - used.usd) < 1.5 * mean


def test_a_round_that_was_asked_is_read_back(tmp_path):
    config = active(tmp_path, rounds={"cold": {"usd": 0.0006}, "each": {"items": 4}})
    with course_of(config) as state:
        first = asked(state)
    made = attempts(tmp_path / "tuition.db")
    with course_of(config) as state:
        assert asked(state) == first
    assert attempts(tmp_path / "tuition.db") == made


def test_a_round_broken_off_while_asking_asks_the_same_parts_and_pays_nothing_twice(tmp_path):
    config = active(tmp_path, rounds={"cold": {"usd": 0.0006}, "each": {"items": 4}})
    with course_of(config) as state:
        first = asked(state)
    parts, made = parts_of(tmp_path), attempts(tmp_path / "tuition.db")
    assert len(parts) > 1
    shutil.rmtree(tmp_path / "run" / "rounds" / "00")
    with course_of(config) as state:
        assert state.parts() == parts
        assert asked(state) == first
    assert parts_of(tmp_path) == parts
    assert attempts(tmp_path / "tuition.db") == made


def test_answers_of_an_earlier_run_count_as_if_they_were_bought(tmp_path):
    """The allowance is not for what is newly paid: whoever asks again asks about the same examples."""
    settings = {"rounds": {"cold": {"usd": 0.0006}, "each": {"items": 4}}}
    with course_of(active(tmp_path, **settings)) as state:
        first = asked(state)
    made = attempts(tmp_path / "tuition.db")
    with course_of(active(tmp_path, out=str(tmp_path / "again"), **settings)) as state:
        assert asked(state) == first
    assert attempts(tmp_path / "tuition.db") == made


# --- the end of the budget, failures ---


def test_the_budget_ends_behind_the_best_scored(tmp_path):
    alone = teachers("ada", concurrency=1)
    config = active(tmp_path, teacher=alone, budget={"calls": 3}, rounds=WARM)
    with course_of(config) as state:
        order = list(reversed(state.pool.values()))
        taught = asked(state, order=order)
    assert taught.is_spent
    first = [example.id for example in order[:3]]
    assert [item.example_id for item in taught.kept] == first
    # What could not be paid may be asked about again.
    assert list(taught.gone) == first
    assert taught.failures == {"ada: unpaid": 9}


def test_a_refusal_never_comes_back_and_a_failed_call_does(tmp_path):
    kinds = {"coins-000000": "refused", "coins-000001": "server", "coins-000002": "timeout"}
    odd = {
        "kind": "odd_teacher:OddTeacher",
        "name": "odd",
        "model": " ".join(f"{kind}/{id_}" for id_, kind in kinds.items()),
    }
    config = active(tmp_path, teacher=[odd], rounds=WARM, annotation={"max_attempts": 1})
    with course_of(config) as state:
        assert kinds.keys() < state.pool.keys()
        taught = asked(state)
        state.close(closed(0, gone=list(taught.gone)))
        assert {example.id for example in state.left} == {"coins-000001", "coins-000002"}
    assert taught.asked == 12
    assert len(taught.kept) == 9
    assert taught.failures == {"odd: refused": 1, "odd: server": 1, "odd: timeout": 1}


# --- who is asked ---


CHEAP_FIRST = {"escalate": True, "check": "student"}


def test_the_dear_teacher_is_asked_where_the_student_disagrees_with_the_cheap_one(tmp_path):
    config = active(tmp_path, teacher=teachers("chen", "dara"), rounds=WARM, allocation=CHEAP_FIRST)
    with course_of(config) as state:
        ids = list(state.pool)
        # First look at what dara says, with a student that knows nothing; then repeat half of it.
        silent = asked(state, draft=lambda examples: drafts_of(dict.fromkeys(ids, "nobody knows")))
        assert silent.endings == {"last": 12}
        said = {item.example_id: item.answer for item in silent.dropped if item.teacher == "dara"}
        assert len(said) == 12
    agreeing = dict(list(said.items())[:6])
    store = tmp_path / "second.db"
    config = config.model_copy(update={"out": str(tmp_path / "second"), "store": str(store)})
    with course_of(config) as state:
        answers = {**dict.fromkeys(ids, "nobody knows"), **agreeing}
        taught = asked(state, draft=lambda examples: drafts_of(answers))
    assert taught.endings == {"held": 6, "last": 6}
    assert {item.example_id for item in taught.kept if item.teacher == "dara"} == set(agreeing)
    assert {item.example_id for item in taught.kept if item.teacher == "chen"} == set(ids) - set(agreeing)
    assert of_teacher(store, "dara") == set(ids)
    assert of_teacher(store, "chen") == set(ids) - set(agreeing)
    # What a dearer word replaced is kept beside it, and the cheap teacher's looks are its history.
    assert {item.example_id for item in taught.dropped} == set(ids) - set(agreeing)
    assert Counter((look.teacher, look.is_adequate) for look in taught.looks) == {
        ("dara", True): 6,
        ("dara", False): 6,
    }


@pytest.mark.parametrize("check", ["student", "sample", "verify", "panel"])
def test_each_check_lets_some_replies_of_the_cheap_teacher_stand(check, tmp_path):
    allocation = {"escalate": True, "check": check}
    config = active(tmp_path, teacher=teachers("dara", "bela", "chen"), rounds=WARM, allocation=allocation)
    with course_of(config) as state:
        right = {example.id: example.answer for example in state.bench.splits.train}
        taught = asked(state, draft=lambda examples: drafts_of(right))
    assert sum(taught.endings.values()) == len(taught.kept) == 12
    assert taught.endings["held"] >= 6
    assert set(taught.endings) <= {"held", "last"}
    assert {look.teacher for look in taught.looks} <= {"dara", "bela"}
    held = {look.domain for look in taught.looks if look.is_adequate}
    assert held == {"coins", "phrases"}
    # Every example whose cheap reply held has it.
    by_teacher = Counter(item.teacher for item in taught.kept)
    assert by_teacher["dara"] == sum(look.is_adequate for look in taught.looks if look.teacher == "dara")
    roles = Counter(role for (role,) in rows(tmp_path / "tuition.db", "SELECT role FROM attempts"))
    assert ("verify" in roles) == (check == "verify")
    assert (roles["solve"] >= 24) == (check in ("sample", "panel"))


def test_a_check_by_another_teacher_wants_one(tmp_path):
    allocation = {"allocation": "cheapest", "check": "verify"}
    with (
        course_of(active(tmp_path, teacher=teachers("dara"), rounds=WARM, allocation=allocation)) as state,
        pytest.raises(ConfigError, match="wants a second teacher beside 'dara'; add a"),
    ):
        asked(state)
    assert attempts(tmp_path / "tuition.db") == 0


@pytest.mark.parametrize("allocation", ["cheapest", "bandit"])
def test_the_history_of_teachers_grows_from_round_to_round(allocation, tmp_path):
    settings = {"allocation": allocation, "check": "panel", "looks": 2}
    rounds = {"most": 3, "cold": {"items": 4}, "each": {"items": 4}}
    config = active(
        tmp_path,
        allocation=settings,
        rounds=rounds,
        selection={"strategy": "random"},
        teacher=teachers("dara", "bela"),
    )
    finished = execute(config)
    with course_of(config) as state:
        looks = [look for row in state.rounds for look in row["looks"]]
        history = Asking(state).history
    assert len(looks) == 12
    assert len(history.looks) == 12
    assert {look.teacher for look in history.looks} == {"dara", "bela"}
    by_teacher = sum((Counter(row["by_teacher"]) for row in finished.metrics["rounds"]), Counter())
    assert by_teacher == Counter(look["teacher"] for look in looks)
    if allocation == "cheapest":
        # Two domains, two teachers, two looks each: all of them are known after eight examples at most.
        assert all(history.tally(look.teacher, look.domain)[0] >= 2 for look in history.looks)


def test_one_teacher_is_asked_about_everything_unless_told_otherwise(tmp_path):
    with course_of(active(tmp_path, rounds=WARM)) as state:
        assert {item.teacher for item in asked(state).kept} == {"ada"}
    chosen = active(tmp_path, rounds=WARM, allocation={"teacher": "bela"}, out=str(tmp_path / "other"))
    with course_of(chosen) as state:
        assert {item.teacher for item in asked(state).kept} == {"bela"}


# --- figures ---


def test_how_often_the_first_step_is_wrong():
    def mended(first_wrong, **more):
        draft = {"teacher": "t", "kind": "revision", "rationale": "r", "answer": "1", "parent": "p"}
        return Annotation(example_id="e", first_wrong=first_wrong, **{**draft, **more})

    assert Taught().revision.first_step_share is None
    assert Taught(kept=(mended(0), mended(2), mended(None), mended(1))).revision.first_step_share == 0.25
    assert Taught(kept=(mended(0),), dropped=(mended(0), mended(1))).revision.first_step_share == 2 / 3
    # Whoever writes blind has looked at no draft.
    assert Taught(kept=(mended(None, kind="chain", parent=""),)).revision.first_step_share is None
    assert Taught(kept=(mended(None, kind="answer"),)).revision.first_step_share is None
    # A right draft that is left out was looked at, and a call that failed was not.
    left_out = tuple(unanswered("t", kind) for kind in ["unneeded"] * 2 + ["server"] * 5)
    assert Taught(kept=(mended(0), mended(1)), unanswered=left_out).revision.first_step_share == 0.25


def test_mending_a_draft_keeps_it_as_the_parent(tmp_path):
    config = active(tmp_path, annotator="clear", rounds=WARM, teacher=teachers("chen"))
    with course_of(config) as state:
        drafts = drafts_of({example.id: "nobody knows" for example in state.pool.values()})
        taught = asked(state, draft=lambda examples: {e.id: drafts[e.id] for e in examples})
    assert {item.parent for item in taught.kept} == {draft.id for draft in drafts.values()}
    assert taught.revision.first_step_share is not None


def test_a_draft_that_nobody_looked_at_is_written_when_it_is_to_be_mended(tmp_path):
    rounds = {"most": 1, "cold": {"items": 0}, "each": {"items": 4}}
    execute(active(tmp_path, annotator="clear", rounds=rounds, selection={"strategy": "random"}))
    place = tmp_path / "run" / "rounds" / "00"
    assert lines(place / "looked.jsonl") == []
    made = lines(place / "annotations.jsonl")
    assert len(made) == 4
    assert all(row["parent"] for row in made)


def test_replies_that_saw_the_labels_are_refused_where_no_label_may_be_seen(tmp_path):
    [ada] = teachers("ada")
    recorded = {
        "kind": "recorded",
        "name": "old",
        "file": str(tmp_path / "old.jsonl"),
        "saw_answers": True,
    }
    reply = {"text": "Heads it is.", "answer": "yes"}
    (tmp_path / "old.jsonl").write_text(json.dumps({"id": "coins-000000", "rationales": {"old": reply}}))
    with (
        course_of(active(tmp_path, teacher=[ada, recorded])) as state,
        pytest.raises(ConfigError, match="'old' were recorded with the pool's labels in view"),
    ):
        asked(state)
