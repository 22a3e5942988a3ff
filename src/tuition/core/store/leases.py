"""Who has the store open, who of them is alive, and what becomes of the calls of the dead.

An owner is one open store of one process. Knows no price and no request.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time

__all__ = ["LEASE_S", "announce", "forget_dead", "here", "is_alive", "is_running"]

LEASE_S = 60.0
"""An owner silent for this long is taken for dead; one whose process is gone from this host, at once."""


def here() -> str:
    """Name what the id of this process is unique in.

    Returns:
        The host, and on Linux the namespace of process ids too: a container may share its host's name and
        still number its processes anew.
    """
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def announce(connection: sqlite3.Connection, owner: str) -> None:
    """Say that an owner is alive.

    Args:
        connection: In a transaction.
        owner: Names one open store of one process.
    """
    connection.execute(
        "INSERT INTO owners VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (owner) DO UPDATE SET heartbeat = excluded.heartbeat, beat = excluded.beat",
        (owner, here(), os.getpid(), time.time(), time.monotonic()),
    )


def forget_dead(connection: sqlite3.Connection, owner: str | None = None) -> None:
    """Turn the open attempts of the dead into unknown outcomes, charged at their worst.

    The attempts of a batch are left alone: its provider answers them whatever process died.

    Args:
        connection: In a transaction.
        owner: This owner is leaving, whether alive or not; None: look at all of them.
    """
    rows = connection.execute("SELECT DISTINCT owner FROM attempts WHERE state = 'open' AND batch = ''")
    names = [row["owner"] for row in rows.fetchall()]
    dead = [name for name in names if name == owner or not is_alive(connection, name)]
    connection.executemany(
        "UPDATE attempts SET state = 'unknown' WHERE state = 'open' AND batch = '' AND owner = ?",
        [(name,) for name in dead],
    )


def is_alive(connection: sqlite3.Connection, owner: str) -> bool:
    """Say whether an owner may still settle what it reserved.

    On this host the steady clock decides, so that setting the wall clock kills nobody and revives nobody; it
    begins anew when the machine does, and a beat after now is from before. Another host's is not ours to
    read: there the wall clock decides.

    Args:
        connection: To the store.
        owner: Its name.

    Returns:
        False for one who was silent for `LEASE_S`, whose process is gone, or who was never announced.
    """
    row = connection.execute("SELECT * FROM owners WHERE owner = ?", (owner,)).fetchone()
    if row is None:
        return False
    if row["host"] != here():
        return time.time() - row["heartbeat"] <= LEASE_S
    return 0 <= time.monotonic() - row["beat"] <= LEASE_S and is_running(row["host"], row["pid"])


def is_running(host: str, pid: int) -> bool:
    """Say whether a process exists.

    Args:
        host: Where it runs, as `here` names it.
        pid: Its id there.

    Returns:
        True also where nobody can tell: on another host, or another user's.
    """
    if host != here():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
