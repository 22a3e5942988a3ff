"""Carry requests through the pace, the store and the teacher, many at once, with retries."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import math
import random
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from tuition.annotation.ask.account import Account, unknown_outcome, unpaid, worst_of
from tuition.annotation.ask.failures import FATAL, advised, checked, mendable, raised, storable
from tuition.annotation.ask.pace import Turn, pace_of
from tuition.annotation.config import AnnotationConfig
from tuition.core.budget import Cost
from tuition.core.errors import StoreError
from tuition.core.protocols import Sampler, Teacher
from tuition.core.records import Failure, Message, Reply, Request, canonical_json
from tuition.core.store import Busy, Kept, Left, Outcome, Refused, Reserved, Written

__all__ = ["Caller"]

_POLL_S = 0.02
_POLL_MOST_S = 0.5
"""First and longest pause while another process makes the call, or calls in flight may free money."""
_LOOKED_UP = 500
"""Calls looked up in one transaction."""
_CUT_OFF = Failure(
    kind="unknown_outcome", message="the asking was broken off while the call was under way", is_paid=None
)
_NOT_SENT = Failure(
    kind="unpaid", message="the asking was broken off before the call was sent", is_retryable=True
)


@dataclass(slots=True, eq=False)
class _Wanted:
    """One request on its way."""

    request: Request
    worst: Cost
    reply: Reply | None = None
    """The last one."""
    blocked: Busy | Refused | None = None
    """What the last asking found in the way; waiting can help."""
    is_done: bool = False
    tries: int = 0
    until: float = math.inf
    """Time of the pace's clock after which no further attempt begins; known when the first one does."""

    def stands(self, reply: Reply) -> None:
        """Take a reply for the last."""
        self.reply, self.is_done = reply, True


