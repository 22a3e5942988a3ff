import contextlib
import dataclasses
import os
import signal
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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

from tuition.core.budget import Cost, worst_cost
from tuition.core.errors import StoreError
from tuition.core.records import Failure, Reply, Usage
from tuition.core.store import (
    Busy,
    Cap,
    Kept,
    Left,
    Place,
    Refused,
    Reserved,
    Store,
    leases,
    ledger,
    writer,
)
from tuition.upkeep import verify_store


def test_reserve_attempt_settle(store):
    outcome = reserve(store)
    assert isinstance(outcome, Reserved)
    assert sums(store) == (100, 60, 1), "the worst is set aside before the call"
    settle(store, outcome.attempt_id)
    assert sums(store) == (50, 30, 1), "the real cost replaces it"
    kept = reserve(store)
    assert kept == Kept(reply=dataclasses.replace(REPLY, raw="", headers=""))
    assert store.kept([request().key, request("b").key]) == {request().key: kept.reply}
    with store.read() as connection:
        row = connection.execute("SELECT raw, headers, cost_nano, prompt_tokens FROM attempts").fetchone()
    assert tuple(row) == ("{}", "{}", 50, 10)


def test_open_call_is_busy_and_another_sample_is_another_call(store):
    reserve(store)
    assert isinstance(reserve(store), Busy)
    other = store.reserve(request(sample=1), WORST, place=PLACE).result(10)
    assert isinstance(other, Reserved)


def test_reply_of_another_run_is_reused_and_counted_as_used(store):
    buy(store)
    assert isinstance(reserve(store, place=Place(run="r2")), Kept)
    first, second = store.spend("r1"), store.spend("r2")
    assert (first.calls, first.reused_calls, first.usd, first.paid_usd) == (1, 0, 5e-8, 5e-8)
    assert (second.calls, second.reused_calls, second.usd, second.paid_usd) == (0, 1, 5e-8, 0.0)
    assert second.by_teacher == {"t": {"answers": 1, "tokens": 30, "usd": 5e-8}}
    assert second.by_role["rationale"]["answers"] == 1
    reserve(store, place=Place(run="r2"))
    assert store.spend("r2").reused_calls == 1, "used twice in one run counts once"


def test_unpaid_reply_has_a_cost_but_takes_no_money(store):
    outcome = reserve(store, worst=Cost(nano=0, tokens=60))
    settle(store, outcome.attempt_id, is_paid=False)
    spend = store.spend("r1")
    assert (spend.usd, spend.paid_usd) == (5e-8, 0.0)
    assert sums(store) == (0, 30, 1)


def test_unknown_price_is_an_unknown_cost_and_never_nought(store):
    outcome = store.reserve(request(), Cost(nano=None, tokens=60), place=PLACE).result(10)
    store.settle(outcome.attempt_id, REPLY, cost=Cost(nano=None, tokens=30), is_paid=True).result(10)
    spend = store.spend("r1")
    assert (spend.usd, spend.unpriced, spend.paid_usd, spend.failed_usd) == (None, 1, None, 0.0)
    buy(store, "b")
    assert store.spend("r1").paid_usd is None, "a known price beside it makes no sum of it"


def test_unknown_price_of_a_reused_answer_is_no_payment(store):
    outcome = store.reserve(request(), Cost(nano=None, tokens=60), place=PLACE).result(10)
    store.settle(outcome.attempt_id, REPLY, cost=Cost(nano=None, tokens=30), is_paid=True).result(10)
    assert isinstance(reserve(store, place=Place(run="r2")), Kept)
    spend = store.spend("r2")
    assert (spend.usd, spend.paid_usd) == (None, 0.0)


def test_unknown_price_moves_no_money_where_nothing_is_paid(store):
    first = store.reserve(request(), Cost(nano=0, tokens=60), place=PLACE).result(10)
    store.settle(first.attempt_id, REPLY, cost=Cost(nano=None, tokens=30), is_paid=False).result(10)
    second = store.reserve(request("b"), Cost(nano=None, tokens=60), place=PLACE).result(10)
    assert store.spend("r1").paid_usd is None, "a call under way may cost anything"
    store.settle(second.attempt_id, failed("server"), cost=Cost(nano=None, tokens=0), is_paid=True).result(10)
    spend = store.spend("r1")
    assert (spend.usd, spend.paid_usd, spend.failed_usd) == (None, 0.0, 0.0)


