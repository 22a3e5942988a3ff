"""What the tests of the store share: one request, one price, the two halves of a purchase."""

import contextlib
import sqlite3
import subprocess
import sys
import textwrap

from tuition.core.budget import Cost, Price
from tuition.core.records import Failure, Message, Reply, Request, Usage
from tuition.core.store import Place, Reserved

PLACE = Place(run="r1")
PRICE = Price(prompt=1_000_000, completion=2_000_000)  # one and two nano-dollars a token
WORST = Cost(nano=100, tokens=60)
REPLY = Reply(text="because", usage=Usage(prompt_tokens=10, completion_tokens=20), raw="{}", headers="{}")


def request(name="a", teacher="t", sample=0):
    return Request(
        endpoint="http://x/v1",
        model="m",
        messages=(Message(role="user", content=name),),
        parameters={"max_tokens": 20},
        sample=sample,
        teacher=teacher,
        role="rationale",
        example_id=name,
    )


def failed(kind="server", is_retryable=False, is_paid=False):
    return Reply(failure=Failure(kind=kind, message="no", is_retryable=is_retryable, is_paid=is_paid))


def reserve(store, name="a", *, worst=WORST, place=PLACE, caps=(), teacher="t", asks_again=True):
    future = store.reserve(
        request(name, teacher), worst, place=place, caps=caps, price=PRICE, asks_again=asks_again
    )
    return future.result(10)


def settle(store, attempt_id, reply=REPLY, is_paid=True):
    store.settle(attempt_id, reply, cost=Cost.of(reply.usage, PRICE), is_paid=is_paid).result(10)


def buy(store, name="a", **kwargs):
    outcome = reserve(store, name, **kwargs)
    assert isinstance(outcome, Reserved)
    settle(store, outcome.attempt_id)
    return outcome.attempt_id


def sums(store, scope="r1"):
    with store.read() as connection:
        row = connection.execute("SELECT nano, tokens, calls FROM sums WHERE scope = ?", (scope,)).fetchone()
    return tuple(row) if row else (0, 0, 0)


def states(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT state FROM attempts ORDER BY id")]


def run_script(script, *arguments, **kwargs):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        **kwargs,
    )
