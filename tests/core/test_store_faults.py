import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from ledgers import PLACE, REPLY, WORST, buy, request, reserve, run_script, settle, states, sums

from tuition.core.budget import Cost
from tuition.core.errors import StoreError
from tuition.core.store import Busy, Kept, Reserved, Store, writer
from tuition.upkeep import compact_store, verify_store

LOCKER = """
    import sqlite3, sys

    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    sys.stdin.readline()
    connection.execute("ROLLBACK")
"""


@contextlib.contextmanager
def locked(path):
    """Another process holds a transaction until the block ends."""
    process = run_script(LOCKER, path, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "locked\n"
    try:
        yield process
    finally:
        process.communicate("go\n", timeout=20)


def test_a_lock_that_goes_is_waited_for(store):
    outcome = reserve(store)
    with locked(store.path) as process:
        settled = store.settle(outcome.attempt_id, REPLY, cost=Cost(nano=5, tokens=3), is_paid=True)
        asked = store.reserve(request("b"), WORST, place=PLACE)
        assert not settled.done()
        process.stdin.write("go\n")
        process.stdin.flush()
        settled.result(30)
        assert isinstance(asked.result(30), Reserved)
    assert sums(store) == (105, 63, 2)


def test_a_lock_that_stays_is_said_and_loses_no_money(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_LOCK_S", 0.2)
    path = tmp_path / "tuition.db"
    with Store(path) as store:
        buy(store)
        outcome = reserve(store, "b")
        with locked(path):
            with pytest.raises(StoreError) as settled:
                settle(store, outcome.attempt_id)
            with pytest.raises(StoreError):
                reserve(store, "c")
            assert isinstance(store.kept([request().key]), dict), "reading goes on"
            with pytest.raises(StoreError) as opened:
                Store(path)
        assert str(settled.value) == (
            "the store could not be written: database is locked. What was settled before is safe. Another "
            "process is writing to it: wait until that ends, or end it, then start again."
        )
        assert str(opened.value).endswith(
            "cannot be opened: database is locked. Another process is writing to it: wait until that ends, "
            "or end it, then start again."
        )
        assert sums(store) == (150, 90, 2), "the call that could not be settled still counts at its worst"
        assert isinstance(reserve(store, "b"), Busy)
        settle(store, outcome.attempt_id)
        assert isinstance(reserve(store, "b"), Kept)
    assert verify_store(path).faults == ()


def test_a_lock_at_the_end_leaves_unknown_outcomes(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_LOCK_S", 0.2)
    path = tmp_path / "tuition.db"
    store = Store(path)
    reserve(store, "b")
    with locked(path):
        store.close()
    assert states(path) == ["open"]
    with Store(path) as store:
        assert isinstance(reserve(store, "b"), Busy), "the process lives, so for a minute its word holds"
        assert sums(store) == (100, 60, 1)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of eight megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Leave no room at all."""
    with (folder / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_full_disk_loses_nothing_that_was_settled(small_disk):
    path = small_disk / "tuition.db"
    with Store(path) as store:
        for i in range(20):
            buy(store, f"early {i}")
        waiting = reserve(store, "waiting")
        fill(small_disk)
        with pytest.raises(StoreError) as full:
            for i in range(1000):
                buy(store, f"late {i}")
        assert "the store could not be written: " in str(full.value)
        assert str(full.value).endswith(
            "What was settled before is safe. Make room on its disk, then start again."
        )
        kept_late = [name for name in range(1000) if store.kept([request(f"late {name}").key])]
        with pytest.raises(StoreError, match="Make room on its disk"):
            settle(store, waiting.attempt_id)
        (small_disk / "ballast").unlink()
        settle(store, waiting.attempt_id)
        buy(store, "after")
        assert len(store.kept([request(f"early {i}").key for i in range(20)])) == 20
    with Store(path) as store:
        spent = sums(store)
        assert isinstance(reserve(store, "waiting"), Kept)
        for name in kept_late:
            assert isinstance(reserve(store, f"late {name}"), Kept)
        assert spent[2] >= 22 + len(kept_late)
    assert verify_store(path).faults == ()


def test_full_disk_at_the_opening(small_disk):
    fill(small_disk)
    with pytest.raises(StoreError, match=r"cannot be opened: .*Make room on its disk, then start again\."):
        Store(small_disk / "tuition.db")
    (small_disk / "ballast").unlink()
    Store(small_disk / "tuition.db").close()


def test_full_disk_while_made_smaller(small_disk):
    path = small_disk / "tuition.db"
    with Store(path) as store:
        for i in range(60):
            buy(store, f"{i} " + "words " * 1500)
    with (small_disk / "ballast").open("wb") as file:
        file.write(b"x" * (shutil.disk_usage(small_disk).free - 300_000))
    with pytest.raises(StoreError, match=r"cannot be written anew: .* Nothing in it is lost; .*make room"):
        compact_store(path)
    (small_disk / "ballast").unlink()
    assert verify_store(path).faults == ()
    assert states(path) == ["kept"] * 60


def test_store_whose_file_cannot_be_opened_for_writing_says_so_at_once(tmp_path):
    script = """
        import os, resource, sys
        from pathlib import Path
        from tuition.core.errors import StoreError
        from tuition.core.store.writer import Writer

        opened = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
        while True:
            try:
                opened.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        try:
            Writer(Path(sys.argv[1]), beat=lambda c: None, last=lambda c: None)
        except StoreError as error:
            print(error)
    """
    Store(tmp_path / "tuition.db").close()
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "tuition.db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "cannot be written: unable to open database file" in said.stdout


def test_reply_that_came_while_the_store_was_locked_is_settled_once(store):
    outcome = reserve(store)
    with locked(store.path):
        first = store.settle(outcome.attempt_id, REPLY, cost=Cost(nano=5, tokens=3), is_paid=True)
        second = store.settle(outcome.attempt_id, REPLY, cost=Cost(nano=5, tokens=3), is_paid=True)
    first.result(20)
    with pytest.raises(StoreError, match="a reservation is settled once"):
        second.result(20)
    assert sums(store) == (5, 3, 1)
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM replies").fetchone() == (1,)