def test_unknown_price_of_a_paid_failure_is_an_unknown_loss(store):
    outcome = store.reserve(request(), Cost(nano=None, tokens=60), place=PLACE).result(10)
    lost = failed("empty", is_paid=True)
    store.settle(outcome.attempt_id, lost, cost=Cost(nano=None, tokens=30), is_paid=True).result(10)
    spend = store.spend("r1")
    assert (spend.usd, spend.paid_usd, spend.failed_usd) == (0.0, None, None)


def test_estimated_tokens_are_counted_as_such(store):
    guessed = dataclasses.replace(REPLY, usage=dataclasses.replace(REPLY.usage, is_estimated=True))
    settle(store, reserve(store).attempt_id, guessed)
    buy(store, "b")
    reserve(store, place=Place(run="r2"))
    assert (store.spend("r1").estimated, store.spend("r2").estimated) == (1, 1)
    assert store.spend("r3").estimated == 0


def test_failed_calls_free_what_they_reserved(store):
    outcome = reserve(store)
    settle(store, outcome.attempt_id, failed(is_retryable=True))
    assert sums(store) == (0, 0, 1)
    assert isinstance(reserve(store), Reserved), "a passing fault is tried again"


def test_failure_that_was_paid_is_charged(store):
    outcome = reserve(store)
    paid = dataclasses.replace(REPLY, text="", failure=Failure(kind="empty", message="no", is_paid=True))
    settle(store, outcome.attempt_id, paid)
    assert sums(store) == (50, 30, 1)
    spend = store.spend("r1")
    assert (spend.usd, spend.paid_usd) == (0.0, 5e-8), "no answer was used, and yet it was paid"
    assert spend.failed_usd == 5e-8
    buy(store, "b")
    assert store.spend("r1").failed_usd == 5e-8


def test_final_failure_that_was_paid_is_paid_by_no_other_run(store):
    lost = dataclasses.replace(REPLY, text="", failure=Failure(kind="empty", message="no", is_paid=True))
    settle(store, reserve(store).attempt_id, lost)
    assert reserve(store, place=Place(run="r2")) == Kept(reply=Reply(failure=lost.failure))
    spend = store.spend("r2")
    assert (spend.calls, spend.paid_usd, spend.failed_usd) == (0, 0.0, 0.0)


def test_passing_failure_that_was_paid_is_tried_again(store):
    settle(store, reserve(store).attempt_id, failed("malformed", is_retryable=True, is_paid=True))
    assert isinstance(reserve(store, place=Place(run="r2")), Reserved)


def test_final_failure_that_cost_nothing_is_remembered_by_its_own_run_alone(store):
    outcome = reserve(store)
    settle(store, outcome.attempt_id, failed("bad_request"))
    kept = reserve(store)
    assert isinstance(kept, Kept)
    assert kept.reply.failure.kind == "bad_request"
    assert isinstance(reserve(store, place=Place(run="r2")), Reserved)


def test_unseen_end_is_charged_at_its_worst_and_asked_again_or_left(store):
    outcome = reserve(store)
    settle(store, outcome.attempt_id, failed("timeout", is_retryable=True, is_paid=None))
    assert sums(store) == (100, 60, 1)
    spend = store.spend("r1")
    assert (spend.unknown, spend.paid_usd) == (1, 1e-7)
    assert reserve(store, asks_again=False) == Left(attempt_id=outcome.attempt_id)
    assert isinstance(reserve(store), Reserved)


def test_late_answer_settles_an_unknown_outcome(store):
    outcome = reserve(store)
    settle(store, outcome.attempt_id, failed("timeout", is_paid=None))
    settle(store, outcome.attempt_id)
    assert sums(store) == (50, 30, 1)
    assert isinstance(reserve(store), Kept)


@pytest.mark.parametrize("is_paid", [None, False])
def test_late_failure_of_what_a_list_settled_changes_nothing(store, is_paid):
    ids = [reserve(store, name).attempt_id for name in "ab"]
    for attempt_id in ids:
        settle(store, attempt_id, failed("timeout", is_paid=None))
    usage = Usage(prompt_tokens=3, completion_tokens=2)
    store.write(lambda connection: ledger.lose_attempt(connection, ids[0], usage)).result(10)
    store.write(lambda connection: ledger.free_attempt(connection, ids[1])).result(10)
    for attempt_id in ids:
        settle(store, attempt_id, failed("timeout", is_paid=is_paid))
    assert states(store.path) == ["lost", "failed"]
    assert sums(store) == (7, 5, 2)
    assert verify_store(store.path).faults == ()


