import os
import time

import pytest
from ledgers import WORST, reserve, run_script, settle, states, sums

from tuition.core.store import Busy, Left, Place, Reserved, Store, leases

NOW, STEADY = time.time, time.monotonic


@pytest.mark.parametrize("seconds", [-3e8, -3600, 3600, 3e8])
def test_setting_the_clock_kills_nobody(store, monkeypatch, seconds):
    outcome = reserve(store)
    monkeypatch.setattr(leases.time, "time", lambda: NOW() + seconds)
    with Store(store.path) as other:
        assert isinstance(reserve(other), Busy)
        assert states(store.path) == ["open"]
        second = reserve(other, "b")
        monkeypatch.setattr(leases.time, "time", NOW)
        assert isinstance(reserve(store, "b"), Busy), "whose beat is from another time"
        settle(other, second.attempt_id)
    settle(store, outcome.attempt_id)
    assert states(store.path) == ["kept", "kept"]
    assert sums(store) == (100, 60, 2)


def test_silent_owner_of_this_host_is_dead_after_its_lease(store, monkeypatch):
    reserve(store)
    monkeypatch.setattr(leases.time, "monotonic", lambda: STEADY() + 50)
    assert isinstance(reserve(store), Busy)
    monkeypatch.setattr(leases.time, "monotonic", lambda: STEADY() + 3600)
    assert isinstance(reserve(store, asks_again=False), Left)


def test_owner_from_before_the_machine_began_anew_is_dead(store, monkeypatch):
    reserve(store)
    monkeypatch.setattr(leases.time, "monotonic", lambda: 5.0)
    assert isinstance(reserve(store, asks_again=False), Left)


def test_owner_nobody_announced_is_dead(store):
    reserve(store)
    store.write(lambda connection: connection.execute("DELETE FROM owners").rowcount).result(10)
    assert isinstance(reserve(store, asks_again=False), Left)


def test_process_of_another_user_lives(monkeypatch):
    def refuse(pid, number):
        raise PermissionError

    monkeypatch.setattr(leases.os, "kill", refuse)
    assert leases.is_running(leases.here(), 1)
    assert leases.is_running("elsewhere", 2**22 + 1)


def test_process_ids_of_another_namespace_say_nothing(store, monkeypatch):
    reserve(store)
    monkeypatch.setattr(leases.os, "readlink", lambda path: "pid:[1]")
    monkeypatch.setattr(leases.os, "kill", lambda pid, number: pytest.fail("no id of this namespace"))
    with Store(store.path) as other:
        assert isinstance(reserve(other), Busy)
        assert states(store.path) == ["open"]


def test_where_there_are_no_namespaces_the_host_is_enough(monkeypatch):
    def absent(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(leases.os, "readlink", absent)
    assert leases.here() == leases.socket.gethostname()
    assert leases.is_running(leases.here(), os.getpid())


def test_process_that_is_gone_does_not(tmp_path):
    process = run_script("print(1)", tmp_path)
    process.communicate(timeout=20)
    assert not leases.is_running(leases.here(), process.pid)
    assert leases.is_running(leases.here(), os.getpid())


CLOCK = """
    import sys, time
    from pathlib import Path

    offset, wall = float(sys.argv[2]), time.time
    time.time = lambda: wall() + offset
    from tuition.core.budget import Cost
    from tuition.core.records import Message, Reply, Request
    from tuition.core.store import Busy, Place, Reserved, Store

    bought = 0
    with Store(Path(sys.argv[1])) as store:
        for i in range(40):
            time.time = lambda i=i: wall() + offset * (i % 3)
            message = Message(role="user", content=str(i))
            request = Request(endpoint="e", model="m", messages=(message,), teacher="t")
            while True:
                outcome = store.reserve(request, Cost(nano=9, tokens=1), place=Place(run="r1")).result(60)
                if not isinstance(outcome, Busy):
                    break
                time.sleep(0.001)
            if isinstance(outcome, Reserved):
                store.settle(
                    outcome.attempt_id, Reply(text="x"), cost=Cost(nano=5, tokens=1), is_paid=True
                ).result(60)
                bought += 1
    print(bought)
"""


def test_processes_whose_clocks_jump_buy_nothing_twice(tmp_path):
    path = tmp_path / "tuition.db"
    processes = [run_script(CLOCK, path, offset) for offset in (-86400, 86400)]
    bought = [int(process.communicate(timeout=90)[0]) for process in processes]
    assert sum(bought) == 40
    assert states(path) == ["kept"] * 40
    with Store(path) as store:
        assert sums(store) == (200, 40, 40)
        outcome = store.reserve(request_of(store), WORST, place=Place(run="r2")).result(10)
        assert not isinstance(outcome, Reserved), "what is kept stays kept"


def request_of(store):
    import json

    from tuition.core.records import Request

    with store.read() as connection:
        return Request.from_json(json.loads(connection.execute("SELECT request FROM attempts").fetchone()[0]))
