import dataclasses
import json

import pytest
from tiny import hashes, lines
from tiny_rounds import UNSEEN, active, chains, closed, course_of, written

from tuition.core.records import Annotation
from tuition.experiment.rounds.ask import Asking, Taught
from tuition.experiment.rounds.close import close_round, evaluate_last, stop_if_certain
from tuition.experiment.rounds.learn import student_of, train_round
from tuition.operate.execute import execute
from tuition.selection import STRATEGIES

NONE_RIGHT = [0] * 6
"""Of a student that answers none of the six validation questions, as one of two steps does."""


def end(state, taught=None, ranked=UNSEEN):
    """Close the round that is due with an untrained student; give its row."""
    if taught is None:
        taught = Taught(asked=4, gone=tuple(example.id for example in state.left[:4]))
    close_round(state, student_of_start(state), ranked=ranked, taught=taught, asking=Asking(state))
    assert state.rounds[-1]["hits"] == NONE_RIGHT
    return state.rounds[-1]


def student_of_start(state):
    from tuition.experiment.bench import untrained_student

    return untrained_student(state.bench)


def mended(first_wrong, i):
    return Annotation(
        example_id=f"e{i}",
        teacher="ada",
        kind="revision",
        rationale="So.",
        answer="1",
        parent="p",
        first_wrong=first_wrong,
    )


# --- why it stops ---


def test_it_goes_on_where_nothing_ends_it(tmp_path):
    with course_of(active(tmp_path)) as state:
        row = end(state)
        assert row["stop"] is None
        assert state.stop is None
        assert (row["round"], row["asked"], row["n"], row["valid_accuracy"]) == (0, 4, 6, 0.0)


def test_the_number_of_rounds_ends_it(tmp_path):
    with course_of(active(tmp_path)) as state:
        state.close(closed(0, hits=NONE_RIGHT))
        row = end(state)
    assert row["stop"]["by"] == "rounds"
    assert [finding["rule"] for finding in row["stop"]["findings"]] == ["plateau"]


def test_the_allowance_of_all_rounds_ends_it(tmp_path):
    rounds = {"most": 9, "each": {"items": 4}, "total": {"items": 8}}
    with course_of(active(tmp_path, rounds=rounds)) as state:
        assert end(state)["stop"] is None
        assert end(state)["stop"]["by"] == "allowance"


def test_a_round_that_could_ask_nobody_ends_it(tmp_path):
    with course_of(active(tmp_path, rounds={"most": 9, "each": {"items": 4}})) as state:
        state.close(closed(0, hits=NONE_RIGHT))
        assert end(state, Taught())["stop"]["by"] == "allowance"


def test_an_empty_pool_ends_it(tmp_path):
    with course_of(active(tmp_path, rounds={"most": 9, "each": {"items": 12}})) as state:
        ids = list(state.pool)
        state.close(closed(0, gone=ids[:6], hits=NONE_RIGHT))
        # One whose call failed may be asked about again.
        assert end(state, Taught(asked=6, gone=tuple(ids[6:11])))["stop"] is None
        assert end(state, Taught(asked=1, gone=tuple(ids[11:])))["stop"]["by"] == "pool"


def test_the_end_of_the_budget_comes_before_all_else(tmp_path):
    with course_of(active(tmp_path, rounds={"most": 1, "each": {"items": 4}})) as state:
        row = end(state, Taught(asked=4, gone=tuple(state.pool), is_spent=True))
    assert row["stop"]["by"] == "budget"
    assert [finding["rule"] for finding in row["stop"]["findings"]] == ["plateau"]


@pytest.mark.parametrize(("points", "by"), [(21.0, "plateau"), (20.0, None)])
def test_a_plateau_with_its_numbers(points, by, tmp_path):
    # No item changed of 6: half an item in each of four cells, 1.6449·sqrt(1) / 8 = 20.56 points.
    rounds = {"most": 9, "each": {"items": 2}, "stop": {"plateau_points": points}}
    with course_of(active(tmp_path, rounds=rounds)) as state:
        state.close(closed(0, hits=NONE_RIGHT))
        state.close(closed(1, hits=NONE_RIGHT))
        stop = end(state)["stop"]
    if by is None:
        assert stop is None
        return
    assert stop["by"] == by
    [finding] = stop["findings"]
    assert finding["value"] == pytest.approx(20.5607, abs=1e-3)
    assert finding["threshold"] == 21.0
    assert finding["numbers"] == {"rounds": 2, "n": 6, "won": 0, "lost": 0, "gain_points": 0.0}


