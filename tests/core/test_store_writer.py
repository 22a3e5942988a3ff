import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tuition.core.store.writer import Writer


@pytest.fixture
def writer(tmp_path):
    def nothing(connection):
        return None

    writer = Writer(tmp_path / "any.db", beat=nothing, last=nothing)
    writer.submit(lambda connection: connection.execute("CREATE TABLE acts (n INTEGER UNIQUE)")).result(10)
    yield writer
    writer.close()


def insert(writer, n):
    def act(connection):
        connection.execute("INSERT INTO acts VALUES (?)", (n,))
        return n

    return writer.submit(act)


def count(writer):
    return writer.submit(lambda connection: connection.execute("SELECT COUNT(*) FROM acts").fetchone()[0])


def hold(writer):
    """Keep the writer busy until the event is set; what is submitted meanwhile is one group."""
    begun, go_on = threading.Event(), threading.Event()

    def act(connection):
        begun.set()
        return go_on.wait(10)

    writer.submit(act)
    assert begun.wait(10)
    return go_on


async def answers(writes):
    async def one(write):
        return await write

    return await asyncio.gather(*map(one, writes), return_exceptions=True)


def test_a_group_wakes_a_loop_that_waits_for_it_once(writer):
    async def wait():
        loop, woken = asyncio.get_running_loop(), []
        wake = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *call, **more: (woken.append(call), wake(*call, **more))[1]
        go_on = hold(writer)
        waiting = asyncio.ensure_future(answers([insert(writer, i) for i in range(20)]))
        await asyncio.sleep(0)
        go_on.set()
        return await waiting, len(woken)

    assert asyncio.run(wait()) == (list(range(20)), 1)


def test_each_is_answered_with_its_own_result_or_fault(writer):
    async def wait():
        return await answers([insert(writer, n) for n in (1, 2, 1, 3)])

    one, two, again, three = asyncio.run(wait())
    assert (one, two, three) == (1, 2, 3)
    assert "UNIQUE" in str(again)
    assert count(writer).result(10) == 3


def test_what_is_done_is_not_waited_for_and_many_may_wait_for_the_same(writer):
    async def wait():
        done = insert(writer, 1)
        done.result(10)
        go_on = hold(writer)
        # The writer is busy, and could wake nobody.
        assert await asyncio.wait_for(answers([done, done]), 5) == [1, 1]
        later = insert(writer, 2)
        waiting = asyncio.ensure_future(answers([later] * 3))
        await asyncio.sleep(0)
        go_on.set()
        return await waiting

    assert asyncio.run(wait()) == [2, 2, 2]


def test_who_stops_waiting_undoes_nothing_and_holds_nobody_up(writer):
    async def wait():
        go_on = hold(writer)
        tasks = [asyncio.ensure_future(answers([insert(writer, i)])) for i in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, stopped, last = asyncio.run(wait())
    assert (first, last) == ([0], [2])
    assert isinstance(stopped, asyncio.CancelledError)
    assert count(writer).result(10) == 3


def test_a_loop_that_is_over_holds_nobody_up(writer):
    async def leave():
        # Its loop ends while the writer is busy, and with it whoever waits.
        asyncio.ensure_future(answers([insert(writer, 1)]))  # noqa: RUF006
        await asyncio.sleep(0)

    go_on = hold(writer)
    asyncio.run(leave())
    last = insert(writer, 2)
    go_on.set()
    assert last.result(10) == 2
    assert count(writer).result(10) == 2


def test_loops_of_several_threads_wait_at_once(writer):
    def ask(thread):
        async def wait():
            return [await insert(writer, 100 * thread + i) for i in range(25)]

        return asyncio.run(wait())

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, range(4)))
    assert found == [[100 * thread + i for i in range(25)] for thread in range(4)]
    assert count(writer).result(10) == 100
