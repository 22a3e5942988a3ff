"""How fast a teacher may be asked: calls in flight, requests and tokens a minute, pauses that hold for all.

What an endpoint says of its limits is heeded, whoever heard it: the pace lives as long as the teacher. Knows
no store, no budget and no retry; the clock, the sleep and the dice come from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from tuition.core.protocols import Teacher, TeacherAbilities
from tuition.core.records import RateLimits, Reply

__all__ = ["Pace", "Turn", "pace_of"]

_SPREAD, _SPREAD_MOST_S = 0.1, 1.0
"""Part of a pause, and most seconds, over which those who waited for its end set off."""
_EVEN = 0.95
"""Part of a short call's duration over which a window of calls sets off: faster than they come back."""
_RECENT = 64
"""Calls whose durations are known; the lower third is a short one, so that a few long ones hold nobody up."""
_GAP_LEAST_S, _GAP_MOST_S = 0.001, 0.01
"""Gaps between two calls that are held for it: timers are no finer, bunches of slower calls do not matter."""
_LATE_GAPS = 3
"""So many calls may set off at once where timers were late."""
_MINUTE_S = 60.05
"""Seconds that a limit a minute is spread over; a little more, for two clocks never agree."""


class Pace:
    """One teacher's pace, shared by everyone in this process who asks it, in whatever thread.

    Turns are given in the order in which they were asked for. The window of calls in flight begins at the
    teacher's concurrency; it is halved when the endpoint says that it is asked too much, once for all calls
    that were under way then, and grows by one for each window of answers, back to where it began.

    To an endpoint (`is_spaced`) short calls in great number set off evenly. A bunch of them would come back
    as a bunch, for ever where calls take equally long, and each would wait for the work on the others.
    """

    def __init__(
        self,
        abilities: TeacherAbilities,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Begin as fast as is declared."""
        self.window = abilities.concurrency
        """Calls in flight at most, now."""
        self.in_flight = 0
        self.clock = clock
        self._most = abilities.concurrency
        self._sleep = sleep
        self._draw = draw
        self._requests = _Bucket(abilities.requests_per_minute, clock())
        self._tokens = _Bucket(abilities.tokens_per_minute, clock())
        self._cuts = self._good = 0
        self._paused_till = self._spread_till = self._next_at = -math.inf
        self._spread_s = 0.0
        self._is_spaced = abilities.is_spaced
        self._took_s: deque[float] = deque(maxlen=_RECENT)
        self._queue: deque[Turn] = deque()
        self._lock = threading.Lock()

    @property
    def pause_s(self) -> float:
        """Seconds for which the endpoint wants no call at all; 0: none."""
        return max(0.0, self._paused_till - self.clock())

    def turn(self, tokens: int, *, patience_s: float = math.inf) -> Turn:
        """Wait for a turn, to be entered with `async with`."""
        return Turn(self, tokens, patience_s)

    async def begin(self, turn: Turn) -> None:
        """Wait until it is a turn's time, or the endpoint pauses for longer than its patience."""
        with self._lock:
            self._queue.append(turn)
        try:
            while (bell := self._stand_by(turn)) is not None:
                await self._rest(*bell)
        finally:
            with self._lock:
                self._queue.remove(turn)
                self._ring()

    def heard(self, turn: Turn, replies: Sequence[Reply]) -> None:
        """Learn from what came back, and let the next one go; `Turn.heard` does it."""
        with self._lock:
            self._end(turn)
            self._took_s.append(self.clock() - turn.began)
            share = turn.tokens / max(1, len(replies))
            self._tokens.give(turn.tokens - sum(_used(reply, share) for reply in replies))
            is_overload = any(map(_is_overload, replies))
            # A call from before the last cut tells of a load that is no more.
            if turn.cuts == self._cuts and is_overload:
                self._cuts, self._good = self._cuts + 1, 0
                self.window = max(1, self.window // 2)
            elif turn.cuts == self._cuts and any(reply.failure is None for reply in replies):
                self._good += 1
                if self._good >= self.window:
                    self.window, self._good = min(self.window + 1, self._most), 0
            for reply in replies:
                if reply.limits is not None:
                    self._heed(reply.limits)
                if reply.failure is not None and reply.failure.retry_after_s:
                    self._pause(reply.failure.retry_after_s)
            self._ring()

    def give_back(self, turn: Turn) -> None:
        """Take a turn back that was not used; leaving the block does it."""
        with self._lock:
            self._end(turn)
            self._requests.give(1)
            self._tokens.give(turn.tokens)
            self._next_at -= turn.gap_s
            self._ring()

    def _stand_by(self, turn: Turn) -> tuple[asyncio.Future[None], float | None] | None:
        """What to wait for, a bell or so many seconds; None: the waiting is over, granted or not."""
        with self._lock:
            if self.pause_s > turn.patience_s:
                return None
            wait_s = self._wait_s(turn) if self._queue[0] is turn else None
            if wait_s == 0:
                self._take(turn)
                return None
            return turn.hang_bell(), wait_s

    def _wait_s(self, turn: Turn) -> float | None:
        """Seconds until a turn's time; None: until another ends."""
        if self.in_flight >= self.window:
            return None
        now = self.clock()
        held = max(self._paused_till, self._next_at) - now
        return max(0.0, held, self._requests.wait_s(1, now), self._tokens.wait_s(turn.tokens, now))

    def _take(self, turn: Turn) -> None:
        now = self.clock()
        self.in_flight += 1
        turn.is_granted = True
        turn.cuts = self._cuts
        turn.began = now
        self._requests.take(1, now)
        self._tokens.take(turn.tokens, now)
        if now < self._spread_till:
            self._next_at = now + 2 * self._draw() * self._spread_s / self.window
            return
        turn.gap_s = self._gap_s()
        if turn.gap_s:
            self._next_at = max(self._next_at, now - _LATE_GAPS * turn.gap_s) + turn.gap_s

    def _gap_s(self) -> float:
        """Seconds between two calls that leave evenly; 0: they need not."""
        if not self._is_spaced or not self._took_s:
            return 0.0
        gap_s = _EVEN * sorted(self._took_s)[len(self._took_s) // 3] / self.window
        return gap_s if _GAP_LEAST_S <= gap_s <= _GAP_MOST_S else 0.0

    def _end(self, turn: Turn) -> None:
        self.in_flight -= 1
        turn.is_over = True

    def _heed(self, said: RateLimits) -> None:
        now = self.clock()
        for bucket, limit, left, reset_s in (
            (self._requests, said.requests, said.requests_left, said.requests_reset_s),
            (self._tokens, said.tokens, said.tokens_left, said.tokens_reset_s),
        ):
            bucket.learn(limit, left, now)
            if left is not None and left <= 0 and reset_s:
                self._pause(reset_s)

    def _pause(self, seconds: float) -> None:
        """Hold everyone until then; who waited sets off one after the other, and not at the very moment."""
        spread_s = min(_SPREAD * seconds, _SPREAD_MOST_S)
        till = self.clock() + seconds + self._draw() * spread_s
        if till > self._paused_till:
            self._paused_till, self._spread_till, self._spread_s = till, till + spread_s, spread_s
            for turn in self._queue:
                turn.ring()

    def _ring(self) -> None:
        """Wake as many as may go; who wakes ahead of its turn is woken again."""
        for turn in itertools.islice(self._queue, max(1, self.window - self.in_flight)):
            turn.ring()

    async def _rest(self, bell: asyncio.Future[None], wait_s: float | None) -> None:
        if wait_s is None:
            await bell
            return
        timer = asyncio.ensure_future(self._sleep(wait_s))
        try:
            await asyncio.wait((timer, bell), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()


class Turn:
    """One call's turn, entered with `async with`."""

    def __init__(self, pace: Pace, tokens: int, patience_s: float) -> None:
        """Ask for nothing yet."""
        self.tokens = tokens
        self.patience_s = patience_s
        self.is_granted = False
        """False: the endpoint pauses for longer than the patience, and no call may be made."""
        self.is_over = False
        self.cuts = 0
        """How often the window had been halved when the turn began."""
        self.began = 0.0
        """Time of the pace's clock."""
        self.gap_s = 0.0
        """Seconds for which the next turn waits because of this one."""
        self._pace = pace
        self._bell: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Turn:
        await self._pace.begin(self)
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self.is_granted and not self.is_over:
            self._pace.give_back(self)

    def heard(self, replies: Sequence[Reply]) -> None:
        """End the turn with what its call brought; the next one may go."""
        self._pace.heard(self, replies)

    def hang_bell(self) -> asyncio.Future[None]:
        """Give what `ring` completes, made anew for each wait."""
        self._bell = asyncio.get_running_loop().create_future()
        return self._bell

    def ring(self) -> None:
        """Wake whoever waits for the turn, in whatever loop."""
        bell = self._bell
        if bell is None or bell.done():
            return
        loop, here = bell.get_loop(), None
        with contextlib.suppress(RuntimeError):
            here = asyncio.get_running_loop()
        if here is loop:
            bell.set_result(None)
            return
        # A loop that is over has nobody waiting in it.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_complete, bell)


def _complete(bell: asyncio.Future[None]) -> None:
    if not bell.done():
        bell.set_result(None)


class _Bucket:
    """A limit a minute: a level that rises steadily and holds a second's worth.

    It goes below zero for a call larger than that. No minute sees more than the limit, but for the last such
    call of it.
    """

    def __init__(self, limit: float | None, now: float) -> None:
        self._declared = math.inf if limit is None else limit
        self._now = now
        self._set(self._declared)
        self._level = self._room

    def wait_s(self, n: float, now: float) -> float:
        self._rise(now)
        lacking = min(n, self._room) - self._level
        return lacking / self._speed if lacking > 1e-9 else 0.0

    def take(self, n: float, now: float) -> None:
        self._rise(now)
        self._level -= n

    def give(self, n: float) -> None:
        self._level = min(self._room, self._level + n)

    def learn(self, limit: int | None, left: int | None, now: float) -> None:
        """The lower of the declared limit and the endpoint's own holds; so does what it says is left."""
        self._rise(now)
        if limit is not None and limit > 0:
            self._set(min(self._declared, limit))
        self._level = min(self._level, self._room, math.inf if left is None else max(0, left))

    def _set(self, limit: float) -> None:
        self._room = max(1.0, limit / _MINUTE_S)
        self._speed = (limit - self._room + 1) / _MINUTE_S if math.isfinite(limit) else math.inf

    def _rise(self, now: float) -> None:
        if math.isinf(self._speed):
            self._level = math.inf
        else:
            self._level = min(self._room, self._level + (now - self._now) * self._speed)
        self._now = now


def _used(reply: Reply, most: float) -> float:
    """Tokens that an endpoint counts; all of them where nobody can tell."""
    is_paid = True if reply.failure is None else reply.failure.is_paid
    return most if is_paid is None else is_paid * (reply.usage.prompt_tokens + reply.usage.completion_tokens)


def _is_overload(reply: Reply) -> bool:
    failure = reply.failure
    if failure is None:
        return False
    return failure.kind == "rate_limit" or (failure.kind == "server" and failure.retry_after_s is not None)


_PACES: dict[int, Pace] = {}
_PACES_LOCK = threading.Lock()


def pace_of(teacher: Teacher) -> Pace:
    """Find a teacher's pace, or begin one; it goes when the teacher does."""
    with _PACES_LOCK:
        pace = _PACES.get(id(teacher))
        if pace is None:
            pace = Pace(teacher.abilities)
            with contextlib.suppress(TypeError):
                weakref.finalize(teacher, _PACES.pop, id(teacher), None).atexit = False
                _PACES[id(teacher)] = pace
        return pace
