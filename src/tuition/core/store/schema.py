"""The tables of the store, their version, and the way from an older one.

Knows no row's meaning; docs/concepts/store.md describes the tables.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from itertools import chain
from pathlib import Path

from tuition.core.errors import StoreError, some_of
from tuition.core.store.leases import LEASE_S, here, is_running

__all__ = ["SCHEMA_VERSION", "set_up", "version_of"]

SCHEMA_VERSION = 2
_OPENING_S = 20.0
"""How long to try to open a file that other processes open at the same moment."""

_ATTEMPTS = """
CREATE TABLE IF NOT EXISTS {name} (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, sample INTEGER NOT NULL,
  run TEXT NOT NULL, round INTEGER NOT NULL, run_group TEXT NOT NULL,
  teacher TEXT NOT NULL, role TEXT NOT NULL,
  prompt TEXT NOT NULL, example_id TEXT NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT NULL,
  tag TEXT NOT NULL DEFAULT '', batch TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'kept', 'failed', 'unknown', 'lost')),
  price TEXT, worst_nano INTEGER, worst_tokens INTEGER NOT NULL,
  cost_nano INTEGER, paid_nano INTEGER, tokens INTEGER,
  prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER, reasoning_tokens INTEGER,
  is_estimated INTEGER,
  returned_model TEXT, latency_s REAL, started_at REAL NOT NULL, ended_at REAL,
  failure TEXT, request TEXT NOT NULL, headers TEXT, raw TEXT
) STRICT
"""
# What is wide stands last, so that counting money reads no further than the first page of a row.

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    """
    CREATE TABLE IF NOT EXISTS owners (
      owner TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, heartbeat REAL NOT NULL,
      beat REAL NOT NULL
    ) STRICT
    """,
    _ATTEMPTS.format(name="attempts"),
    "CREATE INDEX IF NOT EXISTS attempts_key ON attempts (key)",
    "CREATE INDEX IF NOT EXISTS attempts_run ON attempts (run)",
    "CREATE INDEX IF NOT EXISTS attempts_tag ON attempts (tag) WHERE tag != ''",
    "CREATE INDEX IF NOT EXISTS attempts_unknown ON attempts (endpoint) WHERE state = 'unknown'",
    """
    CREATE INDEX IF NOT EXISTS attempts_open ON attempts (batch, owner, run, round, run_group, teacher)
      WHERE state = 'open'
    """,
    """
    CREATE TABLE IF NOT EXISTS replies (
      key TEXT PRIMARY KEY, sample INTEGER NOT NULL,
      attempt_id INTEGER NOT NULL REFERENCES attempts (id), reply TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS uses (
      run TEXT NOT NULL, key TEXT NOT NULL, round INTEGER NOT NULL, teacher TEXT NOT NULL, role TEXT NOT NULL,
      PRIMARY KEY (run, key)
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS sums (
      scope TEXT PRIMARY KEY, nano INTEGER NOT NULL, tokens INTEGER NOT NULL, calls INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS batches (
      name TEXT PRIMARY KEY, run TEXT NOT NULL, teacher TEXT NOT NULL, endpoint TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('made', 'sent', 'over')),
      remote TEXT, made_at REAL NOT NULL, ended_at REAL
    ) STRICT
    """,
    # Came later than schema 2, which a program that does not know it can go on using.
    "CREATE TABLE IF NOT EXISTS openings (run TEXT PRIMARY KEY, test TEXT NOT NULL) STRICT",
)

_OLD_COLUMNS = (
    "id, key, sample, run, round, run_group, teacher, role, prompt, example_id, endpoint, model, owner, "
    "state, price, worst_nano, worst_tokens, cost_nano, paid_nano, tokens, prompt_tokens, cached_tokens, "
    "completion_tokens, reasoning_tokens, is_estimated, returned_model, latency_s, started_at, ended_at, "
    "failure, request, headers, raw"
)

_STEPS = {
    # SQLite cannot alter a CHECK: a new table takes the rows, and then the name.
    1: (
        _ATTEMPTS.format(name="attempts_2"),
        f"INSERT INTO attempts_2 ({_OLD_COLUMNS}) SELECT {_OLD_COLUMNS} FROM attempts",
        "DROP TABLE attempts",
        "ALTER TABLE attempts_2 RENAME TO attempts",
        "DROP TABLE owners",
    )
}
"""What brings a file of a version up to the next."""


def set_up(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none, bring older ones up to this version, check that they are ours.

    A file of another program, or of a newer version of the schema, is a StoreError and stays as it is. Before
    an older one is brought up, a copy of it is made beside it.
    """
    version_of(connection)
    _use_wal(connection)
    # dropping a table must not delete rows that refer to it: the new one gets its name at once
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    # commits at the end, or rolls back
    with connection:
        if (version := version_of(connection)) < SCHEMA_VERSION:
            _refuse_company(connection, version)
            _back_up(connection, version)
            for statement in chain.from_iterable(_STEPS[n] for n in range(version, SCHEMA_VERSION)):
                connection.execute(statement)
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the journal; SQLite does not wait by itself where several processes open a new file at once."""
    deadline = time.monotonic() + _OPENING_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def version_of(connection: sqlite3.Connection) -> int:
    """Read the version before anything is written: a file of another program must not get our tables."""
    tables = {
        row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    if not tables:
        return SCHEMA_VERSION
    if not {"meta", "attempts", "replies"} <= tables:
        raise StoreError(
            f"it is an SQLite file of another program, with the tables {some_of(sorted(tables))}; "
            "name a file that does not exist yet."
        )
    row = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    found = "none" if row is None else row["value"]
    if not str(found).isdigit() or not 1 <= int(found) <= SCHEMA_VERSION:
        raise StoreError(
            f"schema version {found} found, this program reads 1 to {SCHEMA_VERSION}; "
            "use the version of tuition that made it, or begin a new store."
        )
    return int(found)


def _refuse_company(connection: sqlite3.Connection, version: int) -> None:
    """Refuse to change tables while an older version of the program has the file open."""
    for row in connection.execute("SELECT host, pid, heartbeat FROM owners"):
        # Version 1 wrote the bare name of the host.
        host = here() if row["host"] == socket.gethostname() else row["host"]
        is_fresh = abs(time.time() - row["heartbeat"]) <= LEASE_S and (host, row["pid"]) != (
            here(),
            os.getpid(),
        )
        if is_fresh and is_running(host, row["pid"]):
            raise StoreError(
                f"schema version {version} found, and process {row['pid']} on {row['host']!r}, an older "
                "tuition, has it open; end that process, or wait a minute after it closed the store, then "
                "start again."
            )


def _back_up(connection: sqlite3.Connection, version: int) -> None:
    """Copy the file as it is; the copy gets its name when it is whole."""
    path = Path(connection.execute("PRAGMA database_list").fetchone()["file"])
    copy = path.with_name(f"{path.stem}.schema-{version}-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    draft = copy.with_name(f"{copy.name}.draft")
    draft.unlink(missing_ok=True)
    # a second connection: it sees the file without this transaction, and does not wait for it
    with (
        contextlib.closing(sqlite3.connect(path)) as reader,
        contextlib.closing(sqlite3.connect(draft)) as new,
    ):
        reader.backup(new)
    draft.replace(copy)