def test_late_answer_to_what_a_list_settled_is_kept(store):
    ids = [reserve(store, name).attempt_id for name in "abc"]
    for attempt_id in ids:
        settle(store, attempt_id, failed("timeout", is_paid=None))
    store.write(lambda connection: ledger.lose_attempt(connection, ids[0], Usage(prompt_tokens=1))).result(10)
    for attempt_id in ids[1:]:
        store.write(lambda connection, id_=attempt_id: ledger.free_attempt(connection, id_)).result(10)
    for attempt_id in ids[:2]:
        settle(store, attempt_id)
    settle(store, ids[2], dataclasses.replace(REPLY, failure=failed("empty", is_paid=True).failure))
    assert states(store.path) == ["kept", "kept", "failed"]
    assert sums(store) == (150, 90, 3)
    assert isinstance(reserve(store, "b"), Kept)
    assert verify_store(store.path).faults == ()
    with pytest.raises(StoreError, match="a reservation is settled once"):
        settle(store, ids[1])


@pytest.mark.parametrize("fault", [RecursionError, MemoryError, OSError, SystemExit])
def test_any_fault_of_a_write_is_its_callers_alone(store, fault):
    def fall(connection):
        connection.execute("DELETE FROM sums")
        raise fault("too much")

    buy(store)
    with pytest.raises(fault, match="too much"):
        store.write(fall).result(10)
    buy(store, "b")
    assert sums(store) == (100, 60, 2)


def test_a_fault_of_the_whole_group_is_said_to_all_who_wait(store, monkeypatch):
    def fall(connection, write):
        raise MemoryError

    buy(store)
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_one", fall)
        with pytest.raises(StoreError, match="the store could not be written: MemoryError"):
            store.write(lambda connection: None).result(10)
    buy(store, "b")
    assert sums(store) == (100, 60, 2)


def test_reservation_is_settled_once(store):
    attempt_id = buy(store)
    with pytest.raises(StoreError, match=f"attempt {attempt_id} is not open; a reservation is settled once"):
        settle(store, attempt_id)
    with pytest.raises(StoreError, match="attempt 77 is not open"):
        settle(store, 77)
    assert sums(store) == (50, 30, 1)


@pytest.mark.parametrize(
    ("cap", "what", "may_free"),
    [
        (Cap(scope="r1", nano=199), "usd", True),
        (Cap(scope="r1", tokens=119), "tokens", True),
        (Cap(scope="r1", calls=1), "calls", False),
        (Cap(scope="r1/teacher/t", nano=199), "usd", True),
        (Cap(scope="r1/round/0", nano=199), "usd", True),
        (Cap(scope="r1", nano=99), "usd", False),
    ],
)
def test_cap_refuses_before_the_call(store, cap, what, may_free):
    reserve(store)
    refused = reserve(store, "b", caps=[Cap(scope="elsewhere", nano=10**9), cap])
    assert isinstance(refused, Refused)
    assert (refused.scope, refused.what, refused.may_free) == (cap.scope, what, may_free)
    assert sums(store) == (100, 60, 1), "a refused call sets nothing aside"


def test_cap_that_is_just_met_allows(store):
    reserve(store)
    assert isinstance(reserve(store, "b", caps=[Cap(scope="r1", nano=200, tokens=120, calls=2)]), Reserved)


def test_run_names_with_slashes_wait_for_their_own_calls(store):
    place = Place(run="runs/demo/teacher/x")
    reserve(store, place=place, teacher="lab/llama")
    for scope in place.scopes("lab/llama"):
        assert reserve(store, "b", place=place, caps=[Cap(scope=scope, nano=150)]).may_free


def test_calls_of_another_scope_free_nothing(store):
    buy(store, "mine", teacher="t")
    reserve(store, "theirs", teacher="other")
    refused = reserve(store, "b", caps=[Cap(scope="r1/teacher/t", nano=149)])
    assert (refused.spent, refused.may_free) == (50, False)


