"""Every column of an attempt, and what each state becomes when an answer, a failure or a list arrives."""

import dataclasses
import json
import time

import pytest
from ledgers import PLACE, PRICE, REPLY, WORST, failed, request, reserve, settle, sums

from tuition.core.budget import Cost
from tuition.core.errors import StoreError
from tuition.core.records import Failure, Reply, Usage, canonical_json
from tuition.core.store import Busy, Kept, Left, Place, Reserved, ledger

ROUND = Place(run="r1", round=3, group="g")
TOOK = Usage(prompt_tokens=7, cached_tokens=2, completion_tokens=5)


def attempt(store, attempt_id):
    with store.read() as connection:
        return dict(connection.execute("SELECT * FROM attempts WHERE id = ?", (attempt_id,)).fetchone())


def written(store, act, *arguments):
    return store.write(lambda connection: act(connection, *arguments)).result(10)


def unseen(store, name="a"):
    """An attempt that nobody saw the end of."""
    attempt_id = reserve(store, name).attempt_id
    settle(store, attempt_id, failed("timeout", is_paid=None))
    return attempt_id


def test_an_open_attempt_holds_its_call_its_place_and_its_worst(store):
    before = time.time()
    attempt_id = reserve(store, place=ROUND).attempt_id
    row, asked = attempt(store, attempt_id), request()
    assert before <= row["started_at"] <= time.time()
    expected = {
        **{"sample": 0, "teacher": "t", "role": "rationale", "prompt": asked.prompt, "example_id": "a"},
        **{"endpoint": "http://x/v1", "model": "m", "tag": asked.tag, "key": asked.key, "batch": ""},
        **{"run": "r1", "round": 3, "run_group": "g", "request": canonical_json(asked.to_json())},
        **{"state": "open", "price": canonical_json(PRICE.to_json())},
        **{"worst_nano": 100, "worst_tokens": 60, "cost_nano": None, "paid_nano": None, "failure": None},
    }
    assert {name: row[name] for name in expected} == expected
    assert [sums(store, scope) for scope in ("r1", "r1/round/3", "r1/teacher/t", "g")] == [(100, 60, 1)] * 4
    busy = reserve(store, place=ROUND)
    assert busy == Busy(owner=row["owner"])
    assert row["owner"]


def test_a_call_of_a_batch_that_was_never_opened_takes_nothing(store):
    future = store.reserve(request(), WORST, place=PLACE, price=PRICE, batch="b1")
    with pytest.raises(StoreError, match="there is no batch 'b1'; open it before its calls are reserved"):
        future.result(10)
    assert sums(store) == (0, 0, 0)


def test_a_call_of_unknown_price_holds_no_price_and_counts_as_nothing(store):
    future = store.reserve(request(), Cost(nano=None, tokens=60), place=PLACE, caps=(), price=None)
    row = attempt(store, future.result(10).attempt_id)
    assert (row["price"], row["worst_nano"], row["worst_tokens"]) == (None, None, 60)
    assert sums(store) == (0, 60, 1)


def test_a_kept_attempt_holds_all_that_was_said(store):
    attempt_id = reserve(store).attempt_id
    usage = Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=20, reasoning_tokens=6)
    reply = Reply(text="because", usage=usage, model="m-2", latency_s=1.5, headers="{1}", raw="{2}")
    before = time.time()
    settle(store, attempt_id, reply)
    row = attempt(store, attempt_id)
    assert before <= row["ended_at"] <= time.time()
    expected = {
        **{"state": "kept", "cost_nano": 50, "paid_nano": 50, "tokens": 30, "prompt_tokens": 10},
        **{"cached_tokens": 4, "completion_tokens": 20, "reasoning_tokens": 6, "is_estimated": 0},
        **{"failure": None, "returned_model": "m-2", "latency_s": 1.5, "headers": "{1}", "raw": "{2}"},
    }
    assert {name: row[name] for name in expected} == expected
    with store.read() as connection:
        [kept] = [tuple(found) for found in connection.execute("SELECT * FROM replies")]
        [use] = [tuple(found) for found in connection.execute("SELECT * FROM uses")]
    text = {name: value for name, value in reply.to_json().items() if name not in ("raw", "headers")}
    assert kept == (request().key, 0, attempt_id, canonical_json(text))
    assert use == ("r1", request().key, 0, "t", "rationale")


