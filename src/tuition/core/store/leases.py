"""Leases: an open attempt belongs to its owner, one open store of one process, while the heartbeat goes on.

When it stops, the attempts that it left open become unknown outcomes, and other processes need not wait for
them. Knows no price and no request.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time

__all__ = ["LEASE_S", "announce", "forget_dead", "here", "is_alive", "is_running"]

LEASE_S = 60.0
"""Without a heartbeat for this long an owner is dead; one whose process is gone from this host, at once."""


def here() -> str:
    """Name the host, and on Linux the namespace of process ids: a container may share its host's name."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def announce(connection: sqlite3.Connection, owner: str) -> None:
    """Write an owner's heartbeat, by the wall clock and by the steady clock of this host."""
    connection.execute(
        "INSERT INTO owners VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (owner) DO UPDATE SET heartbeat = excluded.heartbeat, beat = excluded.beat",
        (owner, here(), os.getpid(), time.time(), time.monotonic()),
    )


def forget_dead(connection: sqlite3.Connection, owner: str | None = None) -> None:
    """Turn the open attempts of dead owners, or of this one, into unknown outcomes, charged at their worst.

    The attempts of a batch stay open: its provider answers them also when the process that sent them is dead.
    """
    rows = connection.execute("SELECT DISTINCT owner FROM attempts WHERE state = 'open' AND batch = ''")
    names = [row["owner"] for row in rows.fetchall()]
    dead = [name for name in names if name == owner or not is_alive(connection, name)]
    connection.executemany(
        "UPDATE attempts SET state = 'unknown' WHERE state = 'open' AND batch = '' AND owner = ?",
        [(name,) for name in dead],
    )


def is_alive(connection: sqlite3.Connection, owner: str) -> bool:
    """Whether an owner's lease holds, so that it may still settle what it reserved."""
    row = connection.execute("SELECT * FROM owners WHERE owner = ?", (owner,)).fetchone()
    if row is None:
        return False
    # The steady clock of another host cannot be read here; its wall clock is near ours.
    if row["host"] != here():
        return time.time() - row["heartbeat"] <= LEASE_S
    # On this host the steady clock decides, because the wall clock may be set. It starts anew with the
    # machine, so that a heartbeat later than now was written before a restart.
    return 0 <= time.monotonic() - row["beat"] <= LEASE_S and is_running(row["host"], row["pid"])


def is_running(host: str, pid: int) -> bool:
    """Whether a process exists; True also where this cannot be told, as on another host."""
    if host != here():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's, so it exists
    return True