def test_runs_of_a_group_share_its_limits_and_wait_for_each_other(store):
    cap = Cap(scope="main", nano=150, calls=3)
    main, beside = Place(run="main"), Place(run="beside", group="main")
    mine = reserve(store, "a", place=beside, caps=[cap])
    assert sums(store, "main") == sums(store, "beside") == (100, 60, 1)
    waiting = reserve(store, "b", place=main, caps=[cap])
    assert (waiting.scope, waiting.spent, waiting.may_free) == ("main", 100, True)
    settle(store, mine.attempt_id)
    assert sums(store, "main") == sums(store, "beside") == (50, 30, 1)
    buy(store, "b", place=main, caps=[cap])
    assert (sums(store, "main"), sums(store, "beside")) == ((100, 60, 2), (50, 30, 1))
    over = reserve(store, "c", place=beside, caps=[cap])
    assert (over.what, over.spent, over.may_free) == ("usd", 100, False)
    assert store.spend("main").paid_usd == store.spend("beside").paid_usd == 5e-8, "each its own payments"


def test_a_group_named_like_its_run_counts_once(store):
    assert Place(run="r1", group="r1").scopes("t") == Place(run="r1").scopes("t")
    buy(store, place=Place(run="r1", group="r1"))
    assert sums(store) == (50, 30, 1)


groups = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["keep", "fail", "lose", "open"]), st.integers(0, 90)),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(groups)
def test_any_number_of_runs_together_stay_under_one_cap(tmp_path_factory, steps):
    replies = {"keep": REPLY, "fail": failed(is_paid=True), "lose": failed(is_paid=None)}
    caps = [Cap(scope="main", nano=250, tokens=200, calls=6)]
    with Store(tmp_path_factory.mktemp("g") / "s.db") as store:
        for i, (run, act, size) in enumerate(steps):
            place = Place(run=f"r{run}", group="main") if run else Place(run="main")
            cost = Cost(nano=size, tokens=size)
            outcome = reserve(store, str(i), worst=cost, place=place, caps=caps)
            if isinstance(outcome, Reserved) and act in replies:
                store.settle(outcome.attempt_id, replies[act], cost=cost, is_paid=True).result(10)
            nano, tokens, calls = sums(store, "main")
            assert nano <= 250
            assert tokens <= 200
            assert calls <= 6
        with store.read() as connection:
            row = connection.execute(
                "SELECT TOTAL(iif(state IN ('open', 'unknown'), worst_nano, paid_nano)), "
                "TOTAL(iif(state IN ('open', 'unknown'), worst_tokens, tokens)), COUNT(*) FROM attempts"
            ).fetchone()
        assert tuple(row) == sums(store, "main")


def test_kept_reply_costs_nothing_under_a_spent_cap(store):
    buy(store)
    assert isinstance(reserve(store, caps=[Cap(scope="r1", calls=0)]), Kept)


def test_many_threads_never_exceed_the_caps_nor_buy_twice(store):
    caps = [Cap(scope="r1", nano=1000, tokens=500, calls=1000)]
    seen, lock = [], threading.Lock()

    def work(i):
        outcome = reserve(store, str(i % 150), caps=caps)
        nano, tokens, _ = sums(store)
        with lock:
            seen.append((nano, tokens))
        if isinstance(outcome, Reserved):
            settle(store, outcome.attempt_id)
        return outcome

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(work, range(300)))
    assert max(nano for nano, _ in seen) <= 1000
    assert max(tokens for _, tokens in seen) <= 500
    assert sum(isinstance(outcome, Reserved) for outcome in outcomes) == sums(store)[2]
    assert sums(store)[1] <= 500


