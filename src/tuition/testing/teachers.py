"""What every teacher must hold, asked through the ledger as a run asks it."""

from __future__ import annotations

import dataclasses
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tuition.annotation import Account, AnnotationConfig, Asked, ask_all
from tuition.core.budget import Cost, Price
from tuition.core.plugins import check_whole
from tuition.core.protocols import Teacher, TeacherAbilities
from tuition.core.records import Failure, Message, Reply, Request
from tuition.core.store import Place, Store
from tuition.teachers import TEACHER
from tuition.testing.expect import expect

__all__ = ["QUESTIONS", "check_teacher"]

QUESTIONS = tuple(
    f"Question: Today is March {i + 1}. Which date is 10 days from now?\nExplanation:" for i in range(12)
)
"""Asked where no others are given; the programs of the playground know them."""

_PLACE = Place(run="r1")
_FAST = AnnotationConfig(backoff_s=0.001)


def check_teacher(make: Callable[[], Teacher], questions: Sequence[str] = QUESTIONS) -> None:
    """Ask of a teacher what is asked of every one; each check has a store of its own, so it is asked anew.

    It says who it is; replies come in the order of the requests; a failure is a record; a reply is paid once;
    no call costs more than what was reserved; a retry is counted; a reply says its usage.

    Args:
        make: Makes the teacher.
        questions: At least four, with different answers; a paid teacher is asked each up to five times.

    Raises:
        AssertionError: One of these does not hold.
        ConfigError: It lacks a part of its protocol.
    """
    teacher = make()
    check_whole(TEACHER, teacher, getattr(make, "__name__", str(make)))
    for name in ("name", "endpoint", "model"):
        expect(getattr(teacher, name), f"{name} is empty; replies are kept under it")
    is_known = isinstance(teacher.abilities, TeacherAbilities)
    expect(is_known, f"abilities is a {type(teacher.abilities).__name__}, expected TeacherAbilities")
    expect(teacher.abilities.concurrency >= 1, "abilities.concurrency is below 1: nothing could be asked")
    expect(
        teacher.price is None or isinstance(teacher.price, Price),
        f"price is a {type(teacher.price).__name__}, expected a Price, or None where it is unknown",
    )
    requests = [
        Request(
            endpoint=teacher.endpoint,
            model=teacher.model,
            messages=(Message(role="user", content=text),),
            # What is recorded is found by the example and not by the words.
            parameters={
                "max_tokens": 200,
                **({} if teacher.abilities.reads_prompt else {"example": f"e{i}"}),
            },
            teacher=teacher.name,
            role="rationale",
            example_id=f"e{i}",
        )
        for i, text in enumerate(questions)
    ]
    for check in (_keeps_order, _fails_as_a_record, _is_paid_once, _counts_retries):
        with (
            tempfile.TemporaryDirectory(prefix="tuition-check-") as folder,
            Store(Path(folder) / "tuition.db") as store,
        ):
            check(teacher, store, requests)


def _ask(requests: Sequence[Request], teacher: Teacher, store: Store) -> Asked:
    return ask_all(requests, teacher, account=Account(store=store, place=_PLACE), config=_FAST)


class _Wrapped:
    """Another teacher, with an act before each call."""

    def __init__(self, inner: Teacher, before: Callable[[Request], Reply | None]) -> None:
        self.name, self.endpoint, self.model = inner.name, inner.endpoint, inner.model
        self.price, self.abilities = inner.price, inner.abilities
        self._inner, self._before = inner, before

    async def complete(self, request: Request) -> Reply:
        return self._before(request) or await self._inner.complete(request)


def _attempts(store: Store) -> list[sqlite3.Row]:
    with store.read() as connection:
        return connection.execute("SELECT * FROM attempts ORDER BY id").fetchall()


def _keeps_order(teacher: Teacher, store: Store, requests: Sequence[Request]) -> None:
    asked = _ask(requests, teacher, store)
    one_by_one = [_ask([request], teacher, store).replies[0].text for request in requests]
    expect(
        [reply.text for reply in asked.replies] == one_by_one, "replies stand in another order than requests"
    )
    for reply, request in zip(asked.replies, requests, strict=True):
        expect(
            reply.failure is None and reply.text, f"{request.example_id}: no text, failure {reply.failure}"
        )
        usage = reply.usage
        expect(
            usage.prompt_tokens > 0 and usage.completion_tokens > 0,
            f"{request.example_id}: usage is {usage}; the prompt's and the reply's tokens must be counted",
        )
    expect(len(set(one_by_one)) > 1, "different questions all got one and the same reply")


def _fails_as_a_record(teacher: Teacher, store: Store, requests: Sequence[Request]) -> None:
    def break_off(request: Request) -> Reply | None:
        if request.example_id == "e1":
            raise OSError("gone")
        return None

    asked = _ask(requests[:3], _Wrapped(teacher, break_off), store)
    kinds = [reply.failure and reply.failure.kind for reply in asked.replies]
    expect(kinds == [None, "exception", None], f"one call of three broke off, and the failures are {kinds}")


def _is_paid_once(teacher: Teacher, store: Store, requests: Sequence[Request]) -> None:
    first, again = _ask(requests, teacher, store), _ask(requests, teacher, store)
    bare = [dataclasses.replace(reply, raw="", headers="") for reply in first.replies]
    expect(list(again.replies) == bare, "asked again, the replies are not those that were kept")
    rows = _attempts(store)
    expect(
        len(rows) == len(requests), f"{len(rows)} calls were made for {len(requests)} requests, asked twice"
    )
    for row in rows:
        expect(row["tokens"] <= row["worst_tokens"], f"a call used {row['tokens']} tokens, over its bound")
        expect(
            (row["paid_nano"] or 0) <= (row["worst_nano"] or 0), "a call cost more than was reserved for it"
        )
    if teacher.price is None:
        return
    nano = sum(Cost.of(reply.usage, teacher.price).nano or 0 for reply in first.replies)
    spend = store.spend("r1")
    expect(
        spend.usd is not None and abs(spend.usd - nano / 1e9) < 1e-9,
        f"it used ${spend.usd}, not ${nano / 1e9}",
    )
    paid = nano / 1e9 if teacher.abilities.is_paid else 0.0
    expect(
        spend.paid_usd is not None and abs(spend.paid_usd - paid) < 1e-9,
        f"it paid ${spend.paid_usd}, not ${paid}",
    )


def _counts_retries(teacher: Teacher, store: Store, requests: Sequence[Request]) -> None:
    tried: set[str] = set()

    def busy(request: Request) -> Reply | None:
        is_new = request.key not in tried
        tried.add(request.key)
        return Reply(failure=Failure(kind="server", message="busy", is_retryable=True)) if is_new else None

    asked = _ask(requests[:4], _Wrapped(teacher, busy), store)
    expect(all(reply.failure is None for reply in asked.replies), "a fault that passed was not got over")
    states = sorted(row["state"] for row in _attempts(store))
    expect(states == ["failed"] * 4 + ["kept"] * 4, f"four retried calls stand in the store as {states}")
