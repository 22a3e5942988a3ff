"""Ask a teacher in batches: reserve, hand over, wait, settle; what a process left behind is taken up again.

A batch is named and every call of it reserved before anything is handed over, so that a kill at any moment
leaves something to find: nothing handed over is bought again. Knows no provider.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from tuition.annotation.ask.account import Account, unknown_outcome, unpaid
from tuition.annotation.ask.failures import FATAL, checked
from tuition.annotation.batches.lines import (
    is_refused_whole,
    is_written,
    not_handed_over,
    owner_of,
    parts_of,
    refuse_written,
    reserve_all,
    settle_lines,
    tagged,
)
from tuition.annotation.config import AnnotationConfig
from tuition.core.errors import StoreError, TeacherError, TuitionError
from tuition.core.protocols import BatchTeacher
from tuition.core.records import Failure, Reply, Request
from tuition.core.store import Batch, Busy, Kept, Left, Refused, Reserved
from tuition.core.store.leases import here, is_alive

__all__ = ["BatchCaller"]

_MOST_CALLS = 50_000
"""What providers take in one batch."""
_LOOKS = 2
"""How often a batch is looked for before it counts as not handed over; a list may lag behind."""
_PATIENCE = 20
"""Faults in a row after which a question about a batch is given up."""
_FORSAKEN_S = 60.0
"""Age of a batch without calls that nobody can be filling any more."""
_PAUSE_S = 0.2
"""Longest pause between two looks at what another process is doing."""
_PAUSE_MOST_S = 10.0
"""Longest pause between two tries to reserve, while calls in flight may free money."""
_CARRIED: set[str] = set()
"""Batches that this process is carrying; any other of its own was broken off."""

Value = TypeVar("Value")


class _NotTaken(Exception):
    """A batch that the provider does not have, and why."""

    def __init__(self, kind: str, message: str, error: TeacherError | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(kind=kind, message=message, is_retryable=True)
        self.error = error
        """Why no batch would be taken; None: the next one may be."""


class BatchCaller:
    """Carries requests through the store and the teacher, many at a time."""

    def __init__(self, teacher: BatchTeacher, *, account: Account, config: AnnotationConfig) -> None:
        self.refused: Refused | None = None
        """The refusal that ended the asking."""
        self.ends_on_refusal = True
        """False: what is refused from here on is not the end of the asking."""
        self.fault = ""
        """Why the teacher accepts no call at all; empty: it does."""
        self._teacher = teacher
        self._account = account
        self._store = account.store
        self._config = config
        self._replies: dict[str, Reply] = {}
        """By key: what stands."""
        self._tries: Counter[str] = Counter()
        self._most = _MOST_CALLS
        self._is_full = False
        """Whether a batch was more than may wait in line at the provider; from then on they go one by one."""
        self._shut: Reply | None = None
        """What stands for all that is not answered, for no batch is taken any more."""
        self._begun: set[str] = set()
        """Batches that this asking began or took up."""
        self._seen: dict[str, int] = {}
        """By batch under way: how many of its calls the provider says it has answered."""
        self._stage, self._total = "", 0

    async def answer_all(self, requests: Sequence[Request], *, more: str = "") -> list[Reply]:
        """Get a reply to everything: kept, bought in as few batches as may be, or a failure.

        What an earlier process of the run handed over is waited for first of all. Where the limits do not
        cover the worst cost of everything, the first part is asked; what is freed when that is settled buys
        the next. A batch that was handed over and cannot be asked after stays open, and the same asking goes
        on from there.
        """
        self._stage = f"{requests[0].role}{more}" if requests else ""
        try:
            await self._answer({request.key: request for request in requests})
        finally:
            # The next asking may take up a batch that was broken off.
            _CARRIED.difference_update(self._begun)
        return [self._replies.get(request.key, unpaid(None)) for request in requests]

    async def _answer(self, todo: dict[str, Request]) -> None:
        self._total = len(todo)
        # What an earlier process of this run did not bring to its end with this teacher.
        mine = (self._teacher.name, self._teacher.endpoint)
        held = {
            batch.name
            for batch in self._store.batches(self._account.place.run)
            if (batch.teacher, batch.endpoint) == mine and batch.state != "over" and not is_written(batch)
        }
        turn = idle = 0
        while (todo or held) and not self.fault:
            turn += 1
            outcomes = await reserve_all([*todo.values()], self._teacher, account=self._account, buys=False)
            buyable: list[Request] = []
            busy: list[Busy] = []
            for request, outcome in zip(todo.values(), outcomes, strict=True):
                match outcome:
                    case Kept():
                        self._replies[request.key] = outcome.reply
                    case Left():
                        self._replies[request.key] = unknown_outcome(outcome)
                    case Busy():
                        busy.append(outcome)
                    case _:
                        buyable.append(request)
            self._tell()
            refuse_written(busy, self._store)
            held |= {call.batch for call in busy if call.batch}
            names, refused = await self._fill(buyable)
            idle = 0 if names else idle + 1
            if refused is not None and not (refused.may_free or names or held):
                # Nothing under way can free money any more.
                if self.ends_on_refusal and self.refused is None:
                    self.refused = refused
                self._replies |= {request.key: unpaid(refused) for request in buyable}
            await self._carry_all(names, held)
            todo = {key: request for key, request in todo.items() if key not in self._replies}
            if self._shut is not None:
                self._replies |= dict.fromkeys(todo, self._shut)
                return
            if todo and not self.fault:
                # Each try to reserve writes a batch down, so that what is refused is tried ever more seldom.
                idle_s = _PAUSE_S * 2 ** min(idle, 10) if refused else min(_PAUSE_S, self._teacher.poll_s)
                await asyncio.sleep(self._pause(turn) if names else min(idle_s, _PAUSE_MOST_S))
            held = set()

    async def _fill(self, requests: Sequence[Request]) -> tuple[list[str], Refused | None]:
        """Reserve calls in batches, until all are or a limit refuses one; gives the batches that hold any."""
        account, teacher = self._account, self._teacher
        names: list[str] = []
        for part in parts_of(requests, most=self._most):
            name = uuid.uuid4().hex
            self._take(name)
            opened = self._store.open_batch(
                name, place=account.place, teacher=teacher.name, endpoint=teacher.endpoint
            )
            await asyncio.wrap_future(opened)
            outcomes = await reserve_all(tagged(part, name), teacher, account=account, batch=name)
            if any(isinstance(outcome, Reserved) for outcome in outcomes):
                names.append(name)
            else:
                await asyncio.wrap_future(self._store.end_batch(name))
            refused = next((outcome for outcome in outcomes if isinstance(outcome, Refused)), None)
            if refused is not None or (self._is_full and names):
                return names, refused
        return names, None

    async def _carry_all(self, names: Sequence[str], held: Iterable[str]) -> None:
        """Bring batches to their ends, side by side; nothing under way is cut off where one fails."""
        others = list(held)
        begun = [self._carry_own(name) for name in names] + [self._take_up(name) for name in others]
        outcomes = await asyncio.gather(*begun, return_exceptions=True)
        for name, outcome in zip([*names, *others], outcomes, strict=True):
            # A stranger's teacher may raise what it likes; what it has is fetched once that is mended.
            if isinstance(outcome, Exception) and not isinstance(outcome, TuitionError):
                said = f"raised {type(outcome).__name__} about batch {name!r}: {outcome}"
                raise self._stays_open(name, said) from outcome
            if isinstance(outcome, BaseException):
                raise outcome

    async def _carry_own(self, name: str) -> None:
        """Bring a batch of this asking to its end, and note which of its replies stand."""
        came = await self._carry(name)
        is_full = bool(came) and all(is_refused_whole(reply) for _, reply in came)
        if is_full:
            self._is_full, self._most = True, max(1, len(came) // 2)
            if len(came) > 1:
                # More than may wait in line at the provider: a smaller one is taken, and this was no try.
                return
        for request, reply in came:
            self._tries[request.key] += 1
            failure = reply.failure
            if failure is not None and failure.kind in FATAL:
                self.fault = self.fault or f"{failure.message}.{FATAL[failure.kind]}"
            is_final = failure is None or not failure.is_retryable
            if is_final or self._tries[request.key] >= self._config.max_attempts:
                self._replies[request.key] = reply
                # Where there is no room for a single one, there is none for the others either.
                self._shut = reply if is_full else None

    async def _take_up(self, name: str) -> None:
        """Go on with a batch that this asking did not begin; its replies are then found in the store."""
        batch = self._batch(name)
        calls, owner = self._store.waiting(name), owner_of(self._store, name)
        if batch.state == "over" or name in _CARRIED:
            return
        # A living process may still hand it over; this very one would be carrying its own.
        is_others = owner and not owner.startswith(f"{here()}:{os.getpid()}:")
        if batch.state == "made" and is_others:
            with self._store.read() as connection:
                if is_alive(connection, owner):
                    return
        if not calls:
            if batch.state == "sent" or time.time() - batch.made_at > _FORSAKEN_S:
                await asyncio.wrap_future(self._store.end_batch(name))
            return
        remote = batch.remote or await self._look_for(name)
        if remote:
            await self._carry(name, remote)
        else:
            why = "the asking was broken off before the batch was handed over"
            await self._settle(name, calls, [not_handed_over(why)] * len(calls))

    async def _carry(self, name: str, remote: str = "") -> list[tuple[Request, Reply]]:
        """Bring a batch to its end: hand it over where it is not, wait, fetch, settle."""
        self._take(name)
        calls = self._store.waiting(name)
        if not calls:
            # Somebody else settled it meanwhile, taking this process for dead.
            return await self._settle(name, (), ())
        requests = [request for _, request in calls]
        try:
            remote = remote or await self._hand_over(name, requests)
        except _NotTaken as fault:
            came = await self._settle(name, calls, [Reply(failure=fault.failure)] * len(calls))
            if fault.error is not None:
                raise fault.error from None
            return came
        try:
            await asyncio.wrap_future(self._store.sent_batch(name, remote))
        except StoreError:
            # Somebody else may have ended it by now.
            if self._batch(name).state != "over":
                raise
        while True:
            state = await self._patiently(name, lambda: self._teacher.poll(remote))
            self._seen[name] = state.done
            self._tell()
            if state.is_over:
                break
            await asyncio.sleep(self._teacher.poll_s)
        replies = await self._patiently(name, lambda: self._teacher.collect(remote, requests))
        if not isinstance(replies, Sequence) or len(replies) != len(calls):
            what = f"did not give one reply to each call of batch {name!r}"
            raise self._stays_open(name, what)
        return await self._settle(name, calls, checked(replies, len(calls)))

    def _take(self, name: str) -> None:
        self._begun.add(name)
        _CARRIED.add(name)

    def _batch(self, name: str) -> Batch:
        return next(batch for batch in self._store.batches() if batch.name == name)

    async def _hand_over(self, name: str, requests: Sequence[Request]) -> str:
        """Hand a batch over once, however many attempts that takes; gives the provider's id."""
        said = ""
        for attempt in range(1, self._config.max_attempts + 1):
            try:
                return await self._teacher.submit(name, requests)
            except TeacherError as error:
                raise _NotTaken("unusable", str(error), error) from None
            except ConnectionError as error:
                said = str(error)
            # Nobody saw whether it was taken.
            remote = await self._look_for(name)
            if remote:
                return remote
            await asyncio.sleep(self._pause(attempt))
        raise _NotTaken("connection", f"the batch could not be handed over: {said}")

    async def _look_for(self, name: str) -> str:
        """Find a batch at the provider; empty: it is not there."""
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(self._teacher.poll_s)
            remote = await self._patiently(name, lambda: self._teacher.find(name))
            if remote:
                return remote
        return ""

    async def _patiently(self, name: str, ask: Callable[[], Awaitable[Value]]) -> Value:
        """Ask about a batch again and again, as long as what goes wrong may pass."""
        said = ""
        for _ in range(_PATIENCE):
            try:
                return await ask()
            except ConnectionError as error:
                said = str(error)
            except TeacherError as error:
                said = str(error).rstrip(".")
                break
            await asyncio.sleep(self._teacher.poll_s)
        raise self._stays_open(name, f"could not be asked about batch {name!r}: {said}")

    def _stays_open(self, name: str, what: str) -> TeacherError:
        return TeacherError(
            f"teacher {self._teacher.name!r} {what}. It stays open and nothing of it is lost: start again to "
            f"go on with it, or give it up with: tuition batch drop {self._store.path} {name}"
        )

    async def _settle(
        self, name: str, calls: Sequence[tuple[int, Request]], replies: Sequence[Reply]
    ) -> list[tuple[Request, Reply]]:
        """Settle the calls of a batch, and end it."""
        came = [(*call, reply) for call, reply in zip(calls, replies, strict=True)]
        settled = await settle_lines(self._store, came, is_paid=self._teacher.abilities.is_paid)
        await asyncio.wrap_future(self._store.end_batch(name))
        self._seen.pop(name, None)
        return settled

    def _tell(self) -> None:
        if self._account.progress is not None:
            done = min(self._total, len(self._replies) + sum(self._seen.values()))
            self._account.progress(self._stage, done, self._total)

    def _pause(self, turn: int) -> float:
        span = min(self._config.backoff_s * 2 ** (turn - 1), self._config.backoff_most_s)
        return random.uniform(0.0, span)
