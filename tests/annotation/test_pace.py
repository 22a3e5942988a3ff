import asyncio
import gc
import heapq
import itertools
import math
import random
import threading
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import ScriptedTeacher, failed, said

from tuition.annotation.ask.pace import Pace, pace_of
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import RateLimits


class Time:
    """A clock that goes on only when everybody sleeps."""

    def __init__(self):
        self.now = 0.0
        self._sleepers = []
        self._order = itertools.count()

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        awake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), awake))
        await awake

    async def run(self, *work):
        """Do all of it; what waits for nothing but the clock makes the clock go on."""
        tasks = [asyncio.ensure_future(item) for item in work]
        while not all(task.done() for task in tasks):
            for _ in range(12):
                await asyncio.sleep(0)
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if self._sleepers and not all(task.done() for task in tasks):
                at, _, awake = heapq.heappop(self._sleepers)
                self.now = max(self.now, at)
                awake.set_result(None)
        return [task.result() for task in tasks]


def paced(time, **abilities):
    pace = Pace(
        TeacherAbilities(**abilities), clock=time.clock, sleep=time.sleep, draw=random.Random(0).random
    )
    pace.begun = []
    return pace


async def call(pace, time, *, takes_s=1.0, tokens=100, reply=None, name=None):
    async with pace.turn(tokens) as turn:
        assert turn.is_granted
        pace.begun.append(time.now if name is None else name)
        await time.sleep(takes_s)
        turn.heard([said("Fine.", prompt=tokens // 2, completion=tokens // 2) if reply is None else reply])


def play(pace, time, calls):
    asyncio.run(time.run(*calls))
    return pace.begun


def busiest_minute(times):
    return max(sum(start <= at < start + 60 for at in times) for start in times)


def test_turns_come_in_order_and_no_more_than_the_concurrency_at_once():
    time = Time()
    pace = paced(time, concurrency=3)
    most = []

    async def watched(i):
        async with pace.turn(1) as turn:
            pace.begun.append(i)
            most.append(pace.in_flight)
            await time.sleep(1 + i % 2)
            turn.heard([said("Fine.")])

    assert play(pace, time, [watched(i) for i in range(20)]) == list(range(20))
    assert (max(most), pace.in_flight) == (3, 0)


def test_overload_halves_the_window_once_a_round_trip_and_answers_bring_it_back():
    time = Time()
    pace = paced(time, concurrency=16)
    play(pace, time, [call(pace, time, reply=failed("rate_limit")) for _ in range(16)])
    assert pace.window == 8, "sixteen refusals of one moment are one piece of news"
    play(pace, time, [call(pace, time, reply=failed("server", retry_after_s=0.5)) for _ in range(8)])
    assert pace.window == 4
    play(pace, time, [call(pace, time, reply=failed("server"))])
    assert pace.window == 4, "a server that broke is not one that is asked too much"
    play(pace, time, [call(pace, time) for _ in range(4)])
    assert pace.window == 5
    play(pace, time, [call(pace, time) for _ in range(5 + 6)])
    assert pace.window == 7
    play(pace, time, [call(pace, time) for _ in range(500)])
    assert pace.window == 16
    for _ in range(8):
        play(pace, time, [call(pace, time, reply=failed("rate_limit"))])
    assert pace.window == 1
    play(pace, time, [call(pace, time)])
    assert pace.window == 2


def test_answers_to_calls_from_before_a_cut_do_not_count():
    time = Time()
    pace = paced(time, concurrency=4)
    play(
        pace,
        time,
        [
            call(pace, time, takes_s=0.1, reply=failed("rate_limit")),
            *[call(pace, time, takes_s=5) for _ in range(3)],
        ],
    )
    assert pace.window == 2


@settings(max_examples=20, deadline=None)
@given(limit=st.integers(1, 150), concurrency=st.integers(1, 16))
def test_no_minute_sees_more_requests_than_its_limit_and_nearly_all_of_it_is_used(limit, concurrency):
    time = Time()
    pace = paced(time, concurrency=concurrency, requests_per_minute=limit)
    n = limit + 40
    begun = play(pace, time, [call(pace, time, takes_s=0.01) for _ in range(n)])
    assert len(begun) == n
    assert busiest_minute(begun) <= limit
    slowest = (n - 1) * 60 / limit
    assert time.now <= slowest * 1.05 + 1, "at most a twentieth is given away"


def test_no_minute_sees_more_tokens_than_its_limit():
    time = Time()
    pace = paced(time, concurrency=8, tokens_per_minute=6000)
    begun = play(pace, time, [call(pace, time, tokens=500, takes_s=0.1) for _ in range(60)])
    assert busiest_minute(begun) <= 6000 / 500 + 1
    assert time.now <= 60 * 500 / 6000 * 60 * 1.05


def test_what_a_call_did_not_use_of_its_bound_is_there_for_others():
    time = Time()
    pace = paced(time, concurrency=4, tokens_per_minute=6000)
    reply = said("Fine.", prompt=50, completion=50)
    play(pace, time, [call(pace, time, tokens=1000, takes_s=1, reply=reply) for _ in range(120)])
    assert time.now < 120 * 1000 / 6000 * 60 / 4, "or the bounds would have taken twenty minutes"
    assert time.now > 120 * 100 / 6000 * 60 * 0.9


def test_a_turn_that_was_not_used_costs_nothing():
    time = Time()
    pace = paced(time, concurrency=4, requests_per_minute=2, tokens_per_minute=10)

    async def unused():
        for _ in range(500):
            async with pace.turn(1000):
                pass

    play(pace, time, [unused()])
    assert (time.now, pace.in_flight) == (0.0, 0)


def test_a_pause_holds_for_everyone_and_they_do_not_set_off_at_once():
    time = Time()
    pace = paced(time, concurrency=8)
    first = call(pace, time, takes_s=1, reply=failed("rate_limit", retry_after_s=30.0))

    async def later():
        await time.sleep(2)
        await asyncio.gather(*(call(pace, time) for _ in range(8)))

    begun = play(pace, time, [first, later()])[1:]
    assert min(begun) >= 31.0
    assert max(begun) < 31.0 + 10
    assert len(set(begun)) == 8
    assert begun[0] != 31.0


def test_a_second_shorter_wish_does_not_end_a_pause():
    time = Time()
    pace = paced(time, concurrency=2)
    play(
        pace,
        time,
        [
            call(pace, time, takes_s=1, reply=failed("rate_limit", retry_after_s=50.0)),
            call(pace, time, takes_s=2, reply=failed("rate_limit", retry_after_s=1.0)),
        ],
    )
    assert pace.pause_s >= 49


def test_a_limit_that_is_learned_holds_where_it_is_the_lower():
    for declared, learned, expected in ((None, 30, 30), (60, 30, 30), (30, 6000, 30)):
        time = Time()
        pace = paced(time, concurrency=4, requests_per_minute=declared)
        told = said("Fine.", limits=RateLimits(requests=learned))
        begun = play(pace, time, [call(pace, time, takes_s=0.1, reply=told) for _ in range(100)])
        later = [at for at in begun if at > 5]
        assert busiest_minute(later) <= expected
        assert time.now < 100 * 60 / expected * 1.05


def test_nothing_left_is_waited_for_until_it_is_there_again():
    for limits in (
        RateLimits(requests_left=0, requests_reset_s=20.0),
        RateLimits(tokens_left=0, tokens_reset_s=20.0),
    ):
        time = Time()
        pace = paced(time, concurrency=1)
        begun = play(
            pace,
            time,
            [call(pace, time, reply=said("Fine.", limits=limits)), call(pace, time)],
        )
        assert begun[0] == 0 and 21 <= begun[1] <= 24
    pace = paced(Time(), concurrency=1)
    play(pace, Time(), [])
    assert pace.pause_s == 0


def test_who_waits_goes_before_who_comes_later():
    """A large call is not passed by small ones for ever."""
    time = Time()
    pace = paced(time, concurrency=64, tokens_per_minute=6000)

    async def stream():
        calls = []
        for i in range(60):
            calls.append(asyncio.ensure_future(call(pace, time, tokens=100, name=f"small {i}")))
            if i == 10:
                calls.append(asyncio.ensure_future(call(pace, time, tokens=5000, name="large")))
            await time.sleep(0.5)
        await asyncio.gather(*calls)

    begun = play(pace, time, [stream()])
    assert begun.index("large") == 11


def test_those_who_may_go_at_one_moment_all_wake_in_the_same_turn_of_the_loop():
    pace = Pace(TeacherAbilities(concurrency=8))

    async def woken():
        first = [pace.turn(1) for _ in range(8)]
        for turn in first:
            await pace.begin(turn)
        begun = []

        async def next_one(i):
            async with pace.turn(1) as turn:
                begun.append(i)
                turn.heard([said("Fine.")])

        tasks = [asyncio.ensure_future(next_one(i)) for i in range(8)]
        await asyncio.sleep(0)
        for turn in first:
            turn.heard([said("Fine.")])
        for _ in range(2):
            await asyncio.sleep(0)
        found = list(begun)
        await asyncio.gather(*tasks)
        return found

    assert asyncio.run(woken()) == list(range(8))
    assert pace.in_flight == 0


def test_patience_ends_at_once_for_those_who_wait_already():
    time = Time()
    pace = paced(time, concurrency=1)
    came = []

    async def patient(seconds):
        async with pace.turn(1, patience_s=seconds) as turn:
            came.append((time.now, seconds, turn.is_granted))

    refused = call(pace, time, takes_s=1, reply=failed("rate_limit", retry_after_s=100.0))
    play(pace, time, [refused, patient(50), patient(500), patient(50)])
    assert [(seconds, granted) for _, seconds, granted in came] == [(50, False), (50, False), (500, True)]
    assert [at for at, _, granted in came if not granted] == [1.0, 1.0]
    assert came[-1][0] >= 101


def test_who_stops_waiting_leaves_no_gap():
    time = Time()
    pace = paced(time, concurrency=1, requests_per_minute=60)

    async def impatient():
        tasks = [asyncio.ensure_future(call(pace, time, name=i)) for i in range(6)]
        await time.sleep(0.5)
        for i in (0, 1, 3):
            tasks[i].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert play(pace, time, [impatient()]) == [0, 2, 4, 5]
    assert pace.in_flight == 0


def test_one_pace_holds_in_several_threads():
    pace = Pace(TeacherAbilities(concurrency=3))
    most, done = [], []

    async def many():
        async def one():
            async with pace.turn(1) as turn:
                most.append(pace.in_flight)
                await asyncio.sleep(0.0005)
                turn.heard([said("Fine.")])
                done.append(1)

        await asyncio.gather(*(one() for _ in range(100)))

    threads = [threading.Thread(target=asyncio.run, args=(many(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(done), max(most), pace.in_flight) == (300, 3, 0)


def test_the_pace_lives_as_long_as_the_teacher():
    @dataclass
    class Alike:
        """Equal to its like, and therefore without a hash."""

        abilities: TeacherAbilities

    class Bare:
        __slots__ = ("abilities",)

    teacher, other = ScriptedTeacher(), ScriptedTeacher()
    pace = pace_of(teacher)
    assert pace_of(teacher) is pace
    assert pace_of(other) is not pace
    one, two = Alike(teacher.abilities), Alike(teacher.abilities)
    assert pace_of(one) is pace_of(one) is not pace_of(two)
    bare = Bare()
    bare.abilities = teacher.abilities
    assert pace_of(bare).window == 4
    from tuition.annotation.ask import pace as room

    count = len(room._PACES)
    del teacher, one, two
    gc.collect()
    assert len(room._PACES) == count - 3


@pytest.mark.parametrize("limit", [math.inf, None])
def test_no_limit_is_no_limit(limit):
    time = Time()
    pace = paced(time, concurrency=1000, requests_per_minute=limit)
    play(pace, time, [call(pace, time, takes_s=1, tokens=10**9) for _ in range(1000)])
    assert time.now == 1.0


class TestEvenness:
    def test_a_bunch_of_many_short_calls_dissolves(self):
        time = Time()
        pace = paced(time, concurrency=64, is_spaced=True)
        asyncio.run(time.run(*(call(pace, time, takes_s=0.2) for _ in range(640))))
        assert pace.begun[:64] == [0.0] * 64, "nothing is known of the first"
        later = pace.begun[128:]
        assert max(sum(at <= other < at + 0.002 for other in later) for at in later) <= 4
        assert time.now < 1.15 * 10 * 0.2, "one window's time is spent on spreading, no more"

    @pytest.mark.parametrize(
        ("concurrency", "takes_s", "is_spaced"),
        [(8, 2.0, True), (64, 0.02, True), (64, 0.2, False)],
        ids=["long calls", "calls that no timer is fine enough for", "a model that answers many together"],
    )
    def test_no_others_are_spaced(self, concurrency, takes_s, is_spaced):
        time = Time()
        pace = paced(time, concurrency=concurrency, is_spaced=is_spaced)
        asyncio.run(time.run(*(call(pace, time, takes_s=takes_s) for _ in range(3 * concurrency))))
        assert pace.begun == pytest.approx([turn * takes_s for turn in range(3) for _ in range(concurrency)])

    @pytest.mark.parametrize("spread", ["exponential", "uniform", "a few long ones"])
    def test_calls_of_unequal_length_lose_next_to_nothing(self, spread):
        draw = random.Random(0)
        takes = {
            "exponential": lambda: draw.expovariate(1 / 0.2),
            "uniform": lambda: draw.uniform(0.1, 0.3),
            "a few long ones": lambda: 4.0 if draw.random() < 0.02 else 0.2,
        }[spread]
        durations = [takes() for _ in range(2560)]

        def duration(is_spaced):
            time = Time()
            pace = paced(time, concurrency=64, is_spaced=is_spaced)
            asyncio.run(time.run(*(call(pace, time, takes_s=takes_s) for takes_s in durations)))
            return time.now

        assert duration(True) <= 1.01 * duration(False), (
            "by the mean of the last calls it would be 1.015 to 1.03"
        )

    def test_what_gets_faster_is_asked_faster(self):
        time = Time()
        pace = paced(time, concurrency=64, is_spaced=True)
        asyncio.run(time.run(*(call(pace, time, takes_s=0.5) for _ in range(256))))
        middle = time.now
        asyncio.run(time.run(*(call(pace, time, takes_s=0.1) for _ in range(640))))
        assert time.now - middle < 2 * 640 / 64 * 0.1, "held at the old gaps it would be five times"

    def test_turns_that_are_not_used_take_no_time(self):
        time = Time()
        pace = paced(time, concurrency=64, is_spaced=True)
        asyncio.run(time.run(*(call(pace, time, takes_s=0.2) for _ in range(128))))
        start = time.now

        async def unused():
            async with pace.turn(1):
                await asyncio.sleep(0)

        asyncio.run(time.run(*(unused() for _ in range(600))))
        assert time.now - start < 0.2, "each with its gap they would take 1.8"
