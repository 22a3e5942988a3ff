"""Ask a teacher many things within a budget: reserve, attempt, settle, retry; for every teacher, one way.

Every attempt is on disk before it starts and again when it ends. Knows no prompt and no task.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tuition.annotation.config import AnnotationConfig
from tuition.core.budget import Budget, Cost, to_nano, to_usd, worst_cost
from tuition.core.errors import StoreError, TeacherError
from tuition.core.protocols import Progress, Teacher
from tuition.core.records import Failure, Reply, Request
from tuition.core.store import Busy, Cap, Kept, Left, Outcome, Place, Refused, Reserved, Store

__all__ = ["Asked", "Till", "ask", "ask_all"]

_POLL_S = 0.02
_POLL_MOST_S = 0.5
"""First and longest pause while another process makes the call, or calls in flight may free money."""
_FATAL = {"auth": " Its key may be wrong or expired.", "unusable": ""}
"""Kinds of failure after which no call to this teacher can succeed, and what may help."""
_BUDGET = Budget()
_CONFIG = AnnotationConfig()
_CUT_OFF = Failure(
    kind="unknown_outcome", message="the asking was broken off while the call was under way", is_paid=None
)
_NOT_SENT = Failure(
    kind="unpaid", message="the asking was broken off before the call was sent", is_retryable=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of a list of requests."""

    replies: tuple[Reply, ...]
    """One a request, in order; a failure stands inside."""
    refused: Refused | None = None
    """The refusal that ended the asking; None: the budget lasted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """Where the calls of a run are paid and their replies kept, within its limits; and who hears of it."""

    store: Store
    place: Place
    """The run and round that ask; its group shares the limits."""
    budget: Budget = _BUDGET
    """Limits, and policies on unknown outcomes and unknown prices."""
    progress: Progress | None = None
    """Told after every answer."""

    @property
    def caps(self) -> tuple[Cap, ...]:
        """The limits on the run, or on the group that shares them; none where nothing is limited."""
        budget = self.budget
        nano = None if budget.usd is None else to_nano(budget.usd)
        limits = (nano, budget.tokens, budget.calls)
        cap = Cap(scope=self.place.group or self.place.run, nano=nano, tokens=limits[1], calls=limits[2])
        return () if limits == (None, None, None) else (cap,)

    def telling(self, whom: str) -> Till:
        """Give the same till for one part of the asking.

        Args:
            whom: Who is asked; stands behind the stage in what is told.

        Returns:
            The till.
        """
        told = self.progress
        if told is None:
            return self
        return dataclasses.replace(
            self, progress=lambda stage, done, total: told(f"{stage} {whom}", done, total)
        )


def ask_all(
    requests: Sequence[Request], teacher: Teacher, *, till: Till, config: AnnotationConfig = _CONFIG
) -> Asked:
    """Ask, and wait for everything: `ask` for callers that are not asynchronous.

    Args:
        requests: What to ask.
        teacher: Whom.
        till: Where it is paid and kept, within which limits.
        config: How often and with what pauses to retry.

    Returns:
        One reply a request, in order.
    """

    def run() -> Asked:
        return asyncio.run(ask(requests, teacher, till=till, config=config))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    # A notebook has a loop of its own running, and a second one needs a thread of its own.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()


async def ask(
    requests: Sequence[Request], teacher: Teacher, *, till: Till, config: AnnotationConfig = _CONFIG
) -> Asked:
    """Ask a teacher everything, as many calls at once as it allows, and pay for nothing twice.

    A refused reservation waits while calls in flight may free money; where none can, asking ends, what is in
    flight finishes and is kept, and what is kept from earlier still comes free.

    Args:
        requests: What to ask; each names `max_tokens`.
        teacher: Whom.
        till: Where it is paid and kept, within which limits.
        config: How often and with what pauses to retry.

    Returns:
        One reply a request, in order.

    Raises:
        TeacherError: The price is unknown under a limit in dollars, or the endpoint does not accept the key.
    """
    if teacher.price is None and teacher.abilities.is_paid and not till.budget.allow_unknown_price:
        capped = next((cap for cap in till.caps if cap.nano is not None), None)
        if capped is not None:
            raise TeacherError(
                f"the price of teacher {teacher.name!r} (model {teacher.model!r}) is unknown, and "
                f"{capped.scope!r} has a limit of {to_usd(capped.nano)} dollars that could not be held. Set "
                "price_prompt and price_completion in its table, or budget.allow_unknown_price = true."
            )
    desk = _Desk(teacher, till=till, config=config)
    replies: list[Reply] = [_unpaid(None)] * len(requests)
    waiting, done = iter(range(len(requests))), 0

    async def work(positions: Iterator[int]) -> None:
        nonlocal done
        for i in positions:
            if desk.fault:
                return
            replies[i] = await desk.answer(requests[i])
            done += 1
            if till.progress is not None:
                till.progress(requests[i].role, done, len(requests))

    async with contextlib.AsyncExitStack() as stack:
        if isinstance(teacher, contextlib.AbstractAsyncContextManager):
            await stack.enter_async_context(teacher)
        n = min(teacher.abilities.concurrency, len(requests))
        tasks = [asyncio.create_task(work(waiting)) for _ in range(n)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    if desk.fault:
        raise TeacherError(f"teacher {teacher.name!r} accepts no call: {desk.fault}")
    return Asked(replies=tuple(replies), refused=desk.refused)


class _Desk:
    """Carries one request after the other through the store and the teacher."""

    def __init__(self, teacher: Teacher, *, till: Till, config: AnnotationConfig) -> None:
        self.refused: Refused | None = None
        self.fault = ""
        """Why the teacher accepts no call at all; empty: it does."""
        self._teacher = teacher
        self._store = till.store
        self._place = till.place
        self._caps = till.caps
        self._asks_again = till.budget.on_unknown == "ask_again"
        self._config = config
        # Whoever waits for money goes first, or small calls would for ever take what a large one waits for.
        self._gate = asyncio.Lock()
        self._settled = asyncio.Event()

    async def answer(self, request: Request) -> Reply:
        """Get the reply to one request: kept, bought with retries, or a failure."""
        for attempt in range(1, self._config.max_attempts + 1):
            outcome = await self._reserve(request)
            if not isinstance(outcome, Reserved):
                return self._without_call(outcome)
            reply = await self._attempt(request, outcome.attempt_id)
            failure = reply.failure
            if failure is not None and failure.kind in _FATAL:
                self.fault = f"{failure.message}.{_FATAL[failure.kind]}"
                break
            if failure is None or not failure.is_retryable or attempt == self._config.max_attempts:
                break
            await asyncio.sleep(self._pause(attempt, failure))
        return reply

    def _without_call(self, outcome: Outcome) -> Reply:
        if isinstance(outcome, Kept):
            return outcome.reply
        if isinstance(outcome, Left):
            message = f"nobody saw how attempt {outcome.attempt_id} ended, and budget.on_unknown is 'leave'"
            return Reply(failure=Failure(kind="unknown_outcome", message=message, is_paid=None))
        return _unpaid(self.refused)

    async def _reserve(self, request: Request) -> Outcome:
        """Reserve, waiting as long as waiting can help."""
        async with self._gate:
            pass
        outcome = await self._book(request)
        if isinstance(outcome, Refused) and outcome.may_free:
            async with self._gate:
                outcome = await self._poll(request, outcome)
        elif isinstance(outcome, Busy):
            outcome = await self._poll(request, outcome)
        if isinstance(outcome, Refused) and self.refused is None:
            self.refused = outcome
        return outcome

    async def _poll(self, request: Request, outcome: Outcome) -> Outcome:
        pause_s = _POLL_S
        while isinstance(outcome, Busy) or (isinstance(outcome, Refused) and outcome.may_free):
            try:
                await asyncio.wait_for(self._settled.wait(), pause_s)
            except TimeoutError:
                pause_s = min(2 * pause_s, _POLL_MOST_S)
            self._settled.clear()
            outcome = await self._book(request)
        return outcome

    async def _book(self, request: Request) -> Outcome:
        # Once refused, nothing new is bought, but what the store has still comes.
        caps = self._caps if self.refused is None else (Cap(scope=self._place.run, calls=0),)
        future = self._store.reserve(
            request,
            self._worst(request),
            place=self._place,
            caps=caps,
            price=self._teacher.price,
            asks_again=self._asks_again,
        )
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(self._give_back)
            raise

    def _give_back(self, future: Future[Outcome]) -> None:
        """Free what was reserved for a call that will not be sent."""
        if future.exception() is None and isinstance(outcome := future.result(), Reserved):
            # Once the store is closed the attempt counts as unknown, which is the careful side.
            with contextlib.suppress(StoreError):
                self._settle(outcome.attempt_id, Reply(failure=_NOT_SENT))

    async def _attempt(self, request: Request, attempt_id: int) -> Reply:
        try:
            reply = await self._teacher.complete(request)
        except (asyncio.CancelledError, KeyboardInterrupt):
            with contextlib.suppress(StoreError):
                self._settle(attempt_id, Reply(failure=_CUT_OFF))
            raise
        # The one place where any fault is caught: a stranger's teacher may raise what it likes, and one
        # broken call must neither end the others nor leave its reservation without an outcome.
        except Exception as error:
            message = f"the teacher raised {type(error).__name__}: {error}"
            reply = Reply(failure=Failure(kind="exception", message=message, is_paid=None))
        reply = _storable(reply)
        await asyncio.wrap_future(self._settle(attempt_id, reply))
        self._settled.set()
        return reply

    def _settle(self, attempt_id: int, reply: Reply) -> Future[None]:
        cost = Cost.of(reply.usage, self._teacher.price)
        return self._store.settle(attempt_id, reply, cost=cost, is_paid=self._teacher.abilities.is_paid)

    def _worst(self, request: Request) -> Cost:
        worst = worst_cost(request, self._teacher.price)
        return worst if self._teacher.abilities.is_paid else Cost(nano=0, tokens=worst.tokens)

    def _pause(self, attempt: int, failure: Failure) -> float:
        """Full jitter over a doubling span, on top of what the server asked for, within the bound."""
        span = min(self._config.backoff_s * 2 ** (attempt - 1), self._config.backoff_most_s)
        return min(random.uniform(0.0, span) + (failure.retry_after_s or 0.0), self._config.backoff_most_s)


def _unpaid(refused: Refused | None) -> Reply:
    if refused is None:
        return Reply(failure=Failure(kind="unpaid", message="the call was not made"))
    limit, spent = ((to_usd(n) if refused.what == "usd" else n) for n in (refused.limit, refused.spent))
    message = (
        f"the limit of {limit} {refused.what} on {refused.scope!r} is reached: {spent} spent or set aside"
    )
    return Reply(failure=Failure(kind="unpaid", message=message, is_retryable=True))


def _storable(reply: Reply) -> Reply:
    """Replace halves of surrogate pairs, which JSON may bring and no file holds: a paid answer is kept."""
    texts = ("text", "reasoning", "finish", "model", "raw", "headers", "answer")
    changed = {name: _whole(value) for name in texts if isinstance(value := getattr(reply, name), str)}
    failure = reply.failure and dataclasses.replace(reply.failure, message=_whole(reply.failure.message))
    return dataclasses.replace(reply, failure=failure, **changed)


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
