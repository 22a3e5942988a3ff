"""A language model behind an HTTP endpoint, one call an attempt.

What goes wrong becomes a failure with its kind, and with what is known of whether it was paid for. Knows no
retry and no budget. The key goes nowhere but into the request's header.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import httpx2

from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Failure, Reply, Request, Usage
from tuition.teachers.config import TeacherConfig
from tuition.teachers.http.capabilities import SAMPLES_PER_CALL, Capabilities
from tuition.teachers.http.connections import Answer, Connections, cut_off
from tuition.teachers.http.faults import is_fault, json_of, refusal, unreachable
from tuition.teachers.http.forms import FORMS, read_replies
from tuition.teachers.http.limits import read_limits
from tuition.teachers.prices import price_for
from tuition.teachers.usage import estimate_usage

__all__ = ["ChatTeacher"]

_NOT_ASKED = Failure(
    kind="unpaid",
    message="not sent: the endpoint brings one sample a call, so each is asked in a call of its own",
    is_retryable=True,
)


class ChatTeacher:
    """A language model behind an endpoint of one of the `FORMS`."""

    def __init__(self, config: TeacherConfig) -> None:
        """Read the key and the price; nothing is sent. No address, or no key, is a TeacherError."""
        wire = config.wire
        self.name = config.name
        self.model = config.model or config.name
        self._form = FORMS[wire.form]
        self._connections = Connections(config)
        self.endpoint = self._connections.address
        self.price = price_for(config)
        self._can = Capabilities(config, hide=self._connections.hide)
        self.abilities = TeacherAbilities(
            is_spaced=True,
            has_temperature=config.has_temperature,
            concurrency=config.concurrency,
            requests_per_minute=wire.requests_per_minute,
            tokens_per_minute=wire.tokens_per_minute,
            samples_per_call=SAMPLES_PER_CALL if wire.has_n else 1,
            has_json=wire.has_json is True,
        )

    @property
    def lacks(self) -> tuple[str, ...]:
        """Parameters that were wanted and that its endpoint does not take; each was warned of once."""
        return self._can.lacks

    async def __aenter__(self) -> ChatTeacher:
        await self._connections.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._connections.__aexit__(*exception)

    async def complete(self, request: Request) -> Reply:
        """Send one request and read what comes back; inside `async with` connections are used again."""
        return (await self._call([request]))[0]

    async def complete_all(self, requests: Sequence[Request]) -> list[Reply]:
        """Make one call that brings several samples: requests that are equal but for `sample` and `tag`.

        Where the endpoint turned out to bring one sample only, the call brings the first; the others come
        back unpaid, to be asked one at a time. The first reply holds the whole body, the others their part.
        """
        if len(requests) > 1 and self.abilities.samples_per_call == 1:
            # The caller has reserved one call: more of them from here would be beyond its limits.
            return [await self.complete(requests[0]), *(Reply(failure=_NOT_ASKED) for _ in requests[1:])]
        replies = await self._call(requests)
        answered = [reply.failure is None or reply.failure.kind != "malformed" for reply in replies]
        if any(answered) and not all(answered):
            self._can.miss("n", why=f"and brought {sum(answered)} of {len(requests)} samples")
            self._ask_one_by_one()
        return replies

    async def _call(self, requests: Sequence[Request]) -> list[Reply]:
        """One attempt over HTTP, for one sample or several."""
        request, n, started = requests[0], len(requests), time.monotonic()
        sent = self._can.fit(request.parameters)
        body = self._form.body(request, sent, n)
        try:
            answer = await self._connections.send(self._form.path(request.model), body, tag=request.tag)
        except (httpx2.HTTPError, TimeoutError) as error:
            failure = cut_off(error, limit=self._connections.limit_of(error))
            if self._connections.is_dead:
                failure = unreachable(failure, self.endpoint)
            replies = _all_failed(requests, failure, usage=estimate_usage(request, ""))
            replies = [self._connections.masked(reply) for reply in replies]
        else:
            replies = self.read(answer, requests, sent=sent.keys() | ({"n"} if n > 1 else set()))
        latency_s = time.monotonic() - started
        return [dataclasses.replace(reply, latency_s=latency_s) for reply in replies]

    def read(self, answer: Answer, requests: Sequence[Request], *, sent: AbstractSet[str]) -> list[Reply]:
        """Turn what came back into replies without the key; `sent` names the parameters of the call."""
        body = json_of(answer.text)
        if answer.is_success and not is_fault(body):
            replies = read_replies(self._form, body, requests, text=answer.text)
        else:
            failure = refusal(answer.status, answer.text, answer.headers)
            if self._can.learn(answer, sent):
                failure = dataclasses.replace(failure, is_retryable=True)
            if not self._can.has("n"):
                self._ask_one_by_one()
            usage = self._form.counted(body) if isinstance(body, dict) else None
            if usage is not None:
                # A fault in the middle of the writing: what was written until then is charged.
                usage = dataclasses.replace(usage, is_estimated=not usage.completion_tokens)
                failure = dataclasses.replace(failure, is_paid=True)
            replies = _all_failed(requests, failure, usage=usage or estimate_usage(requests[0], ""))
            replies[0] = dataclasses.replace(replies[0], raw=answer.text)
        limits, headers = read_limits(answer.headers), answer.shown
        replies = [dataclasses.replace(reply, headers=headers, limits=limits) for reply in replies]
        return [self._connections.masked(reply) for reply in replies]

    def _ask_one_by_one(self) -> None:
        self.abilities = dataclasses.replace(self.abilities, samples_per_call=1)


def _all_failed(requests: Sequence[Request], failure: Failure, *, usage: Usage) -> list[Reply]:
    """The failure of one call in the reply to each of its requests; its usage stands with the first."""
    replies = [Reply(failure=failure, usage=Usage(is_estimated=True)) for _ in requests]
    return [dataclasses.replace(replies[0], usage=usage), *replies[1:]]
