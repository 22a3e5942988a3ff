"""What may come in the way of batches: a file that cannot be made, strange teachers, no room in line."""

import asyncio
from pathlib import Path

import pytest
from toys import PLACE, ScriptedTeacher, failed, requests, said, states, sums

from tuition.annotation import Account, AnnotationConfig, ask, ask_all
from tuition.annotation.batches import caller, drop_batch, write_batch
from tuition.core.budget import Budget, Cost, price_of, worst_cost
from tuition.core.errors import DataError, TeacherError
from tuition.core.protocols import BatchState
from tuition.core.records import Failure, Reply
from tuition.core.store import Place

FAST = AnnotationConfig(backoff_s=0.001, backoff_most_s=0.002, max_attempts=2)
PRICE = price_of(prompt="1", completion="1")


class Batcher(ScriptedTeacher):
    """Takes every batch; what it brings is `collects(requests)`, what it takes `submits(requests)`."""

    def __init__(self, collects=None, submits=None):
        super().__init__(in_batches=True)
        self.poll_s = 0.001
        self.handed = []
        self._collects = collects or (lambda asked: [said("Fine.") for _ in asked])
        self._submits = submits or (lambda asked: None)

    async def submit(self, name, requests):
        self._submits(requests)
        self.handed.append(list(requests))
        return f"remote{len(self.handed)}"

    async def find(self, name):
        return f"remote{len(self.handed)}" if self.handed else None

    async def poll(self, remote):
        return BatchState(is_over=True, said="completed")

    async def collect(self, remote, requests):
        return self._collects(requests)


def run(store, n, teacher, *, place=PLACE, **budget):
    account = Account(store=store, place=place, budget=Budget(**budget))
    return ask_all(requests(n), teacher, account=account, config=FAST)


def kinds(asked):
    return [reply.failure and reply.failure.kind for reply in asked.replies]


class TestFiles:
    def write(self, store, path, line=lambda request: {"custom_id": request.tag}):
        return write_batch(
            requests(5), ScriptedTeacher(), path, account=Account(store=store, place=PLACE), line=line
        )

    def test_in_no_folder_nothing_is_reserved(self, store, tmp_path):
        with pytest.raises(
            DataError, match=r"calls.jsonl' cannot be written: No such file.* Name another file"
        ):
            self.write(store, tmp_path / "none" / "calls.jsonl")
        assert (states(store), store.batches()) == ([], [])
        assert self.write(store, tmp_path / "calls.jsonl").calls == 5

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
    def test_on_a_full_disk_what_was_reserved_is_set_free(self, store, tmp_path):
        (tmp_path / ".calls.jsonl.draft").symlink_to("/dev/full")
        with pytest.raises(DataError, match="cannot be written: No space left"):
            self.write(store, tmp_path / "calls.jsonl")
        self.check_free(store, tmp_path)

    def test_a_line_that_cannot_be_made_sets_everything_free(self, store, tmp_path):
        with pytest.raises(ZeroDivisionError):
            self.write(store, tmp_path / "calls.jsonl", line=lambda request: 1 / 0)
        self.check_free(store, tmp_path)

    def check_free(self, store, folder):
        assert [batch.state for batch in store.batches()] == ["over"]
        assert states(store) == ["failed"] * 5
        assert sums(store)[:2] == (0, 0)
        assert not (folder / "calls.jsonl").exists() and not (folder / ".calls.jsonl.draft").is_symlink()
        with pytest.raises(DataError, match="is over; there is nothing to give up"):
            drop_batch(store, store.batches()[0].name)
        assert self.write(store, folder / "calls.jsonl").calls == 5


