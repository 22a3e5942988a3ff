import dataclasses
import signal

import pytest
from ledgers import (
    PLACE,
    PRICE,
    REPLY,
    WORST,
    buy,
    failed,
    request,
    reserve,
    run_script,
    settle,
    states,
    sums,
)

from tuition.core.budget import Cost
from tuition.core.errors import StoreError
from tuition.core.store import Busy, Cap, Kept, Left, Place, Refused, Reserved, Store


def put(store, name, *, batch="b1", tag="", caps=(), place=PLACE):
    tagged = dataclasses.replace(request(name), tag=tag)
    return store.reserve(tagged, WORST, place=place, price=PRICE, caps=caps, batch=batch).result(10)


def open_batch(store, name="b1", place=PLACE):
    store.open_batch(name, place=place, teacher="t", endpoint="http://x/v1").result(10)


def test_a_batch_from_its_making_to_its_end(store):
    open_batch(store)
    ids = [put(store, name, tag=f"tag {name}").attempt_id for name in ("x", "y", "z")]
    assert [(found.name, found.run, found.state, found.remote) for found in store.batches()] == [
        ("b1", "r1", "made", None)
    ]
    assert store.waiting("b1") == [
        (attempt_id, dataclasses.replace(request(name), tag=f"tag {name}"))
        for attempt_id, name in zip(ids, ("x", "y", "z"), strict=True)
    ]
    store.sent_batch("b1", "remote-7").result(10)
    sent = store.batches("r1")[0]
    assert (sent.state, sent.remote, sent.teacher, sent.endpoint) == ("sent", "remote-7", "t", "http://x/v1")
    settle(store, ids[0])
    settle(store, ids[1], failed("expired", is_retryable=True))
    assert [attempt_id for attempt_id, _ in store.waiting("b1")] == [ids[2]]
    store.end_batch("b1").result(10)
    over = store.batches()[0]
    assert (over.state, over.remote) == ("over", "remote-7")
    assert over.ended_at >= over.made_at
    assert states(store.path) == ["kept", "failed", "unknown"], "what never came is an unknown outcome"
    assert store.waiting("b1") == []
    assert sums(store) == (50 + 0 + 100, 30 + 0 + 60, 3)
    assert isinstance(reserve(store, "x"), Kept)
    assert isinstance(reserve(store, "y"), Reserved)
    assert reserve(store, "z", asks_again=False) == Left(attempt_id=ids[2])


def test_batches_are_listed_by_run_in_their_order(store):
    for name, run in (("b2", "r1"), ("b1", "r2"), ("a0", "r1")):
        open_batch(store, name, Place(run=run))
    assert [found.name for found in store.batches()] == ["b2", "b1", "a0"]
    assert [found.name for found in store.batches("r1")] == ["b2", "a0"]
    assert store.batches("r9") == []


def test_calls_of_a_batch_are_busy_and_free_nothing_soon(store):
    open_batch(store)
    put(store, "x")
    assert reserve(store, "x") == Busy(owner=reserve(store, "x").owner, batch="b1")
    refused = reserve(store, "y", caps=[Cap(scope="r1", nano=150)])
    assert isinstance(refused, Refused)
    assert not refused.may_free, "nobody should wait for hours"
    reserve(store, "w")
    assert reserve(store, "y", caps=[Cap(scope="r1", nano=250)]).may_free, "a call in flight may"


MAKER = """
    import sys, time
    from pathlib import Path
    from tuition.core.budget import Cost
    from tuition.core.records import Message, Request
    from tuition.core.store import Place, Store

    store = Store(Path(sys.argv[1]))
    store.open_batch("b1", place=Place(run="r1"), teacher="t", endpoint="http://x/v1").result(20)
    for name in ("a", "b"):
        request = Request(
            endpoint="http://x/v1", model="m", messages=(Message(role="user", content=name),),
            parameters={"max_tokens": 20}, teacher="t", role="rationale", example_id=name, tag=name * 3,
        )
        store.reserve(request, Cost(nano=100, tokens=60), place=Place(run="r1"), batch="b1").result(20)
    store.sent_batch("b1", "remote").result(20)
    print("sent", flush=True)
    time.sleep(60)
"""


def test_a_batch_outlives_the_process_that_handed_it_over(tmp_path):
    path = tmp_path / "tuition.db"
    process = run_script(MAKER, path)
    assert process.stdout.readline() == "sent\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    for _ in range(2):
        with Store(path) as store:
            assert isinstance(reserve(store, "a"), Busy)
            assert [asked.tag for _, asked in store.waiting("b1")] == ["aaa", "bbb"]
            assert sums(store) == (200, 120, 2)
    with Store(path) as store:
        for attempt_id, _ in store.waiting("b1"):
            store.settle(attempt_id, REPLY, cost=Cost(nano=7, tokens=30), is_paid=True).result(10)
        store.end_batch("b1").result(10)
        assert states(path) == ["kept", "kept"]
        assert sums(store) == (14, 60, 2)


def test_a_late_answer_of_a_batch_that_is_over_is_kept(store):
    open_batch(store)
    attempt_id = put(store, "x").attempt_id
    store.end_batch("b1").result(10)
    settle(store, attempt_id)
    assert states(store.path) == ["kept"]
    assert sums(store) == (50, 30, 1)


def test_what_was_handed_over_takes_no_further_call(store):
    with pytest.raises(StoreError, match="there is no batch 'b1'; open it before its calls are reserved"):
        put(store, "x")
    open_batch(store)
    with pytest.raises(StoreError, match="there is a batch 'b1' already; each has a name of its own"):
        open_batch(store)
    with pytest.raises(StoreError, match="a batch needs a name"):
        open_batch(store, "")
    put(store, "x")
    store.sent_batch("b1", "remote").result(10)
    with pytest.raises(StoreError, match="batch 'b1' is sent and takes no further call; open another"):
        put(store, "y")
    store.end_batch("b1").result(10)
    over = store.batches()[0]
    store.end_batch("b1").result(10)
    assert store.batches()[0] == over, "a batch ends once"
    with pytest.raises(StoreError, match="batch 'b1' is over and takes no further call"):
        put(store, "y")
    with pytest.raises(StoreError, match="batch 'b1' is over and cannot be handed over again"):
        store.sent_batch("b1", "other").result(10)
    for act in (store.end_batch("b9"), store.sent_batch("b9", "x")):
        with pytest.raises(StoreError, match="there is no batch 'b9'"):
            act.result(10)
    assert sums(store) == (100, 60, 1), "a refused call sets nothing aside"


def test_what_is_kept_needs_no_place_in_a_batch(store):
    buy(store, "x")
    assert isinstance(put(store, "x", batch="never made"), Kept)