class Caller:
    """Carries requests through the store and the teacher."""

    def __init__(self, teacher: Teacher, *, account: Account, config: AnnotationConfig) -> None:
        self.refused: Refused | None = None
        """The refusal that ended the asking."""
        self.ends_on_refusal = True
        """False: what is refused from here on leaves the others alone."""
        self.fault = ""
        """Why the teacher accepts no call at all; empty: it does."""
        self.is_batched = False
        """Whether that is a batch in which some of the calls stand."""
        self._calling: set[asyncio.Task[None] | None] = set()
        """Tasks with a call under way, which must not be cut off."""
        self._teacher = teacher
        self._sampler = teacher if isinstance(teacher, Sampler) else None
        self._pace = pace_of(teacher)
        self._store = account.store
        self._account = account
        self._config = config
        # Unlike any other's; one system call for all attempts.
        self._name, self._tags = uuid.uuid4().hex[:24], 0
        self._patience_s = math.inf if config.deadline_s is None else config.deadline_s
        # A call that waits for money goes first, or small calls would take for ever what it waits for.
        self._gate = asyncio.Lock()
        self._settled = asyncio.Event()

    async def answer_all(self, requests: Sequence[Request], *, more: str = "") -> list[Reply]:
        """Answer a list, many calls at once; the first error that is no call's own ends it."""
        replies: list[Reply] = [unpaid(None)] * len(requests)
        done, known = itertools.count(1), set[int]()

        def take(i: int, reply: Reply) -> None:
            replies[i] = reply
            if self._account.progress is not None:
                self._account.progress(f"{requests[i].role}{more}", next(done), len(requests))

        async for i, reply in self._kept(requests):
            known.add(i)
            take(i, reply)
        groups = self._groups({i: request for i, request in enumerate(requests) if i not in known})
        waiting = iter(groups)
        tasks: list[asyncio.Task[None]] = []

        async def work() -> None:
            for group in waiting:
                if self.fault:
                    break
                for i, reply in zip(group, await self.answer([requests[i] for i in group]), strict=True):
                    take(i, reply)
            if self.fault:
                # What is under way is finished and kept; who only waits need wait no longer.
                for task in tasks:
                    if task not in self._calling:
                        task.cancel()

        # Twice as many as may be in flight, so that the next is ready when one ends.
        n = min(2 * self._teacher.abilities.concurrency, len(groups))
        tasks += [asyncio.create_task(work()) for _ in range(n)]
        if not tasks:
            return replies
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                if not task.cancelled():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return replies

    def _groups(self, requests: Mapping[int, Request]) -> list[list[int]]:
        """Say which requests one call can bring: where the teacher can, those that differ in their sample."""
        most = self._at_once
        if most <= 1:
            return [[i] for i in requests]
        groups: list[list[int]] = []
        last: dict[tuple[str, str, tuple[Message, ...], str], list[int]] = {}
        for i, request in requests.items():
            alike = (
                request.endpoint,
                request.model,
                request.messages,
                canonical_json({**request.parameters}),
            )
            group = last.get(alike)
            if (
                group is None
                or len(group) >= most
                or any(requests[k].sample == request.sample for k in group)
            ):
                group = last[alike] = []
                groups.append(group)
            group.append(i)
        return groups

    async def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Get the replies to what one call can bring: kept, bought with retries, or failures."""
        wanted = [_Wanted(request, worst_of(request, self._teacher)) for request in requests]
        while (left := [item for item in wanted if not item.is_done]) and not self.fault:
            while left and not self.fault:
                # An endpoint may turn out to bring fewer at a time; each call waits for a turn of its own.
                now, left = left[: self._at_once], left[self._at_once :]
                await self._find(now)
            tries = [
                item.tries for item in wanted if not item.is_done and item.blocked is None and item.tries
            ]
            if tries and not self.fault:
                # Full jitter over a doubling span; what the server asked for is the pace's to hold.
                spans = (
                    min(self._config.backoff_s * 2 ** (n - 1), self._config.backoff_most_s) for n in tries
                )
                await asyncio.sleep(max(random.uniform(0.0, span) for span in spans))
        return [item.reply or unpaid(None) for item in wanted]

    async def _kept(self, requests: Sequence[Request]) -> AsyncIterator[tuple[int, Reply]]:
        """Give the replies that the store has, by place: they need no turn, and no transaction each."""
        for start in range(0, len(requests), _LOOKED_UP):
            part = requests[start : start + _LOOKED_UP]
            found = dict(await self._store.take_kept(part, place=self._account.place))
            for i, request in enumerate(part, start):
                if request.key in found:
                    yield i, Reply.from_json(json.loads(found[request.key]))

    @property
    def _at_once(self) -> int:
        """How many answers one call can bring, as far as is known by now."""
        return 1 if self._sampler is None else max(1, self._teacher.abilities.samples_per_call)

    async def _find(self, wanted: Sequence[_Wanted]) -> None:
        """Ask once, waiting as long as waiting can help."""
        async with self._gate:
            pass
        await self._try(wanted)
        if not self._is_stuck(wanted):
            return
        waits_for_money = any(isinstance(item.blocked, Refused) for item in wanted)
        async with self._gate if waits_for_money else contextlib.nullcontext():
            pause_s = _POLL_S
            while self._is_stuck(wanted):
                try:
                    await asyncio.wait_for(self._settled.wait(), pause_s)
                except TimeoutError:
                    pause_s = min(2 * pause_s, _POLL_MOST_S)
                self._settled.clear()
                await self._try(wanted)

    def _is_stuck(self, wanted: Sequence[_Wanted]) -> bool:
        return not self.fault and all(item.blocked is not None for item in wanted)

    async def _try(self, wanted: Sequence[_Wanted]) -> None:
        """Take a turn, reserve, and make the call; while waiting for a turn nothing is reserved."""
        if self.refused is not None:
            # Nothing new is bought, and what is kept needs no turn.
            await self._book(wanted)
            return
        tokens = sum(item.worst.tokens for item in wanted)
        patience_s = min(self._patience_s, min(item.until for item in wanted) - self._pace.clock())
        async with self._pace.turn(tokens, patience_s=patience_s) as turn:
            now = self._pace.clock()
            late = [item for item in wanted if not turn.is_granted or now > item.until]
            found = [
                self._account.reserve(item.request, self._teacher, worst=item.worst, buys=False)
                for item in late
            ]
            for item, future in zip(late, found, strict=True):
                outcome = await future
                if isinstance(outcome, Kept | Left):
                    self._note(item, outcome)
                else:
                    item.stands(self._too_late(item))
            in_time = [item for item in wanted if not item.is_done]
            if self.fault or not in_time:
                return
            if len(in_time) > self._at_once:
                for item in in_time:
                    item.blocked = None
                return
            sent = await self._book(in_time)
            if sent:
                for item, _, _ in sent:
                    item.until = min(item.until, now + self._patience_s)
                await self._call(sent, turn)

    async def _book(self, wanted: Sequence[_Wanted]) -> list[_Sent]:
        """Reserve each by itself; give those that may be sent."""
        # One call goes under its first tag alone; the others tell by theirs that they were part of it.
        self._tags += 1
        tag = f"{self._name}{self._tags:08x}"
        tags = [tag, *(f"{tag}.{i}" for i in range(1, len(wanted)))]
        tagged = [dataclasses.replace(item.request, tag=tag) for item, tag in zip(wanted, tags, strict=True)]
        # Once refused, nothing new is bought, but what the store has still comes.
        buys = self.refused is None
        futures = [
            self._account.reserve(request, self._teacher, worst=item.worst, buys=buys)
            for request, item in zip(tagged, wanted, strict=True)
        ]
        outcomes: list[Outcome] = []
        try:
            for future in futures:
                outcomes.append(await future)
        finally:
            if len(outcomes) < len(futures):
                for future in futures:
                    future.add_done_callback(self._give_back)
        for item, outcome in zip(wanted, outcomes, strict=True):
            self._note(item, outcome)
        return [
            (item, request, outcome.attempt_id)
            for item, request, outcome in zip(wanted, tagged, outcomes, strict=True)
            if isinstance(outcome, Reserved)
        ]

    def _note(self, item: _Wanted, outcome: Outcome) -> None:
        """Note the outcome of a reservation that does not lead to a call."""
        item.blocked = None
        match outcome:
            case Kept():
                item.stands(outcome.reply)
            case Left():
                item.stands(unknown_outcome(outcome))
            case Busy(batch=batch) if batch:
                # Made since the asking began; it may take hours, or for ever.
                self.is_batched = True
                self.fault = self.fault or f"some of its calls stand in batch {batch!r}, which is not over."
            case Busy() | Refused(may_free=True):
                item.blocked = outcome
            case Refused():
                if self.ends_on_refusal and self.refused is None:
                    self.refused = outcome
                item.stands(unpaid(self.refused or outcome))

    def _give_back(self, future: Future[Outcome]) -> None:
        """Free what was reserved for a call that will not be sent."""
        if future.exception() is None and isinstance(outcome := future.result(), Reserved):
            # Once the store is closed the attempt counts as unknown, which is the careful side.
            with contextlib.suppress(StoreError):
                self._settle(outcome.attempt_id, Reply(failure=_NOT_SENT))

    async def _call(self, sent: Sequence[_Sent], turn: Turn) -> None:
        """Make one call, and settle what each of its requests came to."""
        task = asyncio.current_task()
        self._calling.add(task)
        try:
            heard = [storable(reply) for reply in await self._complete(sent)]
            # Limits are news, and nothing to keep.
            replies = [
                reply if reply.limits is None else dataclasses.replace(reply, limits=None) for reply in heard
            ]
            for (item, _, _), reply in zip(sent, replies, strict=True):
                failure = reply.failure
                item.reply, item.tries = reply, item.tries + 1
                if failure is not None and failure.kind in FATAL:
                    self.fault = self.fault or f"{failure.message.rstrip('.')}.{FATAL[failure.kind]}"
                if failure is None or not failure.is_retryable or item.tries >= self._config.max_attempts:
                    item.is_done = True
                elif self._pace.clock() + (failure.retry_after_s or 0.0) > item.until:
                    item.stands(self._too_late(item))
            # Queued before the next one's reservation, which then finds what this call left of its worst.
            settled = [
                self._settle(id_, mendable(reply)) for (_, _, id_), reply in zip(sent, replies, strict=True)
            ]
            turn.heard(heard)
            for future in settled:
                await future
        finally:
            self._calling.discard(task)
        self._settled.set()

    async def _complete(self, sent: Sequence[_Sent]) -> list[Reply]:
        requests = [request for _, request, _ in sent]
        try:
            if self._sampler is None or len(requests) == 1:
                replies = [await self._teacher.complete(request) for request in requests]
            else:
                replies = await self._sampler.complete_all(requests)
        except (asyncio.CancelledError, KeyboardInterrupt):
            with contextlib.suppress(StoreError):
                for _, _, attempt_id in sent:
                    self._settle(attempt_id, Reply(failure=_CUT_OFF))
            raise
        # The one place where any fault is caught: a stranger's teacher may raise what it likes, and one
        # broken call must neither end the others nor leave its reservation without an outcome.
        except Exception as error:
            return [raised(f"the teacher raised {type(error).__name__}: {error}")] * len(requests)
        return [advised(reply) for reply in checked(replies, len(requests))]

    def _too_late(self, item: _Wanted) -> Reply:
        """The failure that stands because the next attempt would begin behind the deadline."""
        allowed = f"annotation.deadline_s = {self._patience_s:g} allows"
        failure = item.reply.failure if item.reply is not None else None
        if item.reply is None or failure is None:
            wish = f"not asked: the endpoint pauses for {self._pace.pause_s:.0f} s, more than {allowed}."
            return Reply(failure=Failure(kind="rate_limit", message=wish, is_retryable=True))
        said = failure.message.rstrip(".")
        message = f"{said}. It is not asked again, for that would be later than {allowed}."
        return dataclasses.replace(item.reply, failure=dataclasses.replace(failure, message=message))

    def _settle(self, attempt_id: int, reply: Reply) -> Written[None]:
        cost = Cost.of(reply.usage, self._teacher.price)
        return self._store.settle(attempt_id, reply, cost=cost, is_paid=self._teacher.abilities.is_paid)


_Sent = tuple[_Wanted, Request, int]
"""What is called, its request with the attempt's tag, and the attempt's id."""
