"""Redacting: the bytes are gone, money and keys stay, and nothing is bought again."""

import json
import sqlite3

import pytest
from ledgers import PLACE, PRICE, WORST, buy, request, reserve, settle, sums

from tuition.annotation import Account
from tuition.annotation.asker import ask_all
from tuition.core.budget import Cost
from tuition.core.errors import DataError, StoreError
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Failure, Message, Reply, Request, Usage
from tuition.core.store import Kept, Place, Store
from tuition.upkeep import (
    compact_store,
    export_store,
    holding,
    import_rows,
    merge_stores,
    redact_store,
    store_info,
    verify_store,
)

NAME = "Zoë Q. Übermensch"
SECRET = f"{NAME} lives at 7 Elm Street"
USAGE = Usage(prompt_tokens=10, completion_tokens=20)


def ask_about(store, text, *, sample=0, reply=None, run="r1", **more):
    asked = Request(
        endpoint="http://x/v1",
        model="m",
        messages=(Message(role="user", content=text),),
        parameters={"max_tokens": 20, "note": text},
        sample=sample,
        teacher="t",
        role="rationale",
        tag=f"tag {len(text)} {sample} {run}",
        **more,
    )
    outcome = store.reserve(asked, WORST, place=Place(run=run), price=PRICE).result(10)
    if reply is not None:
        store.settle(outcome.attempt_id, reply, cost=Cost.of(reply.usage, PRICE), is_paid=True).result(10)
    return asked


def said(text):
    return Reply(text=text, usage=USAGE, model="m-1", raw=json.dumps({"content": text}), headers='{"x": "y"}')


@pytest.fixture
def path(tmp_path):
    """A store where a name stands in prompts, answers, raw bodies and a failure, many times over."""
    path = tmp_path / "tuition.db"
    with Store(path) as store:
        for i in range(40):
            ask_about(store, f"{SECRET}, {i}. " * 50, reply=said("because"), example_id=f"ex-{i}")
        ask_about(store, "who lives there?", reply=said(f"It is {NAME.upper()}."), example_id="ex-40")
        ask_about(store, "a list", reply=said(json.dumps({"name": NAME})), example_id="ex-41")
        failure = Failure(kind="bad_request", message=f"cannot read {NAME}")
        ask_about(store, "what failed", reply=Reply(failure=failure, usage=USAGE), example_id="ex-42")
        buy(store, "innocent")
    return path