@pytest.mark.parametrize(
    ("reply", "is_paid", "row", "counted"),
    [
        # state, cost, paid and tokens of the attempt; the sums of its run
        (REPLY, True, ("kept", 50, 50, 30), (50, 30, 1)),
        (REPLY, False, ("kept", 50, 0, 30), (0, 30, 1)),
        (failed(), True, ("failed", 0, 0, 0), (0, 0, 1)),
        (failed(is_paid=None), True, ("unknown", None, None, None), (100, 60, 1)),
        (failed(is_paid=None), False, ("unknown", None, None, None), (100, 60, 1)),
        (dataclasses.replace(failed(is_paid=True), usage=TOOK), True, ("failed", 17, 17, 12), (17, 12, 1)),
    ],
    ids=["answer", "recorded answer", "failure", "unseen", "unseen of a recording", "paid failure"],
)
def test_what_each_end_charges(store, reply, is_paid, row, counted):
    attempt_id = reserve(store).attempt_id
    settle(store, attempt_id, reply, is_paid=is_paid)
    found = attempt(store, attempt_id)
    assert (found["state"], found["cost_nano"], found["paid_nano"], found["tokens"]) == row
    assert found["failure"] == (None if reply.failure is None else canonical_json(reply.failure.to_json()))
    assert sums(store) == counted


@pytest.mark.parametrize(
    ("usage", "is_paid", "counted"),
    [
        (dataclasses.replace(TOOK, is_estimated=True), True, (100, 60, 1)),
        (dataclasses.replace(TOOK, is_estimated=True), False, (0, 12, 1)),
        (Usage(is_estimated=True), True, (0, 0, 1)),
    ],
    ids=["at its worst", "but not of a recording", "nor of nothing"],
)
def test_an_estimate_is_charged_at_the_worst(store, usage, is_paid, counted):
    attempt_id = reserve(store).attempt_id
    settle(store, attempt_id, dataclasses.replace(REPLY, usage=usage), is_paid=is_paid)
    assert sums(store) == counted
    assert attempt(store, attempt_id)["is_estimated"] == 1


@pytest.mark.parametrize(
    ("how", "run", "remembered"),
    [
        ({}, "r1", True),
        ({}, "r2", False),
        ({"is_paid": True}, "r2", True),
        ({"is_retryable": True}, "r1", False),
        ({"is_retryable": True, "is_paid": True}, "r1", False),
    ],
    ids=["free, own run", "free, another run", "paid, another run", "passing", "passing and paid"],
)
def test_which_failures_stand_for_a_new_call(store, how, run, remembered):
    settle(store, reserve(store).attempt_id, failed(**how))
    again = reserve(store, place=Place(run=run))
    assert isinstance(again, Kept if remembered else Reserved)
    assert not remembered or again.reply == Reply(failure=failed(**how).failure)


def test_a_call_of_a_dead_process_has_an_unseen_end(store):
    attempt_id = reserve(store).attempt_id
    store.write(lambda connection: connection.execute("UPDATE attempts SET owner = 'dead'")).result(10)
    assert isinstance(reserve(store, asks_again=False), Left)
    assert attempt(store, attempt_id)["state"] == "unknown"
    assert sums(store) == (100, 60, 1)


def test_an_unseen_end_is_left_or_asked_again_and_any_other_is_asked(store):
    attempt_id = unseen(store)
    assert reserve(store, asks_again=False) == Left(attempt_id=attempt_id)
    assert isinstance(reserve(store, asks_again=True), Reserved)
    assert isinstance(reserve(store, "b", asks_again=False), Reserved)
    settle(store, reserve(store, "c").attempt_id, failed(is_retryable=True))
    assert isinstance(reserve(store, "c", asks_again=False), Reserved)


def test_a_list_turns_an_unseen_end_into_a_lost_one_and_nothing_else(store):
    attempt_id, kept = unseen(store), reserve(store, "b").attempt_id
    settle(store, kept)
    before = attempt(store, kept)
    assert written(store, ledger.lose_attempt, kept, TOOK) is False
    assert written(store, ledger.lose_attempt, 99, TOOK) is False
    assert attempt(store, kept) == before
    assert written(store, ledger.lose_attempt, attempt_id, TOOK) is True
    row = attempt(store, attempt_id)
    assert (row["state"], row["cost_nano"], row["paid_nano"], row["tokens"]) == ("lost", 17, 17, 12)
    assert (row["prompt_tokens"], row["cached_tokens"], row["completion_tokens"]) == (7, 2, 5)
    assert sums(store) == (50 + 17, 30 + 12, 2)
    assert written(store, ledger.lose_attempt, attempt_id, TOOK) is False, "it is lost by now"


def test_a_list_turns_an_unseen_end_into_a_free_failure_and_nothing_else(store):
    attempt_id, kept = unseen(store), reserve(store, "b").attempt_id
    settle(store, kept)
    assert written(store, ledger.free_attempt, kept) is False
    assert written(store, ledger.free_attempt, attempt_id) is True
    row = attempt(store, attempt_id)
    assert (row["state"], row["cost_nano"], row["paid_nano"], row["tokens"]) == ("failed", 0, 0, 0)
    assert json.loads(row["failure"]) == failed("timeout", is_retryable=True).failure.to_json()
    assert sums(store) == (50, 30, 2)
    assert isinstance(reserve(store), Reserved), "and it may be asked again"


