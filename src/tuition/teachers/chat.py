"""Any OpenAI-compatible endpoint, one HTTP call an attempt.

What goes wrong becomes a failure with its kind, and with what is known of whether it was paid for. Knows no
retry and no budget. The key comes from the environment and goes nowhere but into the request's header.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from tuition.core.errors import TeacherError
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Failure, Reply, Request, Usage
from tuition.teachers.config import TeacherConfig
from tuition.teachers.usage import estimate_usage, known_price, read_usage

__all__ = ["ChatTeacher"]

_MASK = "***"
_SECRET_HEADERS = ("authorization", "cookie", "set-cookie", "x-api-key", "api-key")
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
"""Faults before the request left: nothing can have been charged."""
_UNSENDABLE = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)


class ChatTeacher:
    """A language model behind a Chat Completions endpoint."""

    def __init__(self, config: TeacherConfig) -> None:
        """Read the key and the price; nothing is sent.

        An address that is none, or a key that is not in the environment, is a TeacherError.

        Args:
            config: Names the endpoint.
        """
        self.name = config.name
        self.model = config.model or config.name
        self.endpoint = _check_url(config)
        self.price = config.price or known_price(self.model, self.endpoint)
        self.abilities = TeacherAbilities(concurrency=config.concurrency)
        self._timeout_s = config.timeout_s
        self._key = _read_key(config)
        self._clients: dict[asyncio.AbstractEventLoop, tuple[httpx2.AsyncClient, int]] = {}

    async def __aenter__(self) -> ChatTeacher:
        loop = asyncio.get_running_loop()
        client, users = self._clients.get(loop) or (self._connect(), 0)
        self._clients[loop] = (client, users + 1)
        return self

    async def __aexit__(self, *exception: object) -> None:
        loop = asyncio.get_running_loop()
        client, users = self._clients.pop(loop)
        if users > 1:
            self._clients[loop] = (client, users - 1)
        else:
            await client.aclose()

    async def complete(self, request: Request) -> Reply:
        """Send one request and read what comes back.

        Inside `async with` the connections are kept and used again.

        Args:
            request: Its parameters are sent as they stand.

        Returns:
            The answer, or a reply whose failure says what went wrong and whether it was paid for.
        """
        async with self:
            client, _ = self._clients[asyncio.get_running_loop()]
            started = time.monotonic()
            try:
                async with asyncio.timeout(self._timeout_s):
                    response = await client.post(f"{self.endpoint}/chat/completions", json=_body(request))
            except (httpx2.HTTPError, TimeoutError) as error:
                reply = Reply(failure=self._cut(error), usage=estimate_usage(request, ""))
            else:
                reply = _read(response, request)
            return self._masked(reply, latency_s=time.monotonic() - started)

    def _connect(self) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # How many calls are in flight is the asker's business; a limit here would only hide their waiting.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=self.abilities.concurrency)
        timeout = httpx2.Timeout(self._timeout_s, connect=min(self._timeout_s, 20.0))
        return httpx2.AsyncClient(headers=headers, limits=limits, timeout=timeout)

    def _cut(self, error: Exception) -> Failure:
        """Name the fault of a call that brought no response."""
        is_timeout = isinstance(error, TimeoutError | httpx2.TimeoutException)
        is_unsent = isinstance(error, _UNSENT + _UNSENDABLE)
        when = "before the request was sent" if is_unsent else "after the request was sent"
        what = str(error) or type(error).__name__
        return Failure(
            kind="timeout" if is_timeout else "connection",
            message=f"{what}, {when}, limit {self._timeout_s:g} s" if is_timeout else f"{what}, {when}",
            is_retryable=not isinstance(error, _UNSENDABLE),
            is_paid=False if is_unsent else None,
        )

    def _masked(self, reply: Reply, *, latency_s: float) -> Reply:
        """Take the key out of everything that came back, wherever an endpoint may have repeated it."""
        failure = reply.failure
        if failure is not None:
            failure = dataclasses.replace(failure, message=self._mask(failure.message))
        texts = {name: self._mask(getattr(reply, name)) for name in ("text", "reasoning", "raw", "headers")}
        return dataclasses.replace(reply, latency_s=latency_s, failure=failure, **texts)

    def _mask(self, text: str) -> str:
        return text.replace(self._key, _MASK) if self._key else text


def _check_url(config: TeacherConfig) -> str:
    try:
        url = httpx2.URL(config.base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise TeacherError(
            f"teacher {config.name!r} has the base_url {config.base_url!r}; "
            "expected an address such as 'http://127.0.0.1:8000/v1'."
        )
    if url.userinfo:
        raise TeacherError(
            f"the base_url of teacher {config.name!r} holds a user name or password, which would be written "
            "to files; put the key into an environment variable and name it in api_key_env."
        )
    return config.base_url.rstrip("/")


def _read_key(config: TeacherConfig) -> str:
    if not config.api_key_env:
        return ""
    key = os.environ.get(config.api_key_env, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        found = "holds characters that no key has" if key else "is not set"
        raise TeacherError(
            f"teacher {config.name!r} takes its key from the environment variable {config.api_key_env!r}, "
            f"which {found}. Set it, such as with: export {config.api_key_env}=..."
        )
    return key


def _body(request: Request) -> dict[str, object]:
    messages = [message.to_json() for message in request.messages]
    return {"model": request.model, "messages": messages, **request.parameters}


def _read(response: httpx2.Response, request: Request) -> Reply:
    """Turn a response into a reply: the status first, then the body."""
    shown = {
        name: _MASK if name.lower() in _SECRET_HEADERS else value for name, value in response.headers.items()
    }
    kept: dict[str, Any] = {"raw": response.text, "headers": json.dumps(shown)}
    body = _json(response.text)
    if response.status_code != 200 or (isinstance(body, dict) and body.get("error")):
        return Reply(failure=_refusal(response, body), usage=estimate_usage(request, ""), **kept)
    usage = read_usage(body.get("usage")) if isinstance(body, dict) else None
    # Without the provider's count nobody can tell what a broken answer cost.
    paid = True if usage else None
    choice = _choice(body)
    if choice is None:
        message = f"the body is not a chat completion: {response.text[:120]!r}"
        failure = Failure(kind="malformed", message=message, is_retryable=True, is_paid=paid)
        return Reply(failure=failure, usage=usage or Usage(), **kept)
    message = choice["message"]
    text, reasoning = _text(message.get("content")), _reasoning(message)
    finish = str(choice.get("finish_reason") or "stop")
    return Reply(
        text=text,
        reasoning=reasoning,
        finish=finish,
        usage=usage or estimate_usage(request, text + reasoning),
        model=str(body.get("model") or request.model),
        failure=None if text.strip() else _emptiness(finish),
        **kept,
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _choice(body: Any) -> dict[str, Any] | None:
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) and isinstance(first.get("message"), dict) else None


def _text(content: Any) -> str:
    """The text of a message, which some endpoints send in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _reasoning(message: dict[str, Any]) -> str:
    found = message.get("reasoning") or message.get("reasoning_content")
    return found if isinstance(found, str) else ""