class TestStrangers:
    @pytest.mark.parametrize(
        ("collects", "said_of"),
        [
            (lambda asked: 1 / 0, "raised ZeroDivisionError about batch .*: division by zero"),
            (lambda asked: None, "did not give one reply to each call"),
            (lambda asked: [said("One.")], "did not give one reply to each call"),
        ],
    )
    def test_what_cannot_be_fetched_stays_open_and_is_fetched_when_that_is_mended(
        self, store, collects, said_of
    ):
        broken = Batcher(collects)
        with pytest.raises(TeacherError, match=f"{said_of}.* nothing of it is lost: start again"):
            run(store, 3, broken)
        assert states(store) == ["open"] * 3
        mended = Batcher()
        assert kinds(run(store, 3, mended)) == [None] * 3
        assert (mended.handed, states(store)) == ([], ["kept"] * 3)

    def test_what_is_no_reply_is_one_line_s_failure(self, store):
        teacher = Batcher(lambda asked: [said("Fine."), None, Reply(text="x", usage=None)])
        asked = run(store, 3, teacher, on_unknown="leave")
        assert kinds(asked) == [None, "exception", "exception"]
        message = asked.replies[1].failure.message
        assert "the teacher gave None in the place of a Reply" in message
        assert message.count("end the teacher's code") == 1
        assert (states(store), len(teacher.handed)) == (["kept", "unknown", "unknown"], 1)

    def test_a_batch_that_nobody_saw_handed_over_stays_open(self, store):
        with pytest.raises(
            TeacherError, match=r"raised ZeroDivisionError about batch '.*nothing of it is lost"
        ):
            run(store, 3, Batcher(submits=lambda asked: 1 / 0))
        assert states(store) == ["open"] * 3
        assert kinds(run(store, 3, Batcher())) == [None] * 3


class TestNoRoomInLine:
    def test_where_there_is_never_any_the_asking_ends_soon(self, store):
        teacher = Batcher(lambda asked: [failed("rate_limit") for _ in asked])
        assert kinds(run(store, 64, teacher)) == ["rate_limit"] * 64
        assert [len(batch) for batch in teacher.handed] == [64, 32, 16, 8, 4, 2, 1, 1]

    def test_where_there_is_some_everything_goes_through_one_batch_after_the_other(self, store):
        def room_for_five(asked):
            return [said("Fine.") if len(asked) <= 5 else failed("rate_limit") for _ in asked]

        teacher = Batcher(room_for_five)
        assert kinds(run(store, 18, teacher)) == [None] * 18
        assert [len(batch) for batch in teacher.handed] == [18, 9, 4, 4, 4, 4, 2]

    def test_lines_that_each_say_so_are_tries(self, store):
        failure = Failure(kind="rate_limit", message="HTTP 429", is_retryable=True)
        teacher = Batcher(lambda asked: [Reply(failure=failure, raw="{}") for _ in asked])
        assert kinds(run(store, 64, teacher)) == ["rate_limit"] * 64
        assert [len(batch) for batch in teacher.handed] == [64, 64]


def test_money_that_a_call_in_flight_holds_is_waited_for(store, monkeypatch):
    monkeypatch.setattr(caller, "_PAUSE_S", 0.02)
    worst = worst_cost(requests(1)[0], PRICE)
    late = requests(9)[8]
    other = Place(run="online", group="all")
    held = Cost(nano=0, tokens=3 * worst.tokens)
    attempt = store.reserve(late, held, place=other, price=PRICE).result()

    async def scenario():
        account = Account(
            store=store, place=Place(run="r1", group="all"), budget=Budget(tokens=3 * worst.tokens)
        )
        task = asyncio.create_task(ask(requests(3), Batcher(), account=account, config=FAST))
        await asyncio.sleep(0.2)
        assert not task.done()
        reply = said("Cheap.", prompt=1, completion=0)
        store.settle(attempt.attempt_id, reply, cost=Cost.of(reply.usage, PRICE), is_paid=True).result()
        return await asyncio.wait_for(task, 10)

    asked = asyncio.run(scenario())
    assert (kinds(asked), asked.refused) == ([None] * 3, None)