def test_a_loss_since_an_earlier_round_is_paired_by_item(tmp_path):
    rounds = {"most": 9, "each": {"items": 2}, "stop": {"plateau_points": 21.0}}
    with course_of(active(tmp_path, rounds=rounds)) as state:
        state.close(closed(0, hits=[1, 1, 0, 0, 0, 0]))
        state.close(closed(1, hits=[0, 1, 1, 1, 1, 1]))
        [finding] = end(state)["stop"]["findings"]
    assert finding["numbers"]["lost"] == 2
    assert finding["numbers"]["gain_points"] == pytest.approx(-100 / 3)


def test_certainty_ends_it_before_anybody_is_asked(tmp_path):
    rounds = {"each": {"items": 4}, "stop": {"certain_below": 0.2, "least_rounds": 1}}
    low, high = (dataclasses.replace(UNSEEN, highest=score) for score in (0.1, 0.2))
    with course_of(active(tmp_path, rounds=rounds)) as state:
        assert not stop_if_certain(state, low)
        state.close(closed(0, hits=NONE_RIGHT))
        assert not stop_if_certain(state, high)
        assert not stop_if_certain(state, UNSEEN)
        assert state.stop is None
        assert stop_if_certain(state, low)
        assert state.stop["by"] == "certain"
        assert state.stop["findings"][0]["numbers"] == {"largest_score": 0.1}
    with course_of(active(tmp_path, rounds={"each": {"items": 4}}, out=str(tmp_path / "other"))) as state:
        state.close(closed(0))
        assert not stop_if_certain(state, low)


def test_a_certain_run_says_so_and_asks_nothing_more(tmp_path):
    rounds = {
        "most": 4,
        "cold": {"items": 4},
        "each": {"items": 2},
        "stop": {"certain_below": 1e9, "least_rounds": 2},
    }
    finished = execute(active(tmp_path, rounds=rounds))
    assert finished.metrics["stopped_by"] == finished.metrics["stop"]["by"] == "certain"
    assert finished.metrics["stop"]["findings"][0]["threshold"] == 1e9
    assert len(finished.metrics["rounds"]) == 2
    assert finished.metrics["spend"]["calls"] == 6
    assert (tmp_path / "run" / "rounds" / "02" / "chosen.json").exists()
    assert not (tmp_path / "run" / "rounds" / "02" / "asked.json").exists()


# --- the switch to blind ---


@pytest.mark.parametrize(
    ("first_wrong", "blind_above", "switches"),
    [
        ((0, 0, 0, 1), 0.5, True),
        ((0, 0, 1, None), 0.5, False),
        ((0, 0, 0, 1), 0.75, False),
        ((0, 0, 0, 0), 1.0, False),
    ],
)
def test_mending_is_given_up_where_the_first_step_is_wrong_too_often(
    first_wrong, blind_above, switches, tmp_path
):
    rounds = {"most": 9, "each": {"items": 4}, "blind_above": blind_above}
    config = active(tmp_path, annotator="clear", rounds=rounds)
    with course_of(config) as state:
        assert Asking(state).by == "chain"
        state.close(closed(0, hits=NONE_RIGHT))
        assert Asking(state).by == "clear"
        row = end(state, Taught(asked=4, kept=tuple(mended(k, i) for i, k in enumerate(first_wrong))))
        assert row["switched_to_blind"] is switches
        assert Asking(state).by == ("chain" if switches else "clear")
        assert Asking(state).revises is not switches
    events = [row for row in lines(tmp_path / "run" / "events.jsonl") if row["event"] == "switched_to_blind"]
    assert [(row["round"], row["first_step_wrong"]) for row in events] == ([(1, 0.75)] if switches else [])