def _emptiness(finish: str) -> Failure:
    if finish == "content_filter":
        return Failure(
            kind="refused", message="the provider's content filter withheld the text", is_paid=True
        )
    if finish == "length":
        message = "no text: max_tokens ran out before the answer began; raise the teacher's max_tokens"
        return Failure(kind="empty", message=message, is_paid=True)
    return Failure(kind="empty", message="the text is empty", is_retryable=True, is_paid=True)


def _refusal(response: httpx2.Response, body: Any) -> Failure:
    """Name the fault that a status, or an error object under status 200, tells of."""
    status = response.status_code
    said = body.get("error") if isinstance(body, dict) else None
    text = said.get("message") if isinstance(said, dict) else said
    message = f"HTTP {status}: {str(text or response.text)[:300]}"
    kind, is_retryable = "bad_request", False
    if status == 401:
        # A key can be mended, and the very same call then succeeds.
        kind, is_retryable = "auth", True
    elif status == 403:
        kind = "refused"
    elif status == 429:
        kind, is_retryable = "rate_limit", "insufficient_quota" not in response.text
    elif status in (200, 408, 409, 425) or status >= 500:
        kind, is_retryable = "server", True
    return Failure(
        kind=kind, message=message, is_retryable=is_retryable, retry_after_s=_retry_after(response.headers)
    )


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds to wait, from a number or a date; None where the header is absent or unreadable."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