def everything(path):
    """The bytes of the store and what lies beside it."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


def test_the_bytes_are_gone_and_the_money_stays(path):
    assert everything(path).count(SECRET.encode()) > 40
    before = store_info(path)
    with Store(path) as store:
        old_sums = sums(store)
    found = holding(path, NAME.lower())
    assert (found.calls, found.answers, found.runs) == (43, 42, ("r1",))
    assert redact_store(path, found.keys).endswith("+00:00")
    left = everything(path)
    for piece in (NAME, NAME.upper(), "Elm Street", "\\u00dcbermensch", json.dumps(NAME)[1:-1]):
        assert piece.encode() not in left, piece
    assert b"because" in left
    after = store_info(path)
    assert (after.attempts, after.replies, after.used_usd, after.paid_usd) == (
        before.attempts,
        before.replies,
        before.used_usd,
        before.paid_usd,
    )
    with Store(path) as store:
        assert sums(store) == old_sums
        assert store.spend("r1").usd is not None
    verdict = verify_store(path)
    assert (verdict.faults, verdict.repaired) == ((), ())
    assert holding(path, NAME).calls == 0


def test_a_process_that_has_it_open_does_not_keep_the_bytes(path):
    with Store(path) as other:
        ask_about(other, f"{SECRET} again", reply=said("so"))
        redact_store(path, holding(path, NAME).keys)
        left = everything(path)
        assert SECRET.encode() not in left
        buy(other, "goes on")
    assert verify_store(path).faults == ()


def test_a_process_that_reads_old_pages_is_told(path, monkeypatch):
    monkeypatch.setattr("tuition.core.store.writer._LOCK_S", 0.2)
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM attempts").fetchone()
    with pytest.raises(StoreError, match="tuition store compact"):
        redact_store(path, holding(path, NAME).keys)
    reader.close()
    compact_store(path)
    assert SECRET.encode() not in everything(path)


@pytest.mark.parametrize(
    ("where", "calls"),
    [
        ("ex-7", 1),
        (SECRET.upper(), 40),
        ("7 elm", 40),
        ("ex-", 0),
        ("cannot read", 1),
        ("x/v1", 0),
        ("nobody", 0),
    ],
)
def test_what_may_stand_in_where(path, where, calls):
    assert holding(path, where).calls == calls


def test_a_key(path):
    with Store(path) as store:
        key = ask_about(store, "of a key", reply=said("so")).key
    assert holding(path, key).keys == (key,)


@pytest.mark.parametrize("where", ["", "  ", "\n"])
def test_an_empty_where_is_refused(path, where):
    with pytest.raises(DataError, match="--where is empty; give a text, a call's key or an example's id"):
        holding(path, where)


def test_calls_under_way_are_refused(path):
    with Store(path) as store:
        ask_about(store, f"under way: {NAME}")
        with pytest.raises(StoreError, match="1 of these calls are under way"):
            holding(path, NAME)
        assert holding(path, "ex-3").calls == 1


class Counting:
    """A teacher that counts how often it is asked."""

    name, endpoint, model, price = "t", "http://x/v1", "m", PRICE
    abilities = TeacherAbilities(concurrency=2)
    asked = 0

    async def complete(self, request):
        self.asked += 1
        return Reply(text="bought", usage=USAGE)


def test_a_redacted_answer_is_told_and_not_bought_again(path):
    teacher = Counting()
    requests = [request("innocent"), request("other")]
    with Store(path) as store:
        ask_all(requests, teacher, account=Account(store=store, place=Place(run="r1")))
    assert teacher.asked == 1
    redact_store(path, holding(path, "innocent").keys)
    with Store(path) as store:
        asked = ask_all(requests, teacher, account=Account(store=store, place=Place(run="r2")))
        spend = store.spend("r2")
    assert teacher.asked == 1
    failure = asked.replies[0].failure
    assert failure.kind == "redacted"
    assert "was redacted from the store at 20" in failure.message
    assert "it was paid, and is not bought again" in failure.message
    assert asked.replies[1].text == "bought"
    assert spend.calls == 0


def test_it_stays_redacted_in_exports_imports_and_merges(path, tmp_path):
    old = tmp_path / "old.jsonl"
    export_store(path, old)
    redact_store(path, holding(path, NAME).keys)
    import_rows(path, old)
    assert SECRET.encode() not in everything(path)
    assert verify_store(path).faults == ()
    new, out = tmp_path / "new.jsonl", tmp_path / "new.db"
    export_store(path, new)
    assert NAME not in new.read_text(encoding="utf-8")
    import_rows(out, new)
    assert store_info(out).replies == store_info(path).replies
    assert verify_store(out).faults == ()
    merge_stores(path, out)
    assert verify_store(path).faults == ()


def test_run_folders_and_copies_beside_it_are_named(path, tmp_path):
    for name, id in (("runs/mine", "r1"), ("runs/other", "r9"), ("deep/er/run", "r1")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run_id").write_text(f"{id}\n")
    copy = tmp_path / "tuition.schema-1-20260101-000000.db"
    copy.write_bytes(b"")
    found = holding(path, NAME)
    assert found.folders == (str(tmp_path / "deep/er/run"), str(tmp_path / "runs/mine"))
    assert found.copies == (str(copy),)


def test_a_call_that_another_run_used_names_that_run(path):
    with Store(path) as store:
        asked = ask_about(store, f"used twice: {NAME}", reply=said("so"))
        again = store.reserve(asked, WORST, place=Place(run="r2"), price=PRICE).result(10)
        assert isinstance(again, Kept)
        assert reserve(store, "plain", place=PLACE)
        settle(store, reserve(store, "plainer").attempt_id)
    assert holding(path, "used twice").runs == ("r1", "r2")
