"""Group replies by question, however far apart they stand in the files.

The replies wait in a temporary database on disk, so that memory stays flat.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tuition.exchange.rows import TERMS, BadRow, Row

__all__ = ["RepliesByQuestion"]

_TABLES = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE heads (n INTEGER PRIMARY KEY, id BLOB UNIQUE, head TEXT);
    CREATE TABLE samples (head INTEGER, n INTEGER, teacher TEXT, sample TEXT, PRIMARY KEY (head, n))
        WITHOUT ROWID;
    CREATE TABLE faults (n INTEGER PRIMARY KEY, place TEXT, fault TEXT);
"""
_SAME = ("question", "context", "choices")


class RepliesByQuestion:
    """Rows of the recorded form, added one by one, and read with all replies to a question in one row."""

    def __init__(self) -> None:
        # an empty name makes SQLite use a temporary file once the rows outgrow its cache
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")
        self.replies: Counter[str] = Counter()
        """How many were added, by teacher."""
        self.licences: dict[str, dict[str, None]] = {}
        """The licences that stand with the replies, by teacher."""
        self.barred: set[str] = set()
        """Teachers of whom a reply says that it must not be trained on."""
        self.labelled = 0
        """Questions whose label is known."""
        self.skipped = 0
        """How many faults were set aside."""

    def __enter__(self) -> RepliesByQuestion:
        return self

    def __exit__(self, *exception: object) -> None:
        self._db.close()

    def add(self, row: Row) -> None:
        """Add a row; a BadRow: an earlier row has the same id and another question or another label."""
        head = {name: value for name, value in row.items() if name != "rationales"}
        n = self._question_of(head)
        rationales: Any = row["rationales"]
        for teacher, entry in rationales.items():
            terms = {name: entry[name] for name in TERMS if name in entry}
            for said in entry.get("samples") or [entry]:
                sample = {**terms, **said}
                self.replies[teacher] += 1
                if isinstance(licence := sample.get("licence"), str) and licence:
                    self.licences.setdefault(teacher, {})[licence] = None
                if sample.get("train_on_outputs") not in (None, True):
                    self.barred.add(teacher)
                values = (n, self.replies.total(), json.dumps(teacher), json.dumps(sample))
                self._db.execute("INSERT INTO samples VALUES (?, ?, ?, ?)", values)

    def _question_of(self, head: Row) -> int:
        """The number of a question, which is added where it is new."""
        key = str(head["id"]).encode()
        found = self._db.execute("SELECT n, head FROM heads WHERE id = ?", (key,)).fetchone()
        if found is None:
            self.labelled += head.get("answer") is not None
            cursor = self._db.execute("INSERT INTO heads (id, head) VALUES (?, ?)", (key, json.dumps(head)))
            return int(cursor.lastrowid or 0)
        n, before = found[0], json.loads(found[1])
        if any((before.get(name) or None) != (head.get(name) or None) for name in _SAME):
            raise BadRow(f"has the id {head['id']!r} of an earlier row, and another question")
        old, new = before.get("answer"), head.get("answer")
        if old is not None and new is not None and old != new:
            raise BadRow(f"labels {head['id']!r} {new!r}, and an earlier row labels it {old!r}")
        if old is None and new is not None:
            self.labelled += 1
            self._db.execute("UPDATE heads SET head = ? WHERE n = ?", (json.dumps({**before, **head}), n))
        return n

    def set_aside(self, place: str, fault: str) -> None:
        """Note a row that cannot be used: where it stands, and why."""
        self.skipped += 1
        self._db.execute("INSERT INTO faults (place, fault) VALUES (?, ?)", (place, fault))

    def faults(self) -> Iterator[Row]:
        """Give `place` and `fault` of what was set aside, in order."""
        for place, fault in self._db.execute("SELECT place, fault FROM faults ORDER BY n"):
            yield {"place": place, "fault": fault}

    def rows(self) -> Iterator[Row]:
        """Give one row a question, in the order of their first appearance.

        Samples of a teacher go by their number where they have one, else in the order of their addition.
        """
        for n, head in self._db.execute("SELECT n, head FROM heads ORDER BY n"):
            said: dict[str, list[Any]] = {}
            query = "SELECT teacher, sample FROM samples WHERE head = ? ORDER BY n"
            for teacher, sample in self._db.execute(query, (n,)):
                said.setdefault(json.loads(teacher), []).append(json.loads(sample))
            for samples in said.values():
                if all(isinstance(sample.get("sample"), int) for sample in samples):
                    samples.sort(key=lambda sample: sample["sample"])
            rationales = {
                name: samples[0] if len(samples) == 1 else {**samples[0], "samples": samples}
                for name, samples in said.items()
            }
            yield {**json.loads(head), "rationales": rationales}
