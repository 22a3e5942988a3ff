"""A language model behind an HTTP endpoint, one call an attempt.

What goes wrong becomes a failure with its kind, and with what is known of whether it was paid for. Knows no
retry and no budget. The key goes nowhere but into the request's header.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Failure, Reply, Request, Usage
from tuition.teachers.config import TeacherConfig
from tuition.teachers.http.capabilities import SAMPLES_PER_CALL, Capabilities, form_of
from tuition.teachers.http.connections import Answer, Connections, cut_off
from tuition.teachers.http.faults import is_fault, json_of, refusal, unreachable
from tuition.teachers.http.keys import read_key
from tuition.teachers.http.limits import read_limits
from tuition.teachers.prices import price_for
from tuition.teachers.usage import count_of, estimate_usage

__all__ = ["ChatTeacher"]

_NOT_ASKED = Failure(
    kind="unpaid",
    message="not sent: the endpoint brings one sample a call, so each is asked in a call of its own",
    is_retryable=True,
)


class ChatTeacher:
    """A language model behind an endpoint of OpenAI's Chat Completions, or of Anthropic's Messages."""

    def __init__(self, config: TeacherConfig) -> None:
        """Read the key and the price; nothing is sent.

        An address that is none, or a key that is not in the environment, is a TeacherError.

        Args:
            config: Names the endpoint; `wire.form` says which language it speaks.
        """
        wire = config.wire
        self.name = config.name
        self.model = config.model or config.name
        self._form = form_of(config)
        key = read_key(config)
        self.connections = Connections(config, headers=self._form.headers(key), key=key)
        """Its endpoint; who asks in batches goes through the same ones."""
        self.endpoint = self.connections.address
        self.price = price_for(config)
        self._can = Capabilities(config, key=key)
        self.abilities = TeacherAbilities(
            is_spaced=True,
            has_temperature=config.has_temperature,
            concurrency=config.concurrency,
            requests_per_minute=wire.requests_per_minute,
            tokens_per_minute=wire.tokens_per_minute,
            samples_per_call=SAMPLES_PER_CALL if wire.has_n else 1,
            has_json=wire.has_json is True,
            in_batches=wire.in_batches,
        )

    @property
    def lacks(self) -> tuple[str, ...]:
        """Parameters that were wanted and that its endpoint does not take; each was warned of once."""
        return self._can.lacks

    async def __aenter__(self) -> ChatTeacher:
        await self.connections.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.connections.__aexit__(*exception)

    async def complete(self, request: Request) -> Reply:
        """Send one request and read what comes back.

        Inside `async with` the connections are kept and used again.

        Args:
            request: Its parameters are sent as they stand, but for what the endpoint is known to lack; its
                tag goes along as `X-Client-Request-Id`.

        Returns:
            The answer, or a reply whose failure says what went wrong and whether it was paid for.
        """
        return (await self._call([request]))[0]

    async def complete_all(self, requests: Sequence[Request]) -> list[Reply]:
        """Make one call that brings several samples.

        Where the endpoint turned out to bring one only, the call brings the first; the others come back
        unpaid, to be asked one at a time.

        Args:
            requests: Equal but for `sample` and `tag`; the call goes under the first one's tag.

        Returns:
            One reply a request, in order; their usages add up to the call's. The first holds the whole body,
            the others their own part of it.
        """
        if len(requests) > 1 and self.abilities.samples_per_call == 1:
            # A call each from here would be more calls than whoever asks has been granted.
            return [await self.complete(requests[0]), *(Reply(failure=_NOT_ASKED) for _ in requests[1:])]
        replies = await self._call(requests)
        answered = [reply.failure is None or reply.failure.kind != "malformed" for reply in replies]
        if any(answered) and not all(answered):
            self._can.miss("n", why=f"and brought {sum(answered)} of {len(requests)} samples")
            self._ask_one_by_one()
        return replies

    def body(self, request: Request, *, n: int = 1) -> dict[str, object]:
        """Write the body of one call, as it is sent.

        Args:
            request: Its parameters go in but for what the endpoint is known to lack.
            n: How many answers the call is to bring.

        Returns:
            The body.
        """
        return self._form.body(request, self._can.fit(request.parameters), n=n)

    async def _call(self, requests: Sequence[Request]) -> list[Reply]:
        """One attempt over HTTP, for one sample or several."""
        request, started = requests[0], time.monotonic()
        body = self.body(request, n=len(requests))
        try:
            answer = await self.connections.send(self._form.path, body, tag=request.tag)
        except (httpx2.HTTPError, TimeoutError) as error:
            failure = cut_off(error, limit=self.connections.limit_of(error))
            if self.connections.is_dead:
                failure = unreachable(failure, self.endpoint)
            replies = _all_failed(requests, failure, usage=estimate_usage(request, ""))
            replies = [self.connections.masked(reply) for reply in replies]
        else:
            replies = self.read(answer, requests, sent=body)
        latency_s = time.monotonic() - started
        return [dataclasses.replace(reply, latency_s=latency_s) for reply in replies]

    def read(self, answer: Answer, requests: Sequence[Request], *, sent: Mapping[str, object]) -> list[Reply]:
        """Turn what came back into replies: the status first, then the body.

        Args:
            answer: Whatever it is.
            requests: What was asked in this call.
            sent: The call's body, from which a refusal teaches what to leave out.

        Returns:
            One reply a request, with a text or a failure, and without the key.
        """
        found = json_of(answer.text)
        if not answer.is_success or is_fault(found):
            replies = self._refused(answer, requests, found=found, sent=sent)
        else:
            replies = self._form.read(found, answer.text, requests)
        limits, headers = read_limits(answer.headers), answer.shown
        replies = [dataclasses.replace(reply, headers=headers, limits=limits) for reply in replies]
        return [self.connections.masked(reply) for reply in replies]

    def _refused(
        self, answer: Answer, requests: Sequence[Request], *, found: Any, sent: Mapping[str, object]
    ) -> list[Reply]:
        failure = refusal(answer.status, answer.text, answer.headers)
        if self._can.learn(answer, sent):
            failure = dataclasses.replace(failure, is_retryable=True)
        if not self._can.has("n"):
            self._ask_one_by_one()
        usage = estimate_usage(requests[0], "")
        counts = found.get("usage") if isinstance(found, dict) else None
        if count_of(counts, "prompt_tokens") + count_of(counts, "completion_tokens") > 0:
            # A fault in the middle of the writing: what was written until then is charged.
            usage = self._form.read({"usage": counts}, "", requests[:1])[0].usage
            failure = dataclasses.replace(failure, is_paid=True)
        replies = _all_failed(requests, failure, usage=usage)
        return [dataclasses.replace(replies[0], raw=answer.text), *replies[1:]]

    def _ask_one_by_one(self) -> None:
        self.abilities = dataclasses.replace(self.abilities, samples_per_call=1)


def _all_failed(requests: Sequence[Request], failure: Failure, *, usage: Usage) -> list[Reply]:
    """The failure of one call in the reply to each of its requests; its usage stands with the first."""
    replies = [Reply(failure=failure, usage=Usage(is_estimated=True)) for _ in requests]
    return [dataclasses.replace(replies[0], usage=usage), *replies[1:]]
