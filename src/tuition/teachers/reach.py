"""Say which teachers' endpoints take a connection at all; nothing is sent, so nothing can be charged."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tuition.teachers.config import TeacherConfig

__all__ = ["out_of_reach_first"]

_WAIT_S = 2.0
_PORTS = {"http": 80, "https": 443}


def out_of_reach_first(tables: Sequence[TeacherConfig]) -> list[str]:
    """Order teachers for asking by name: those whose endpoint took no connection within two seconds first.

    One that cannot be asked ends a run, and should before others are paid. One alone is not tried.
    """
    if len(tables) < 2:
        return [table.name for table in tables]
    with ThreadPoolExecutor(len(tables)) as pool:
        takes = list(pool.map(_takes_connections, tables))
    return [table.name for _, table in sorted(zip(takes, tables, strict=True), key=lambda pair: pair[0])]


def _takes_connections(table: TeacherConfig) -> bool:
    """Whether its endpoint does; one behind a proxy may not from here, and is then only asked first."""
    if table.kind != "chat":
        return True
    try:
        url = urlsplit(table.base_url)
        address = (url.hostname or "", url.port or _PORTS.get(url.scheme, 0))
        socket.create_connection(address, timeout=_WAIT_S).close()
    except (OSError, ValueError):
        return False
    return True