def test_an_unseen_end_without_a_failure_gets_one(store):
    attempt_id = reserve(store).attempt_id
    store.write(lambda connection: connection.execute("UPDATE attempts SET state = 'unknown'")).result(10)
    assert written(store, ledger.free_attempt, attempt_id) is True
    failure = Failure.from_json(json.loads(attempt(store, attempt_id)["failure"]))
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("unknown_outcome", True, False)
    assert (
        failure.message
        == "nobody saw the end of the call, and the provider's list of charges does not have it"
    )


def test_a_list_counts_what_was_estimated_or_thought_free_and_nothing_else(store):
    guessed, sure, free, open_ = (reserve(store, name).attempt_id for name in "abcd")
    settle(
        store, guessed, dataclasses.replace(REPLY, usage=dataclasses.replace(REPLY.usage, is_estimated=True))
    )
    settle(store, sure)
    settle(store, free, failed())
    for attempt_id in (sure, open_, 99):
        assert written(store, ledger.count_attempt, attempt_id, TOOK) is False
    assert written(store, ledger.count_attempt, guessed, TOOK) is True
    row = attempt(store, guessed)
    assert (row["state"], row["paid_nano"], row["is_estimated"], row["failure"]) == ("kept", 17, 0, None)
    assert written(store, ledger.count_attempt, free, Usage()) is True
    assert json.loads(attempt(store, free)["failure"])["is_paid"] is False, "a charge of nothing is none"
    assert written(store, ledger.count_attempt, free, TOOK) is True
    row = attempt(store, free)
    assert (row["state"], row["paid_nano"], row["tokens"]) == ("failed", 17, 12)
    assert json.loads(row["failure"]) == failed(is_paid=True).failure.to_json()
    assert sums(store) == (17 + 50 + 17 + WORST.nano, 12 + 30 + 12 + WORST.tokens, 4)


def test_a_list_of_a_call_without_a_price_counts_tokens_alone(store):
    future = store.reserve(request(), Cost(nano=None, tokens=60), place=PLACE, caps=(), price=None)
    attempt_id = future.result(10).attempt_id
    settle(store, attempt_id, failed("timeout", is_paid=None))
    assert written(store, ledger.lose_attempt, attempt_id, TOOK) is True
    row = attempt(store, attempt_id)
    assert (row["cost_nano"], row["paid_nano"], row["tokens"]) == (None, None, 12)
    assert sums(store) == (0, 12, 1)


LATE = {
    "answer": REPLY,
    "answer of no tokens": dataclasses.replace(REPLY, usage=Usage()),
    "paid failure": dataclasses.replace(failed(is_paid=True), usage=TOOK),
    "failure paid with nothing": failed(is_paid=True),
    "free failure": failed(),
    "unseen": failed(is_paid=None),
}


@pytest.mark.parametrize(
    ("settled", "late", "state", "counted"),
    [
        ("lost", "answer", "kept", (50, 30)),
        ("lost", "answer of no tokens", "kept", (0, 0)),
        ("lost", "paid failure", "failed", (17, 12)),
        ("lost", "failure paid with nothing", "lost", (34, 24)),
        ("lost", "free failure", "lost", (34, 24)),
        ("lost", "unseen", "lost", (34, 24)),
        ("freed", "answer", "kept", (50, 30)),
        ("freed", "paid failure", "failed", (17, 12)),
        ("freed", "failure paid with nothing", "failed", (0, 0)),
        ("freed", "free failure", "failed", (0, 0)),
        ("freed", "unseen", "failed", (0, 0)),
        ("unseen", "answer", "kept", (50, 30)),
        ("unseen", "paid failure", "failed", (17, 12)),
        ("unseen", "free failure", "failed", (0, 0)),
        ("unseen", "unseen", "unknown", (100, 60)),
    ],
)
def test_of_what_comes_late_an_answer_and_a_charge_alone_change_what_a_list_settled(
    store, settled, late, state, counted
):
    attempt_id = unseen(store)
    twice = Usage(prompt_tokens=14, completion_tokens=10)
    if settled == "lost":
        written(store, ledger.lose_attempt, attempt_id, twice)
    elif settled == "freed":
        written(store, ledger.free_attempt, attempt_id)
    settle(store, attempt_id, LATE[late])
    assert attempt(store, attempt_id)["state"] == state
    assert sums(store) == (*counted, 1)


@pytest.mark.parametrize("end", [REPLY, LATE["paid failure"]], ids=["answer", "paid failure"])
def test_what_is_settled_stays_so(store, end):
    attempt_id = reserve(store).attempt_id
    settle(store, attempt_id, end)
    for again in (*LATE.values(), end):
        with pytest.raises(
            StoreError, match=rf"attempt {attempt_id} is not open; a reservation is settled once"
        ):
            settle(store, attempt_id, again)
    with pytest.raises(StoreError, match="attempt 99 is not open"):
        settle(store, 99)
