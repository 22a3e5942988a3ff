"""Read a list of charges of a provider, a gateway or the playground's server: one row a call."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuition.core.errors import DataError
from tuition.core.records import Json, Record, Usage
from tuition.core.rows import read_rows

__all__ = ["Charge", "Charges", "call_of", "moment_of", "read_charges"]

_PROMPT = ("prompt_tokens", "input_tokens")
_COMPLETION = ("completion_tokens", "output_tokens")
_CACHED = ("cached_tokens", "input_cached_tokens", "cache_read_input_tokens")
_TIME = ("time", "timestamp", "created", "created_at")
_MOST = 1_000_000_000
"""More tokens than any one call has."""
_UNITS = (1, 1e3, 1e6, 1e9)
"""Times in seconds, and in thousandths, millionths and so on, which their size tells apart."""
_YEAR_5138 = 1e11
_TAG = ("tag", "client_request_id", "custom_id", "metadata.tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge(Record):
    """The charge of one tag."""

    tag: str
    """Name of the attempt; empty: the list does not say."""
    usage: Usage
    has_cached: bool = False
    """Whether the list says how much of the prompt was cached."""
    time: float | None = None
    """Seconds since 1970; None: the list does not say."""
    rows: int = 1
    """How many rows of the list it stands in."""


def read_charges(path: Path) -> Iterator[Charge]:
    """Read one charge a row; lines that report an error and count no tokens are passed over.

    The name of the attempt is in `tag`, `client_request_id`, `custom_id` or `metadata.tag`; tokens are in
    `prompt_tokens` or `input_tokens` and so on, in the row or in its `usage`, as batch outputs have them.
    """
    for number, row in enumerate(read_rows(path), start=1):
        place = f"{str(path)!r} row {number}"
        counts = _counts(row)
        prompt, completion = (_number(counts, names, place=place) for names in (_PROMPT, _COMPLETION))
        if prompt is None and completion is None:
            if _is_error(row):
                continue
            raise DataError(
                f"{place} says no tokens; expected {' or '.join(_PROMPT)} and {' or '.join(_COMPLETION)}. "
                "Is it a list of single calls, and not of sums by day?"
            )
        cached = _number(counts, _CACHED, place=place)
        if "cache_read_input_tokens" in counts:
            # Anthropic counts what it read from and wrote to the cache beside the input, not within it.
            written = _number(counts, ("cache_creation_input_tokens",), place=place)
            prompt = (prompt or 0) + (cached or 0) + (written or 0)
        usage = Usage(prompt_tokens=prompt or 0, cached_tokens=cached or 0, completion_tokens=completion or 0)
        tag = _first(row, _TAG)
        yield Charge(
            tag="" if tag is None else str(tag),
            usage=usage,
            has_cached=cached is not None,
            time=_time(_first(row, _TIME), place=place),
        )


def _is_error(row: Mapping[str, Json]) -> bool:
    """Whether a row reports that its call failed, as some lines of a batch's output do."""
    response, result = row.get("response"), row.get("result")
    if isinstance(response, Mapping):
        body = response.get("body")
        is_error = isinstance(body, Mapping) and bool(body.get("error"))
        return is_error or bool(row.get("error")) or response.get("status_code", 200) != 200
    if isinstance(result, Mapping) and result.get("type", "succeeded") != "succeeded":
        return True
    return bool(row.get("error")) or ("usage" in row and row["usage"] is None)


def _counts(row: Mapping[str, Json]) -> Mapping[str, Json]:
    """The part of a row that holds the tokens, the details of its prompt beside them."""
    for path in (("usage",), ("response", "body", "usage"), ("result", "message", "usage"), ()):
        counts: Json = row
        for step in path:
            counts = counts.get(step) if isinstance(counts, Mapping) else None
        if isinstance(counts, Mapping) and any(name in counts for name in (*_PROMPT, *_COMPLETION)):
            details = counts.get("prompt_tokens_details") or counts.get("input_tokens_details")
            return {**details, **counts} if isinstance(details, Mapping) else counts
    return {}


def _first(row: Mapping[str, Json], names: tuple[str, ...]) -> Json:
    for name in names:
        value = row.get(name)
        if value is None and "." in name:
            outer, inner = name.split(".")
            nested = row.get(outer)
            value = nested.get(inner) if isinstance(nested, Mapping) else None
        if value not in (None, ""):
            return value
    return None