actions = st.lists(
    st.tuples(st.sampled_from(["reserve", "keep", "fail", "lose"]), st.integers(0, 4), st.integers(0, 90)),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(actions)
def test_sums_equal_the_attempts_and_stay_under_the_caps(tmp_path_factory, steps):
    caps = [Cap(scope="r1", nano=250, tokens=200, calls=6), Cap(scope="r1/teacher/t", nano=200)]
    with Store(tmp_path_factory.mktemp("s") / "s.db") as store:
        held = {}
        for act, i, size in steps:
            if act == "reserve":
                outcome = reserve(store, str(i), worst=Cost(nano=size, tokens=size), caps=caps)
                if isinstance(outcome, Reserved):
                    held[i] = (outcome.attempt_id, size)
            elif i in held:
                attempt_id, worst = held.pop(i)
                reply = {"keep": REPLY, "fail": failed(is_retryable=True), "lose": failed(is_paid=None)}[act]
                cost = Cost(nano=min(size, worst), tokens=min(size, worst))
                store.settle(attempt_id, reply, cost=cost, is_paid=True).result(10)
            nano, tokens, calls = sums(store)
            assert nano <= 200
            assert tokens <= 200
            assert calls <= 6
            with store.read() as connection:
                row = connection.execute(
                    "SELECT TOTAL(iif(state IN ('open', 'unknown'), worst_nano, paid_nano)), "
                    "TOTAL(iif(state IN ('open', 'unknown'), worst_tokens, tokens)), COUNT(*) "
                    "FROM attempts"
                ).fetchone()
            assert tuple(row) == (nano, tokens, calls)


def test_reopening_keeps_everything(tmp_path):
    path = tmp_path / "deep" / "folder" / "tuition.db"
    with Store(path) as store:
        buy(store)
        reserve(store, "open")
    assert states(path) == ["kept", "unknown"], "a call left open at the end is an unknown outcome"
    with Store(path) as store:
        assert isinstance(reserve(store), Kept)
        assert sums(store) == (150, 90, 2)
        store.close()
        store.close()


def test_closed_store_says_so(tmp_path):
    store = Store(tmp_path / "tuition.db")
    store.close()
    with pytest.raises(StoreError, match=r"the store '.*tuition\.db' is closed\."):
        reserve(store)


def test_waiting_for_a_write_can_stop_without_harm(store):
    futures = [store.reserve(request(str(i)), WORST, place=PLACE) for i in range(20)]
    assert not any(future.cancel() for future in futures), "what was asked for is done"
    assert isinstance(futures[-1].result(10), Reserved)
    assert sums(store)[2] == 20
    buy(store, "still alive")


def test_one_bad_write_leaves_its_company_alone(store):
    outcomes = [reserve(store, str(i)) for i in range(3)]
    broken = dataclasses.replace(REPLY, text="half \ud800")
    bad = store.settle(outcomes[0].attempt_id, broken, cost=Cost(nano=1, tokens=1), is_paid=True)
    huge = store.settle(outcomes[1].attempt_id, REPLY, cost=Cost(nano=2**70, tokens=1), is_paid=True)
    good = store.settle(outcomes[2].attempt_id, REPLY, cost=Cost(nano=1, tokens=1), is_paid=True)
    good.result(10)
    with pytest.raises(UnicodeEncodeError):
        bad.result(10)
    with pytest.raises(OverflowError):
        huge.result(10)
    assert sums(store) == (201, 121, 3)


def test_file_that_is_no_store(tmp_path):
    path = tmp_path / "notes.db"
    path.write_text("these are notes and no database, however long they may be" * 20)
    with pytest.raises(StoreError, match=r"the store '.*notes\.db' cannot be opened: file is not a database"):
        Store(path)


def test_folder_in_the_place_of_the_store(tmp_path):
    with pytest.raises(StoreError, match="cannot be opened: unable to open database file"):
        Store(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "file" / "tuition.db")


def test_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "photos.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(
        StoreError, match="an SQLite file of another program, with the tables 'photos'; name a"
    ):
        Store(path)
    assert path.read_bytes() == before


def test_schema_of_another_version_is_refused(tmp_path):
    path = tmp_path / "tuition.db"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    with pytest.raises(
        StoreError, match="schema version 99 found, this program reads 1 to 2; use the version"
    ):
        Store(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only files")
def test_store_that_may_not_be_written(tmp_path):
    path = tmp_path / "tuition.db"
    Store(path).close()
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StoreError, match="readonly database"):
            Store(path)
    finally:
        tmp_path.chmod(0o755)


def test_full_disk_is_said_and_loses_nothing(tmp_path):
    script = """
        import resource, signal, sys
        from pathlib import Path
        from tuition.core.budget import Cost
        from tuition.core.errors import StoreError
        from tuition.core.records import Message, Reply, Request
        from tuition.core.store import Place, Store

        def ask(i, size):
            message = Message(role="user", content=f"{i}" * size)
            request = Request(endpoint="e", model="m", messages=(message,))
            return store.reserve(request, Cost(nano=1, tokens=1), place=Place(run="r")).result(20)

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = Store(Path(sys.argv[1]))
        first = ask(0, 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        try:
            for i in range(1, 100):
                ask(i, 50_000)
        except StoreError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.settle(first.attempt_id, Reply(text="x"), cost=Cost(nano=1, tokens=1), is_paid=True).result(20)
        store.close()
    """
    process = run_script(script, tmp_path / "tuition.db")
    said, _ = process.communicate(timeout=60)
    assert "the store could not be written: " in said
    assert "What was settled before is safe. Make room" in said
    assert process.returncode == 0
    assert states(tmp_path / "tuition.db")[0] == "kept"