def test_a_run_of_a_student_without_steps_goes_on_blind(tmp_path):
    rounds = {"most": 3, "cold": {"items": 4}, "each": {"items": 4}}
    finished = execute(active(tmp_path, annotator="clear", rounds=rounds))
    assert [row["annotator"] for row in finished.metrics["rounds"]] == ["chain", "clear", "chain"]
    assert [row["first_step_wrong"] for row in finished.metrics["rounds"]] == [None, 1.0, None]
    assert [row["switched_to_blind"] for row in finished.metrics["rounds"]] == [False, True, False]
    [event] = [r for r in lines(tmp_path / "run" / "events.jsonl") if r["event"] == "switched_to_blind"]
    assert event["round"] == 1


# --- the end ---


@pytest.mark.parametrize(
    ("keep", "hits", "kept"),
    [
        ("last", ([1, 1, 0, 0, 0, 0], [0] * 6), 1),
        ("best", ([1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]), 0),
        ("best", ([1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]), 0),
        ("best", ([1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0]), 1),
    ],
)
def test_the_run_ends_with_the_last_student_or_the_best(keep, hits, kept, tmp_path):
    rounds = {"keep": keep, "each": {"items": 4}}
    with course_of(active(tmp_path, rounds=rounds)) as state:
        ids = list(state.pool)
        for number, part in enumerate((ids[:4], ids[4:8])):
            train_round(state, Taught(kept=chains(part)), ranked=UNSEEN)
            written(state, chains(part), hits=hits[number])
        state.stop = {"by": "rounds", "findings": []}
        trained = hashes(tmp_path / "run" / "rounds" / f"{kept:02d}" / "student")
        metrics = evaluate_last(state, student_of(state))
    assert metrics["kept_round"] == kept
    assert metrics["stop"] == {"by": "rounds", "findings": []}
    weights = [
        next(hash_ for path, hash_ in found.items() if path.endswith("model.safetensors"))
        for found in (hashes(tmp_path / "run" / "student"), trained)
    ]
    assert weights[0] == weights[1]
    assert not list((tmp_path / "run").glob("rounds/*/student"))


def test_health_counts_every_round_and_every_failure(tmp_path):
    config = active(
        tmp_path, budget={"calls": 6}, rounds={"most": 2, "cold": {"items": 4}, "each": {"items": 4}}
    )
    metrics = execute(config).metrics
    assert metrics["stopped_by"] == "budget"
    assert metrics["stop"]["by"] == "budget"
    assert metrics["failures"] == {"ada: unpaid": 2}
    health = json.loads((tmp_path / "run" / "health.json").read_text())["teachers"]
    assert health == metrics["health"]
    [ada] = [row for row in health if row["teacher"] == "ada"]
    assert ada["asked"] == 8
    assert ada["shares"]["absent"] == 0.25
    assert [row["annotated"] for row in metrics["rounds"]] == [4, 2]


# --- calibration ---


def test_every_score_is_held_against_wrong_answers_and_wrong_steps(tmp_path):
    metrics = execute(active(tmp_path)).metrics
    rows = metrics["calibration"]
    scored = [name for name in STRATEGIES if name != "random"]
    assert [(row["of"], row["score"]) for row in rows] == [
        (of, name) for of in ("answers", "steps") for name in scored
    ]
    assert {row["n"] for row in rows} == {3}
    # The student of two steps answers nothing rightly, so that there is no pair to order.
    assert {row["wrong"] for row in rows if row["of"] == "answers"} == {3}
    assert {row["auroc"] for row in rows if row["of"] == "answers"} == {None}
    tokens = {row["score"]: row["student_tokens_per_item"] for row in rows}
    # At most 12 tokens greedily; two samples of at most 12 more; one continuation of each prefix.
    assert tokens["mean_token_entropy"] <= 12
    assert tokens["mean_token_entropy"] < tokens["entropy"] <= 36
    # A question is longer than what the student may write, and all of it is scored.
    assert tokens["perplexity"] > tokens["mean_token_entropy"] + 12
    assert tokens["entropy"] == tokens["margin"] == tokens["disagreement"]
    assert tokens["egss"] >= tokens["egss_inter"] > tokens["mean_token_entropy"]


def test_calibration_may_be_left_out(tmp_path):
    explanation = {"max_tokens": 12, "samples": 2, "prefix_samples": 2, "calibrate": 0}
    assert execute(active(tmp_path, explanation=explanation)).metrics["calibration"] == []
