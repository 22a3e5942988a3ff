"""Calls a second through the store, reserved and settled on disk, beside two plain commits for each."""

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

import frame

from tuition.core.budget import Cost, price_of, worst_cost
from tuition.core.records import Message, Reply, Request, Usage
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


def main():
    quick = frame.arguments(__doc__).quick
    calls, repetitions = (300, 2) if quick else (3000, 7)
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
    store, plain = (frame.median(runs, "wall_s", way=way) for way in ("store", "plain"))
    frame.write(
        "store",
        __doc__,
        runs=runs,
        ratios={"store_vs_one_commit_each": plain / store},
        summary={"calls_per_s": calls / store},
        quick=quick,
    )


if __name__ == "__main__":
    main()
