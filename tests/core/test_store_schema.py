import contextlib
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import PLACE, REPLY, WORST, buy, request, reserve, run_script, sums

from tuition.core.errors import StoreError
from tuition.core.records import Request
from tuition.core.store import (
    Cap,
    Kept,
    Left,
    Place,
    Reserved,
    Store,
    kept_of,
    leases,
    ledger,
    reading,
    schema,
    spend_of,
)
from tuition.core.store.sums import refusal
from tuition.upkeep import verify_store

VERSION_1 = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS owners (
  owner TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, heartbeat REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS attempts (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, sample INTEGER NOT NULL,
  run TEXT NOT NULL, round INTEGER NOT NULL, run_group TEXT NOT NULL,
  teacher TEXT NOT NULL, role TEXT NOT NULL,
  prompt TEXT NOT NULL, example_id TEXT NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT NULL,
  request TEXT NOT NULL, owner TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'kept', 'failed', 'unknown')),
  price TEXT, worst_nano INTEGER, worst_tokens INTEGER NOT NULL,
  cost_nano INTEGER, paid_nano INTEGER, tokens INTEGER,
  prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER, reasoning_tokens INTEGER,
  is_estimated INTEGER,
  failure TEXT, returned_model TEXT, latency_s REAL, headers TEXT, raw TEXT,
  started_at REAL NOT NULL, ended_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_key ON attempts (key);
