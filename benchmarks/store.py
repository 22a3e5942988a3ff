"""Calls a second through the store, reserved and settled on disk, beside two plain commits for each.

And how long a store of a million calls takes to open in a fresh process, and with how much memory, beside an
empty one. Peak memory is the kernel's count (VmHWM).
"""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import frame

from tuition.core.budget import Cost, price_of, worst_cost
from tuition.core.records import Message, Reply, Request, Usage, canonical_json, content_id
from tuition.core.store import Cap, Place, Store

PRICE = price_of(prompt=1, completion=2)
BODY = "x" * 2000


def request(i):
    return Request(
        endpoint="http://127.0.0.1",
        model="m",
        messages=(Message(role="user", content=f"question {i}"),),
        parameters={"max_tokens": 200},
        teacher="t",
        role="solve",
    )


async def through_store(path, calls, at_once):
    usage = Usage(prompt_tokens=20, completion_tokens=50)
    gate = asyncio.Semaphore(at_once)
    with Store(path) as store:

        async def one(i):
            async with gate:
                call = request(i)
                reserved = await asyncio.wrap_future(
                    store.reserve(
                        call,
                        worst_cost(call, PRICE),
                        place=Place(run="r"),
                        price=PRICE,
                        caps=[Cap(scope="r", calls=calls)],
                    )
                )
                reply = Reply(text="answer", usage=usage, raw=BODY)
                settled = store.settle(reserved.attempt_id, reply, cost=Cost.of(usage, PRICE), is_paid=True)
                await asyncio.wrap_future(settled)

        await asyncio.gather(*(one(i) for i in range(calls)))


def one_commit_each(path, calls):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE attempts (id INTEGER PRIMARY KEY, key TEXT, raw TEXT)")
    for i in range(calls):
        connection.execute("INSERT INTO attempts (key, raw) VALUES (?, NULL)", (request(i).key,))
        connection.execute("UPDATE attempts SET raw = ? WHERE id = ?", (BODY, i + 1))
    connection.close()


COLUMNS = """
  key, run, tag, request, raw, sample, round, run_group, teacher, role, prompt, example_id, endpoint, model,
  owner, state, worst_nano, worst_tokens, cost_nano, paid_nano, tokens, prompt_tokens, cached_tokens,
  completion_tokens, is_estimated, started_at
"""


def make_long(path, rows):
    """Fill a store with settled calls of a hundred runs, as if made one by one."""
    Store(path).close()
    text, usage = canonical_json(request(0).to_json()), Usage(prompt_tokens=20, completion_tokens=50)
    reply = canonical_json(Reply(text="answer", usage=usage).to_json())
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN")
        for i in range(rows):
            key = content_id(i)
            connection.execute(
                f"INSERT INTO attempts ({COLUMNS}) VALUES (?, ?, ?, ?, ?, 0, 0, '', 't', 'solve', '', '', "
                "'http://127.0.0.1', 'm', 'o', 'kept', 900, 300, 120, 120, 70, 20, 0, 50, 0, 1.0)",
                (key, f"r{i % 100}", key[:32], text, BODY),
            )
            connection.execute("INSERT INTO replies VALUES (?, 0, ?, ?)", (key, i + 1, reply))
            connection.execute("INSERT INTO uses VALUES (?, ?, 0, 't', 'solve')", (f"r{i % 100}", key))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


OPENING = """
import json, sys, time
from pathlib import Path
from tuition.core.budget import Cost
from tuition.core.records import Message, Reply, Request
from tuition.core.store import Place, Store

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


before = peak()
start = time.perf_counter()
store = Store(Path(sys.argv[1]))
open_s = time.perf_counter() - start
start = time.perf_counter()
for i in range(100):
    call = Request(endpoint="e", model="m", messages=(Message(role="user", content=f"{sys.argv[2]} {i}"),))
    outcome = store.reserve(call, Cost(nano=1, tokens=1), place=Place(run="new")).result()
    store.settle(outcome.attempt_id, Reply(text="x"), cost=Cost(nano=1, tokens=1), is_paid=True).result()
calls_s = time.perf_counter() - start
start = time.perf_counter()
store.spend("r1")
spend_s = time.perf_counter() - start
store.close()
times = {"open_s": open_s, "wall_s": calls_s, "spend_s": spend_s}
print(json.dumps({**times, "peak_mb": peak(), "more_mb": peak() - before}))
"""


def opened(path, repetition):
    """Open a store in a fresh process, make a hundred calls, count one run's money."""
    command = [sys.executable, "-c", OPENING, str(path), str(repetition)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def opening_runs(rows, repetitions):
    """Opening a long and an empty store in turn."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {"open_long": Path(folder) / "long.db", "open_empty": Path(folder) / "empty.db"}
        make_long(paths["open_long"], rows)
        make_long(paths["open_empty"], 0)
        lengths = {"open_long": rows, "open_empty": 0}
        return [
            {
                "repetition": repetition,
                "way": way,
                "calls": 100,
                "rows": lengths[way],
                **opened(path, repetition),
            }
            for repetition in range(repetitions)
            for way, path in paths.items()
        ]


def main():
    quick = frame.arguments(__doc__).quick
    calls, repetitions = (300, 2) if quick else (3000, 7)
    rows = 20_000 if quick else 1_000_000
    runs = []
    for repetition in range(repetitions):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            asyncio.run(through_store(Path(folder) / "a.db", calls, 64))
            runs.append(
                {
                    "repetition": repetition,
                    "way": "store",
                    "calls": calls,
                    "wall_s": time.perf_counter() - start,
                }
            )
            start = time.perf_counter()
            one_commit_each(Path(folder) / "b.db", calls)
            runs.append(
                {
                    "repetition": repetition,
                    "way": "plain",
                    "calls": calls,
                    "wall_s": time.perf_counter() - start,
                }
            )
    runs += opening_runs(rows, repetitions)
    store, plain = (frame.median(runs, "wall_s", way=way) for way in ("store", "plain"))
    long = {name: frame.median(runs, name, way="open_long") for name in ("open_s", "spend_s", "peak_mb")}
    empty_mb = frame.median(runs, "peak_mb", way="open_empty")
    frame.write(
        "store",
        __doc__,
        runs=runs,
        ratios={
            "store_vs_one_commit_each": plain / store,
            "memory_long_vs_empty": long["peak_mb"] / empty_mb,
        },
        summary={
            "calls_per_s": calls / store,
            "rows": rows,
            **{f"long_{name}": value for name, value in long.items()},
            "empty_peak_mb": empty_mb,
        },
        quick=quick,
    )


if __name__ == "__main__":
    main()