def _number(counts: Mapping[str, Json], names: tuple[str, ...], *, place: str) -> int | None:
    value = _first(counts, names)
    if value is None:
        return None
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if not 0 <= number <= _MOST:
        raise DataError(
            f"{place}: {value!r} is no count of tokens; expected a whole number, of one call, up to {_MOST}"
        )
    return number


def moment_of(text: str) -> float | None:
    """Seconds since 1970 of an ISO time, which is in UTC where it has no zone; None: it is no time."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def _time(value: Json, *, place: str) -> float | None:
    if value is None:
        return None
    seconds: float | None = None
    try:
        number = float(str(value))
        seconds = next((number / unit for unit in _UNITS if number / unit < _YEAR_5138), -1.0)
    except ValueError:
        seconds = moment_of(str(value))
    if seconds is not None and not 0 <= seconds < _YEAR_5138:
        raise DataError(
            f"{place}: {value!r} is no time; expected such as 2026-01-31T12:00:00Z, or seconds since 1970"
        )
    return seconds


def call_of(tag: str) -> str:
    """The part of a tag before its point: samples of one call have the tags `x`, `x.1`, `x.2` and so on."""
    return tag.partition(".")[0]


def _charge(row: sqlite3.Row) -> Charge:
    usage = Usage(
        prompt_tokens=row["prompt"], cached_tokens=row["cached"], completion_tokens=row["completion"]
    )
    has_cached = bool(row["has_cached"])
    return Charge(tag=row["tag"], usage=usage, has_cached=has_cached, time=row["first"], rows=row["n"])


class Charges:
    """A list of charges, gathered by tag; on disk while it is long."""

    def __init__(self, charges: Iterator[Charge]) -> None:
        """Gather charges in any order; rows of one tag are added up."""
        # an empty name makes SQLite use memory, and a temporary file once that is too small
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute(
            "CREATE TABLE charges (tag TEXT PRIMARY KEY, call TEXT, n INTEGER, prompt INTEGER, "
            "cached INTEGER, completion INTEGER, has_cached INTEGER, first REAL, last REAL)"
        )
        self._connection.execute("CREATE INDEX charges_call ON charges (call)")
        self._connection.execute("BEGIN")
        for charge in charges:
            counts = (charge.usage.prompt_tokens, charge.usage.cached_tokens, charge.usage.completion_tokens)
            self._connection.execute(
                "INSERT INTO charges VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?) ON CONFLICT (tag) DO UPDATE SET "
                "n = n + 1, prompt = prompt + excluded.prompt, cached = cached + excluded.cached, "
                "completion = completion + excluded.completion, has_cached = min(has_cached, "
                "excluded.has_cached), first = min(coalesce(first, excluded.first), coalesce(excluded.first, "
                "first)), last = max(coalesce(last, excluded.last), coalesce(excluded.last, last))",
                (charge.tag, call_of(charge.tag), *counts, charge.has_cached, charge.time, charge.time),
            )
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the temporary database."""
        self._connection.close()

    def __contains__(self, tag: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM charges WHERE tag = ?", (tag,))
        return found.fetchone() is not None

    def __iter__(self) -> Iterator[Charge]:
        for row in self._connection.execute("SELECT * FROM charges ORDER BY tag"):
            yield _charge(row)

    def is_alone(self, tag: str) -> bool:
        """Whether a tag is the only one of its call that was charged, as of samples asked for together."""
        query = "SELECT COUNT(*) FROM charges WHERE call = ?"
        return self._connection.execute(query, (call_of(tag),)).fetchone()[0] == 1

    def call(self, tag: str) -> Charge | None:
        """The sum of the charges for all samples of one call; None: there is none."""
        row = self._connection.execute(
            "SELECT call AS tag, SUM(n) AS n, SUM(prompt) AS prompt, SUM(cached) AS cached, "
            "SUM(completion) AS completion, min(has_cached) AS has_cached, min(first) AS first "
            "FROM charges WHERE call = ? GROUP BY call",
            (call_of(tag),),
        ).fetchone()
        return None if row is None else _charge(row)

    def totals(self) -> tuple[int, int, float | None, float | None]:
        """Rows, tokens, first and last time; None: the list has no times."""
        row = self._connection.execute(
            "SELECT coalesce(SUM(n), 0), coalesce(SUM(prompt + completion), 0), MIN(first), MAX(last) "
            "FROM charges"
        ).fetchone()
        return tuple(row)