CREATE INDEX IF NOT EXISTS attempts_run ON attempts (run);
CREATE INDEX IF NOT EXISTS attempts_open ON attempts (run, owner) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS replies (
  key TEXT PRIMARY KEY, sample INTEGER NOT NULL,
  attempt_id INTEGER NOT NULL REFERENCES attempts (id), reply TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS uses (
  run TEXT NOT NULL, key TEXT NOT NULL, round INTEGER NOT NULL, teacher TEXT NOT NULL, role TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT;
CREATE TABLE IF NOT EXISTS sums (
  scope TEXT PRIMARY KEY, nano INTEGER NOT NULL, tokens INTEGER NOT NULL, calls INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES ('schema_version', '1')
"""
TABLES = ("attempts", "replies", "uses", "sums")


def old_store(path, calls):
    """Write a file as version 1 did; each call is a state, its worst and its real cost."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        connection.execute("INSERT INTO owners VALUES ('old', 'elsewhere', 1, 1.0)")
        for i, (state, worst, real) in enumerate(calls, start=1):
            asked = request(str(i))
            # The requests of version 1 had no tag.
            text = json.dumps({name: v for name, v in asked.to_json().items() if name != "tag"})
            is_settled = state in ("kept", "failed")
            nano = real if is_settled else None
            numbers = (worst, worst, nano, nano, nano)
            failure = json.dumps({"kind": "server", "message": "no"}) if state == "failed" else None
            connection.execute(
                "INSERT INTO attempts VALUES (?, ?, 0, 'r1', 0, '', 't', 'rationale', '', ?, ?, 'm', ?, "
                "'old', ?, NULL, ?, ?, ?, ?, ?, 1, 0, 1, 0, 0, ?, 'm', 0.5, '{}', 'body', 100.0, 101.0)",
                (i, asked.key, asked.example_id, asked.endpoint, text, state, *numbers, failure),
            )
            held = real if is_settled else worst
            for scope in PLACE.scopes("t"):
                connection.execute(
                    "INSERT INTO sums VALUES (?, ?, ?, 1) ON CONFLICT (scope) DO UPDATE SET "
                    "nano = nano + excluded.nano, tokens = tokens + excluded.tokens, calls = calls + 1",
                    (scope, held, held),
                )
            if state == "kept":
                reply = json.dumps({"text": f"answer {i}"})
                connection.execute("INSERT INTO replies VALUES (?, 0, ?, ?)", (asked.key, i, reply))
                connection.execute("INSERT INTO uses VALUES ('r1', ?, 0, 't', 'rationale')", (asked.key,))


def rows_of(path, table, columns="*"):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT {columns} FROM {table} ORDER BY rowid")]


CALLS = [("kept", 100, 50), ("failed", 100, 0), ("unknown", 70, 0), ("open", 30, 0), ("failed", 90, 20)]


def test_version_1_comes_up_with_every_row(tmp_path):
    path = tmp_path / "tuition.db"
    old_store(path, CALLS)
    before = {table: rows_of(path, table) for table in TABLES}
    with Store(path) as store:
        assert [row["state"] for row in rows_of(path, "attempts")] == [
            *("kept", "failed", "unknown", "unknown", "failed")
        ], "the open call of an owner that is gone is an unknown outcome"
        assert sums(store) == (50 + 0 + 70 + 30 + 20, 170, 5)
        assert reserve(store, "1") == Kept(reply=store.kept([request("1").key])[request("1").key])
        assert reserve(store, "3", asks_again=False) == Left(attempt_id=3)
        assert isinstance(reserve(store, "new"), Reserved)
    after = {table: rows_of(path, table) for table in TABLES}
    for table in ("replies", "uses"):
        assert after[table] == before[table]
    for old, new in zip(before["attempts"], after["attempts"], strict=False):
        assert {**old, "state": new["state"], "tag": "", "batch": ""} == new
    assert rows_of(path, "meta") == [{"name": "schema_version", "value": "2"}]
    assert verify_store(path).faults == ()


def test_a_store_is_copied_before_it_is_brought_up(tmp_path):
    path = tmp_path / "tuition.db"
    old_store(path, CALLS)
    before = {table: rows_of(path, table) for table in (*TABLES, "meta", "owners")}
    Store(path).close()
    [copy] = tmp_path.glob("tuition.schema-1-*.db")
    assert {table: rows_of(copy, table) for table in before} == before
    Store(path).close()
    assert sorted(tmp_path.glob("*.db")) == sorted([copy, path]), "a store of today is not copied"


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_read_alone_stays_as_it_is(tmp_path):
    path = tmp_path / "tuition.db"
    with Store(path) as store:
        buy(store, "1")
        with reading(path) as connection:
            assert kept_of(connection, [request("1").key, "absent"]).keys() == {request("1").key}
            assert spend_of(connection, PLACE.run).calls == 1
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.executescript("DELETE FROM replies")
    before = files_of(tmp_path)
    with reading(path) as connection:
        assert spend_of(connection, PLACE.run).calls == 1
    assert files_of(tmp_path) == before


def test_a_store_of_version_1_is_read_and_not_brought_up(tmp_path):
    path = tmp_path / "tuition.db"
    old_store(path, CALLS)
    before = files_of(tmp_path)
    with reading(path) as connection:
        assert len(kept_of(connection, [row["key"] for row in connection.execute("SELECT key FROM replies")]))
        assert spend_of(connection, "r1").calls
    assert files_of(tmp_path) == before


def test_what_is_absent_reads_as_empty_and_what_is_not_ours_is_refused(tmp_path):
    with reading(tmp_path / "tuition.db") as connection:
        assert kept_of(connection, ["absent"]) == {}
        assert spend_of(connection, "r1").usd == 0.0
    assert not any(tmp_path.iterdir())
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="another program"), reading(other):
        pass


def test_a_store_that_cannot_be_copied_stays_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "tuition.db"
    old_store(path, CALLS)

    def no_room(self, other):
        raise OSError("No space left on device")

    monkeypatch.setattr(schema.Path, "replace", no_room)
    with pytest.raises(
        StoreError, match=r"cannot be opened: No space left on device\. Make room on its disk"
    ):
        Store(path)
    assert rows_of(path, "meta")[0]["value"] == "1"


def test_a_store_brought_up_has_the_tables_of_a_new_one(tmp_path):
    old_store(tmp_path / "old.db", CALLS)
    for name in ("old.db", "new.db"):
        Store(tmp_path / name).close()

    def shape(path):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            tables = [
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            indexes = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql != ''"
            )
            return (
                {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in tables},
                sorted(indexes),
                connection.execute("SELECT sql FROM sqlite_master WHERE name = 'attempts'").fetchone()[0][
                    -800:
                ],
            )

    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["kept", "failed", "unknown", "open"]),
            st.integers(0, 2**50),
            st.integers(0, 2**50),
        ),
        max_size=8,
    )
)
def test_no_number_changes_on_the_way_from_version_1(tmp_path_factory, calls):
    path = tmp_path_factory.mktemp("old") / "tuition.db"
    old_store(path, calls)
    columns = "key, sample, worst_nano, worst_tokens, cost_nano, paid_nano, tokens, failure, raw, started_at"
    before = (rows_of(path, "attempts", columns), rows_of(path, "replies"), rows_of(path, "sums"))
    Store(path).close()
    assert (rows_of(path, "attempts", columns), rows_of(path, "replies"), rows_of(path, "sums")) == before
    assert verify_store(path).faults == ()


def test_nothing_is_half_brought_up(tmp_path, monkeypatch):
    path = tmp_path / "tuition.db"
    old_store(path, CALLS)
    before = rows_of(path, "attempts")
    steps = {**schema._STEPS, 1: (*schema._STEPS[1], "SELECT * FROM nowhere")}
    monkeypatch.setattr(schema, "_STEPS", steps)
    with pytest.raises(StoreError, match="cannot be opened: no such table: nowhere"):
        Store(path)
    assert rows_of(path, "attempts") == before
    assert rows_of(path, "meta")[0]["value"] == "1"
    monkeypatch.undo()
    Store(path).close()
    assert rows_of(path, "meta")[0]["value"] == "2"