HOLDER = """
    import sys, time
    from pathlib import Path
    from tuition.core.budget import Cost
    from tuition.core.records import Message, Request
    from tuition.core.store import Place, Store

    store = Store(Path(sys.argv[1]))
    for name in ("a", "b", "c"):
        request = Request(
            endpoint="http://x/v1", model="m", messages=(Message(role="user", content=name),),
            parameters={"max_tokens": 20}, teacher="t", role="rationale", example_id=name,
        )
        store.reserve(request, Cost(nano=100, tokens=60), place=Place(run="r1")).result(20)
    print("held", flush=True)
    time.sleep(60)
"""


def test_killed_process_leaves_unknown_outcomes_and_frees_its_leases(tmp_path):
    path = tmp_path / "tuition.db"
    process = run_script(HOLDER, path)
    assert process.stdout.readline() == "held\n"
    with Store(path) as store:
        assert isinstance(reserve(store), Busy), "another process is making this very call"
        assert reserve(store, "z", caps=[Cap(scope="r1", nano=350)]).may_free
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
        refused = reserve(store, "z", caps=[Cap(scope="r1", nano=350)])
        assert (refused.spent, refused.may_free) == (300, False), "nobody can tell, so it counts at its worst"
        assert isinstance(reserve(store, asks_again=False), Left)
        assert isinstance(reserve(store), Reserved)
        assert store.spend("r1").unknown == 3
        assert sums(store) == (400, 240, 4)


def test_killed_process_is_seen_at_the_next_opening(tmp_path):
    path = tmp_path / "tuition.db"
    process = run_script(HOLDER, path)
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.communicate(timeout=20)
    assert states(path) == ["open"] * 3
    with Store(path):
        assert states(path) == ["unknown"] * 3


def test_silent_owner_of_another_host_is_dead_after_its_lease(store, monkeypatch):
    reserve(store)
    monkeypatch.setattr(leases.socket, "gethostname", lambda: "elsewhere")
    assert isinstance(reserve(store), Busy), "a fresh heartbeat from another host"
    monkeypatch.setattr(leases.time, "time", lambda now=time.time: now() + 3600)
    assert isinstance(reserve(store, asks_again=False), Left)


BUYER = """
    import sys, time
    from pathlib import Path
    from tuition.core.budget import Cost
    from tuition.core.records import Message, Reply, Request, Usage
    from tuition.core.store import Busy, Cap, Place, Reserved, Store

    bought = 0
    with Store(Path(sys.argv[1])) as store:
        for i in range(60):
            message = Message(role="user", content=str(i))
            request = Request(endpoint="e", model="m", messages=(message,), teacher="t")
            place, caps = Place(run="r1"), [Cap(scope="r1", nano=5000)]
            while True:
                outcome = store.reserve(request, Cost(nano=100, tokens=1), place=place, caps=caps).result(60)
                if not isinstance(outcome, Busy):
                    break
                time.sleep(0.001)
            if isinstance(outcome, Reserved):
                store.settle(
                    outcome.attempt_id, Reply(text="x"), cost=Cost(nano=90, tokens=1), is_paid=True
                ).result(60)
                bought += 1
    print(bought)
"""


def test_processes_share_one_store_without_buying_twice(tmp_path):
    path = tmp_path / "tuition.db"
    processes = [run_script(BUYER, path) for _ in range(3)]
    bought = [int(process.communicate(timeout=90)[0]) for process in processes]
    with Store(path) as store:
        # 54 * 90 + 100 fit under 5000; with 55 bought the next worst does not.
        assert sum(bought) == 55
        assert sums(store) == (4950, 55, 55)
        with store.read() as connection:
            assert connection.execute("SELECT COUNT(*), COUNT(DISTINCT key) FROM attempts").fetchone()[:] == (
                55,
                55,
            )
    assert states(path) == ["kept"] * 55


OPENER = """
    import sys
    from pathlib import Path
    from tuition.core.store import Store

    print("ready", flush=True)
    sys.stdin.readline()
    Store(Path(sys.argv[1])).close()
"""


def test_new_store_can_be_opened_by_many_processes_at_once(tmp_path):
    processes = [run_script(OPENER, tmp_path / "t.db", stdin=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * 4


def test_reader_cannot_write(store):
    with store.read() as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM attempts")


def test_worst_of_a_request_is_what_the_ledger_holds(store):
    worst = worst_cost(request(), PRICE)
    reserve(store, worst=worst)
    assert sums(store)[:2] == (worst.nano, worst.tokens)
