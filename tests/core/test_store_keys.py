"""Properties: equal content has one key; the sums are those of the attempts, whatever happens."""

import contextlib
import dataclasses
import json
import random
import signal
import sqlite3
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import run_script

from tuition.core.budget import Cost, Price
from tuition.core.records import Failure, Message, Reply, Request, Usage, canonical_json, content_id
from tuition.core.store import Busy, Cap, Kept, Left, Place, Refused, Reserved, Store
from tuition.upkeep import reconcile_store, verify_store

texts = st.text(max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def shuffled(value, seed):
    """The same content, its keys in another order and its lists as tuples."""
    if isinstance(value, dict):
        items = [(key, shuffled(inner, seed)) for key, inner in value.items()]
        random.Random(seed).shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return tuple(shuffled(inner, seed) for inner in value)
    return value


def marked(value):
    """A form in which equal means equal content: 1, 1.0 and true are three things, a list is its items."""
    if isinstance(value, dict):
        return ("dict", frozenset((key, marked(inner)) for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return ("list", *(marked(inner) for inner in value))
    return (type(value).__name__, repr(value))


@given(values, st.integers())
def test_equal_content_is_one_text_whatever_its_order(value, seed):
    assert canonical_json(shuffled(value, seed)) == canonical_json(value)
    assert content_id(shuffled(value, seed)) == content_id(value)


@given(values)
def test_the_text_is_the_content(value):
    assert marked(json.loads(canonical_json(value))) == marked(value)
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


@given(values, values)
def test_different_content_is_different_text(left, right):
    assert (canonical_json(left) == canonical_json(right)) == (marked(left) == marked(right))


whole = st.text(st.characters(codec="utf-8"), max_size=12)
messages = st.lists(st.builds(Message, role=whole, content=whole), max_size=3).map(tuple)
requests = st.builds(
    Request,
    endpoint=whole,
    model=whole,
    messages=messages,
    parameters=st.dictionaries(whole, st.integers() | whole | st.lists(whole, max_size=2), max_size=3),
    sample=st.integers(0, 3),
)


@given(requests, whole, whole)
def test_what_stands_beside_the_key_changes_no_key(request, name, tag):
    beside = dataclasses.replace(request, teacher=name, role=name, prompt=name, example_id=name, tag=tag)
    assert beside.key == request.key
    assert Request.from_json(json.loads(canonical_json(beside.to_json()))).key == request.key


@given(requests, requests)
def test_different_calls_have_different_keys(left, right):
    def identity(request):
        turns = [[message.role, message.content] for message in request.messages]
        return marked([request.endpoint, request.model, turns, dict(request.parameters), request.sample])

    assert (left.key == right.key) == (identity(left) == identity(right))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_has_no_key(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id({"a": number})


PRICE = Price(prompt=1_000_000, completion=2_000_000)
CAP = Cap(scope="g", nano=400, tokens=300, calls=9)
ACTS = ("reserve", "keep", "fail", "charge", "lose", "batch", "end", "close", "reconcile")
steps = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 5), st.integers(0, 90)), max_size=30)


def call(i):
    return Request(
        endpoint="e",
        model="m",
        messages=(Message(role="user", content=str(i)),),
        teacher=f"t{i % 2}",
        tag=f"tag{i}",
    )


class World:
    """One store, driven by random acts; `held` are the attempts that the driver has reserved."""

    def __init__(self, path):
        self.path, self.store, self.held, self.batches = path, Store(path), {}, 0

    def reserve(self, i, size, batch=""):
        place = Place(run=f"r{i % 2}", round=i % 3, group="g")
        worst = Cost(nano=size, tokens=size)
        outcome = self.store.reserve(
            call(i), worst, place=place, caps=[CAP], price=PRICE, asks_again=size % 2 == 0, batch=batch
        ).result(10)
        assert isinstance(outcome, Reserved | Kept | Busy | Left | Refused)
        if isinstance(outcome, Reserved):
            assert i not in self.held, "a call under way is not made twice"
            self.held[i] = (outcome.attempt_id, size)

    def settle(self, i, size, failure):
        if i in self.held:
            attempt_id, worst = self.held.pop(i)
            tokens = min(size, worst)
            reply = Reply(text="x", usage=Usage(prompt_tokens=tokens), failure=failure)
            cost = Cost(nano=tokens, tokens=tokens)
            self.store.settle(attempt_id, reply, cost=cost, is_paid=True).result(10)

    def act(self, what, i, size):
        match what:
            case "reserve":
                self.reserve(i, size)
            case "keep":
                self.settle(i, size, None)
            case "fail":
                self.settle(i, size, Failure(kind="server", message="no", is_retryable=True))
            case "charge":
                self.settle(i, size, Failure(kind="empty", message="no", is_paid=True))
            case "lose":
                self.settle(i, size, Failure(kind="timeout", message="no", is_paid=None))
            case "batch":
                self.batches += 1
                name = f"b{self.batches}"
                self.store.open_batch(name, place=Place(run="r0"), teacher="t0", endpoint="e").result(10)
                self.reserve(i, size, name)
            case "end":
                if self.batches:
                    self.store.end_batch(f"b{self.batches}").result(10)
            case "close":
                self.store.close()
                self.store = Store(self.path)
            case "reconcile":
                listed = self.path.with_name("list.jsonl")
                row = {"tag": f"tag{i}", "prompt_tokens": self.least(i) // 3, "completion_tokens": 0}
                listed.write_text(json.dumps(row))
                reconcile_store(self.path, listed, is_complete=size % 2 == 0, until=4e9)

    def least(self, i):
        """What no attempt at a call set aside less than: a charge within it is within every worst."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            query = "SELECT min(worst_tokens) FROM attempts WHERE tag = ?"
            return connection.execute(query, (f"tag{i}",)).fetchone()[0] or 0

    def forget_settled(self):
        """What is not open any longer, the driver holds no longer."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            open_ = {row[0] for row in connection.execute("SELECT id FROM attempts WHERE state = 'open'")}
        self.held = {i: held for i, held in self.held.items() if held[0] in open_}


@settings(max_examples=25, deadline=None)
@given(steps)
def test_whatever_happens_the_sums_are_right_and_under_the_caps(tmp_path_factory, steps):
    world = World(tmp_path_factory.mktemp("w") / "s.db")
    try:
        for what, i, size in steps:
            world.act(what, i, size)
            world.forget_settled()
            with world.store.read() as connection:
                lowest = connection.execute(
                    "SELECT min(min(nano), min(tokens), min(calls)) FROM sums"
                ).fetchone()[0]
                row = connection.execute("SELECT nano, tokens, calls FROM sums WHERE scope = 'g'").fetchone()
                settled = "SELECT MIN(worst_nano - paid_nano) FROM attempts WHERE paid_nano IS NOT NULL"
                below = connection.execute(settled).fetchone()[0]
            assert (lowest or 0) >= 0
            nano, tokens, calls = tuple(row or (0, 0, 0))
            assert (nano <= 400, tokens <= 300, calls <= 9) == (True, True, True)
            spend = [world.store.spend(run) for run in ("r0", "r1")]
            assert sum(round(one.paid_usd * 1e9) for one in spend) == nano
            assert (below or 0) >= 0, "nothing is settled above what was set aside for it"
            assert all(one.failed_usd <= one.paid_usd for one in spend)
    finally:
        world.store.close()
    assert verify_store(world.path).faults == ()


KILLED = """
    import random, sys, time
    from pathlib import Path
    from tuition.core.budget import Cost, Price
    from tuition.core.records import Failure, Message, Reply, Request, Usage
    from tuition.core.store import Cap, Place, Reserved, Store

    chance = random.Random(int(sys.argv[2]))
    store = Store(Path(sys.argv[1]))
    print("begun", flush=True)
    place, price = Place(run="r"), Price(prompt=1_000_000, completion=0)
    while True:
        message = Message(role="user", content=str(chance.randrange(400)))
        request = Request(endpoint="e", model="m", messages=(message,), teacher="t")
        size = chance.randrange(1, 90)
        outcome = store.reserve(
            request, Cost(nano=size, tokens=size), place=place, price=price, caps=[Cap(scope="r", nano=9000)]
        ).result(60)
        if isinstance(outcome, Reserved) and chance.random() < 0.9:
            tokens = chance.randrange(size)
            passing = Failure(kind="server", message="no", is_retryable=True)
            failure = None if chance.random() < 0.7 else passing
            reply = Reply(text="x", usage=Usage(prompt_tokens=tokens), failure=failure)
            cost = Cost(nano=tokens, tokens=tokens)
            store.settle(outcome.attempt_id, reply, cost=cost, is_paid=True)
"""


def test_killed_at_any_moment_the_sums_are_right_and_nothing_is_bought_twice(tmp_path):
    path = tmp_path / "s.db"
    chance = random.Random(5)
    for round_ in range(3):
        processes = [run_script(KILLED, path, 10 * round_ + i) for i in range(2)]
        for process in processes:
            assert process.stdout.readline() == "begun\n"
        pause_s = chance.uniform(0.05, 0.4)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(pause_s)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=20)
        found = verify_store(path)
        assert (found.faults, found.bought_twice) == ((), 0)
    with Store(path) as store, store.read() as connection:
        open_, kept = connection.execute(
            "SELECT TOTAL(state = 'open'), TOTAL(state = 'kept') FROM attempts"
        ).fetchone()
        again = connection.execute(
            "SELECT COUNT(*) FROM attempts late JOIN attempts early ON early.key = late.key "
            "WHERE early.state = 'kept' AND late.id > early.id"
        ).fetchone()[0]
        assert connection.execute("SELECT nano FROM sums WHERE scope = 'r'").fetchone()[0] <= 9000
    assert (open_, again) == (0, 0)
    assert kept > 20