@pytest.mark.parametrize(
    ("host", "pid"),
    [(leases.socket.gethostname(), os.getppid()), ("elsewhere", 1), ("elsewhere", os.getpid())],
    # Process ids differ from worker to worker, and names of tests may not.
    ids=["here", "elsewhere", "elsewhere, our id"],
)
def test_a_living_process_of_version_1_is_left_in_peace(tmp_path, host, pid):
    path = tmp_path / "tuition.db"
    old_store(path, CALLS)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO owners VALUES ('alive', ?, ?, ?)", (host, pid, time.time()))
    with pytest.raises(
        StoreError, match=rf"schema version 1 found, and process {pid} on .* end that process"
    ):
        Store(path)
    assert rows_of(path, "meta")[0]["value"] == "1"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE owners SET heartbeat = heartbeat - 61")
    Store(path).close()
    assert rows_of(path, "meta")[0]["value"] == "2"


def test_a_process_of_version_1_that_is_gone_hinders_nobody(tmp_path):
    path = tmp_path / "tuition.db"
    old_store(path, CALLS)
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=subprocess.PIPE)
    owner = ("gone", leases.socket.gethostname(), int(process.stdout), time.time())
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO owners VALUES (?, ?, ?, ?)", owner)
    Store(path).close()
    assert rows_of(path, "meta")[0]["value"] == "2"


OPENER = """
    import sys
    from pathlib import Path
    from tuition.core.store import Store

    print("ready", flush=True)
    sys.stdin.readline()
    Store(Path(sys.argv[1])).close()
"""


def test_version_1_can_be_opened_by_many_processes_at_once(tmp_path):
    path = tmp_path / "tuition.db"
    old_store(path, CALLS)
    processes = [run_script(OPENER, path, stdin=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * 3
    assert len(rows_of(path, "attempts")) == len(CALLS)


def test_tag_stands_beside_the_key(store):
    tagged = Request.from_json({**request().to_json(), "tag": "abc"})
    assert tagged.key == request().key
    outcome = store.reserve(tagged, WORST, place=PLACE).result(10)
    with store.read() as connection:
        row = connection.execute("SELECT tag, batch, key FROM attempts").fetchone()
    assert tuple(row) == ("abc", "", request().key)
    assert outcome.attempt_id == 1


def plans(store, act):
    """What SQLite says of each question that an act asks."""
    asked = []
    with store.read() as connection:
        connection.execute("PRAGMA query_only = OFF")
        connection.execute("BEGIN")
        connection.set_trace_callback(asked.append)
        act(connection)
        connection.set_trace_callback(None)
        said = {}
        for question in asked:
            if question.split()[0] in ("SELECT", "UPDATE"):
                rows = connection.execute(f"EXPLAIN QUERY PLAN {question}").fetchall()
                said[question] = [row["detail"] for row in rows]
        connection.execute("ROLLBACK")
    return said


def test_nothing_done_for_a_call_reads_the_whole_table(store):
    buy(store)
    outcome = reserve(store, "b")
    store.open_batch("b1", place=PLACE, teacher="t", endpoint="e").result(10)
    cap = Cap(scope="r1", nano=120)

    def everything(connection):
        leases.announce(connection, "somebody")
        leases.forget_dead(connection)
        leases.forget_dead(connection, "somebody")
        for name in ("a", "b", "c"):
            ledger.earlier(connection, request(name).key, PLACE, asks_again=True)
        assert refusal(connection, WORST, [cap]) is not None
        ledger.insert_attempt(connection, request("d"), WORST, place=PLACE, price=None, owner="o", batch="b1")
        ledger.close_attempt(connection, outcome.attempt_id, REPLY, cost=WORST, is_paid=True)

    said = plans(store, everything)
    assert len(said) > 8
    whole = {question: plan for question, plan in said.items() if any(_is_scan(line) for line in plan)}
    assert whole == {}


def _is_scan(line):
    # An index that holds the open attempts alone is as short as the calls under way are few.
    return line.startswith("SCAN") and "attempts_open" not in line


def test_money_of_a_run_reads_that_run_alone(store):
    for i, run in itertools.product(range(3), ("r1", "r2")):
        buy(store, f"{run}{i}", place=Place(run=run))
    said = plans(store, lambda connection: store_spend(connection))
    assert len(said) == 2
    for plan in said.values():
        assert not [line for line in plan if line.startswith("SCAN") and "subquery" not in line.lower()]


def store_spend(connection):
    assert spend_of(connection, "r1").calls == 3


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ("tag = ? AND tag != ''", "attempts_tag"),
        ("state = 'unknown' AND endpoint = ?", "attempts_unknown"),
        ("state = 'open' AND batch = ?", "attempts_open"),
        ("key = ?", "attempts_key"),
    ],
)
def test_every_question_of_the_upkeep_has_its_index(store, where, index):
    with store.read() as connection:
        rows = connection.execute(
            f"EXPLAIN QUERY PLAN SELECT * FROM attempts WHERE {where}", ("x",)
        ).fetchall()
    assert [row["detail"].split(" (")[0] for row in rows] == [f"SEARCH attempts USING INDEX {index}"]
