"""How fast a teacher may be asked: a queue, a window, token buckets and pauses.

- Calls queue in the order in which they were wanted.
- A window bounds the calls in flight. An overload halves it, and each window of answers adds one (additive
  increase, multiplicative decrease).
- A token bucket holds each limit a minute, of requests and of tokens; the endpoint's own limits are learned.
- A pause that an endpoint asks for (Retry-After) holds for every call, and ends with jitter.

Knows no store, no budget and no retry. The clock, the sleep and the random numbers come from outside.
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

_JITTER, _JITTER_MOST_S = 0.1, 1.0
"""Part of a pause, and most seconds, over which the calls that waited for its end start."""
_EVEN = 0.95
"""Part of a short call's duration over which a window of calls starts: just faster than they come back."""
_RECENT = 64
"""Calls whose durations are known. A short call is at the end of their lower third: a few long ones hold up
nobody."""
_GAP_LEAST_S, _GAP_MOST_S = 0.001, 0.01
"""Gaps between the starts of two calls that are kept: timers are no finer, and slower calls need none."""
_LATE_GAPS = 3
"""Calls that may start at once to make up for a timer that was late."""
_MINUTE_S = 60.05
"""Seconds over which a limit a minute is spread; a little more, since two clocks differ."""


class Pace:
    """One teacher's pace, shared by all threads and event loops of the process that ask it.

    The window begins at the teacher's concurrency, and never grows beyond it. An overload halves it once,
    and not for each of the calls that were in flight then.

    Short calls in great number to an endpoint (`is_spaced`) start evenly: a burst of calls of equal length
    would come back as a burst again and again, and each call would wait while the others are handled.
    """

    def __init__(
        self,
        abilities: TeacherAbilities,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Begin as fast as the teacher declares; `draw` gives a number in [0, 1)."""
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
        self._paused_till = self._jitter_till = self._next_at = -math.inf
        self._jitter_s = 0.0
        self._is_spaced = abilities.is_spaced
        self._took_s: deque[float] = deque(maxlen=_RECENT)
        self._queue: deque[Turn] = deque()
        self._lock = threading.Lock()

    @property
    def pause_s(self) -> float:
        """Seconds for which the endpoint wants no call at all; 0: none."""
        return max(0.0, self._paused_till - self.clock())

    def turn(self, tokens: int, *, patience_s: float = math.inf) -> Turn:
        """Give a turn for a call of at most so many tokens, to be entered with `async with`.

        A longer pause of the endpoint than the patience is not waited for: the turn is then not granted. The
        turn counts as not used unless it `heard` a reply.
        """
        return Turn(self, tokens, patience_s)

    async def begin(self, turn: Turn) -> None:
        """Wait until the turn is granted, or the endpoint pauses for longer than its patience."""
        with self._lock:
            self._queue.append(turn)
        try:
            while (waiting := self._try(turn)) is not None:
                woken, wait_s = waiting
                if wait_s is None:
                    await woken
                    continue
                timer = asyncio.ensure_future(self._sleep(wait_s))
                try:
                    await asyncio.wait((timer, woken), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    timer.cancel()
        finally:
            with self._lock:
                self._queue.remove(turn)
                self._wake_next()

    def heard(self, turn: Turn, replies: Sequence[Reply]) -> None:
        """End a turn, and learn from the replies of its one call."""
        with self._lock:
            self._end(turn)
            self._took_s.append(self.clock() - turn.began)
            share = turn.tokens / max(1, len(replies))
            left, is_overload = float(turn.tokens), False
            for reply in replies:
                failure, usage = reply.failure, reply.usage
                is_paid = True if failure is None else failure.is_paid
                # Where nobody can tell what the endpoint counts, it is all of the tokens.
                left -= (
                    share if is_paid is None else is_paid * (usage.prompt_tokens + usage.completion_tokens)
                )
                if failure is not None and failure.kind in ("rate_limit", "server"):
                    is_overload |= failure.kind == "rate_limit" or failure.retry_after_s is not None
            self._tokens.give(left)
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
                    self._learn(reply.limits)
                if reply.failure is not None and reply.failure.retry_after_s:
                    self._pause(reply.failure.retry_after_s)
            self._wake_next()

    def give_back(self, turn: Turn) -> None:
        """End a turn that was granted and not used."""
        with self._lock:
            self._end(turn)
            self._requests.give(1)
            self._tokens.give(turn.tokens)
            self._next_at -= turn.gap_s
            self._wake_next()

    def _try(self, turn: Turn) -> tuple[asyncio.Future[None], float | None] | None:
        """Grant a turn or give it up (None); else what to wait for: to be woken, or so many seconds."""
        with self._lock:
            if self.pause_s > turn.patience_s:
                return None
            wait_s = None
            if self._queue[0] is turn and self.in_flight < self.window:
                now = self.clock()
                held = max(self._paused_till, self._next_at) - now
                wait_s = max(0.0, held, self._requests.wait_s(1, now), self._tokens.wait_s(turn.tokens, now))
            if wait_s == 0:
                self._grant(turn)
                return None
            # Made under the lock that every waker holds, so that no wake-up is lost before it is waited for.
            turn.woken = asyncio.get_running_loop().create_future()
            return turn.woken, wait_s

    def _grant(self, turn: Turn) -> None:
        now = self.clock()
        self.in_flight += 1
        turn.is_granted, turn.cuts, turn.began = True, self._cuts, now
        self._requests.take(1, now)
        self._tokens.take(turn.tokens, now)
        if now < self._jitter_till:
            self._next_at = now + 2 * self._draw() * self._jitter_s / self.window
        elif self._is_spaced and self._took_s:
            gap_s = _EVEN * sorted(self._took_s)[len(self._took_s) // 3] / self.window
            if _GAP_LEAST_S <= gap_s <= _GAP_MOST_S:
                turn.gap_s = gap_s
                self._next_at = max(self._next_at, now - _LATE_GAPS * gap_s) + gap_s

    def _end(self, turn: Turn) -> None:
        self.in_flight -= 1
        turn.is_over = True

    def _learn(self, said: RateLimits) -> None:
        now = self.clock()
        for bucket, limit, left, reset_s in (
            (self._requests, said.requests, said.requests_left, said.requests_reset_s),
            (self._tokens, said.tokens, said.tokens_left, said.tokens_reset_s),
        ):
            bucket.learn(limit, left, now)
            if left is not None and left <= 0 and reset_s:
                self._pause(reset_s)

    def _pause(self, seconds: float) -> None:
        """Start no call for so long; those that wait for the end start one after the other, with jitter."""
        jitter_s = min(_JITTER * seconds, _JITTER_MOST_S)
        till = self.clock() + seconds + self._draw() * jitter_s
        if till > self._paused_till:
            self._paused_till, self._jitter_till, self._jitter_s = till, till + jitter_s, jitter_s
            for turn in self._queue:
                turn.wake()

    def _wake_next(self) -> None:
        """Wake as many turns as may start. One that cannot yet is woken again by the one before it."""
        for turn in itertools.islice(self._queue, max(1, self.window - self.in_flight)):
            turn.wake()


class Turn:
    """One call's turn, entered with `async with`."""

    def __init__(self, pace: Pace, tokens: int, patience_s: float) -> None:
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
        self.woken: asyncio.Future[None] | None = None
        """Completed by `wake`; a new one for each wait."""
        self._pace = pace

    async def __aenter__(self) -> Turn:
        await self._pace.begin(self)
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self.is_granted and not self.is_over:
            self._pace.give_back(self)

    def heard(self, replies: Sequence[Reply]) -> None:
        """End the turn with the replies of its one call."""
        self._pace.heard(self, replies)

    def wake(self) -> None:
        """Wake the coroutine that waits for the turn, from any thread and any event loop."""
        woken, here = self.woken, None
        if woken is None or woken.done():
            return

        def complete() -> None:
            # By now another thread, or this one, may have completed it.
            if not woken.done():
                woken.set_result(None)

        with contextlib.suppress(RuntimeError):
            here = asyncio.get_running_loop()
        if here is woken.get_loop():
            complete()
            return
        # A loop that is closed raises, and nobody waits in it.
        with contextlib.suppress(RuntimeError):
            woken.get_loop().call_soon_threadsafe(complete)


class _Bucket:
    """A limit a minute as a token bucket that fills steadily and holds a second's worth.

    A call larger than that takes the level below zero. No minute sees more than the limit, but for the last
    such call of it.
    """

    def __init__(self, limit: float | None, now: float) -> None:
        self._declared = math.inf if limit is None else limit
        self._now = now
        self._set(self._declared)
        self._level = self._room

    def wait_s(self, n: float, now: float) -> float:
        self._fill(now)
        lacking = min(n, self._room) - self._level
        return lacking / self._speed if lacking > 1e-9 else 0.0

    def take(self, n: float, now: float) -> None:
        self._fill(now)
        self._level -= n

    def give(self, n: float) -> None:
        self._level = min(self._room, self._level + n)

    def learn(self, limit: int | None, left: int | None, now: float) -> None:
        """The lower of the declared limit and the endpoint's own holds; so does what it says is left."""
        self._fill(now)
        if limit is not None and limit > 0:
            self._set(min(self._declared, limit))
        self._level = min(self._level, self._room, math.inf if left is None else max(0, left))

    def _set(self, limit: float) -> None:
        self._room = max(1.0, limit / _MINUTE_S)
        # A bucket that is full when a minute begins, and what fills it until its end, make up the limit.
        self._speed = (limit - self._room + 1) / _MINUTE_S if math.isfinite(limit) else math.inf

    def _fill(self, now: float) -> None:
        # Without a limit nothing is multiplied: infinity times zero seconds is no number.
        gain = (now - self._now) * self._speed if math.isfinite(self._speed) else math.inf
        self._level, self._now = min(self._room, self._level + gain), now


_PACES: dict[int, Pace] = {}
_PACES_LOCK = threading.Lock()


def pace_of(teacher: Teacher) -> Pace:
    """Find a teacher's pace, by identity, or begin one; it goes when the teacher does.

    A teacher that cannot be referred to weakly has a new pace each time.
    """
    with _PACES_LOCK:
        pace = _PACES.get(id(teacher))
        if pace is None:
            pace = Pace(teacher.abilities)
            with contextlib.suppress(TypeError):
                weakref.finalize(teacher, _PACES.pop, id(teacher), None).atexit = False
                _PACES[id(teacher)] = pace
        return pace
