"""Connections to one endpoint: kept while it is asked, with a time-out for each stage, and the key masked."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tuition.core.errors import TeacherError
from tuition.core.records import Failure, Reply
from tuition.teachers.config import TeacherConfig
from tuition.teachers.http.faults import is_success
from tuition.teachers.http.forms import FORMS
from tuition.teachers.http.keys import MASK, read_key

__all__ = ["Answer", "Connections", "cut_off"]

_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
"""Faults before the request left: nothing can have been charged."""
_UNSENDABLE = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
_SECRET_HEADERS = ("authorization", "cookie", "api-key")
"""Endings of their names."""
_TEXTS = ("text", "reasoning", "raw", "headers", "finish", "model")
_FILE_S = 600.0
_TRIES, _PATIENCE_S = 3, 2.0
"""Failed connections, and seconds since the first of them, after which nobody is there."""
_ANSWERED: set[str] = set()
"""Schemes, hosts and ports that have answered in this process."""
_url = functools.lru_cache(64)(httpx2.URL)
"""Reads an address, and remembers those that are asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back over HTTP: any status, any body."""

    status: int
    text: str
    headers: Mapping[str, str]
    """Names in lower case."""

    @property
    def is_success(self) -> bool:
        """Whether the status is any of success."""
        return is_success(self.status)

    @property
    def shown(self) -> str:
        """The headers as JSON, without what gives access."""
        kept = {
            name: MASK if name.endswith(_SECRET_HEADERS) else value for name, value in self.headers.items()
        }
        return json.dumps(kept)


@dataclass(slots=True)
class _Clients:
    """The connections of one event loop, each in a client of its own: as many as were in flight at most.

    One client for all of them looks at every idle connection at each request, which took a third of a call's
    work. The caller limits how many are in flight.
    """

    users: int = 0
    """Blocks that hold the connections open; each request is one."""
    idle: list[httpx2.AsyncClient] = field(default_factory=list)


class Connections:
    """Connections to one endpoint, one set for each event loop that asks.

    Redirects are not followed, and a proxy of the environment serves https alone, so that the key goes to the
    address in the table and nowhere else.
    """

    def __init__(self, config: TeacherConfig) -> None:
        """Read the key, and note where to connect to; nothing is opened."""
        self._key = read_key(config)
        self.hide = self._key.hide
        """Takes the key out of a text."""
        self.address = _address_of(config)
        self._headers = FORMS[config.wire.form].headers(self._key.show())
        self._total_s = config.timeout_s
        self._connect_s = min(config.wire.connect_s, config.timeout_s)
        self._read_s = min(config.wire.read_s or config.timeout_s, config.timeout_s)
        url = httpx2.URL(self.address)
        self._origin = f"{url.scheme}://{url.netloc.decode()}"
        self._tries, self._since = 0, 0.0
        self._trust: ssl.SSLContext | None = None
        self._clients: dict[asyncio.AbstractEventLoop, _Clients] = {}

    async def __aenter__(self) -> Connections:
        self._clients.setdefault(asyncio.get_running_loop(), _Clients()).users += 1
        return self

    async def __aexit__(self, *exception: object) -> None:
        loop = asyncio.get_running_loop()
        clients = self._clients[loop]
        clients.users -= 1
        if clients.users:
            return
        del self._clients[loop]
        async with contextlib.AsyncExitStack() as stack:
            # One that fails to close keeps no other from it.
            for client in clients.idle:
                stack.push_async_callback(client.aclose)

    async def send(self, path: str, body: Mapping[str, object] | None = None, *, tag: str = "") -> Answer:
        """Make one attempt, a POST with a body, else a GET; the tag is sent as `X-Client-Request-Id`.

        A call without an answer raises `httpx2.HTTPError` or `TimeoutError`; `cut_off` makes a failure of it.
        """
        headers = {"X-Client-Request-Id": tag} if tag else None
        method = "GET" if body is None else "POST"
        return await self._request(method, path, limit_s=self._total_s, json=body, headers=headers)

    async def transfer(self, path: str, content: bytes | None = None) -> Answer:
        """Send the file of a batch up, or without content fetch one; it may take ten minutes."""
        limit_s = max(self._total_s, _FILE_S)
        if content is None:
            return await self._request("GET", path, limit_s=limit_s)
        files = {"file": ("batch.jsonl", content, "application/jsonl")}
        return await self._request("POST", path, limit_s=limit_s, data={"purpose": "batch"}, files=files)

    async def _request(self, method: str, path: str, *, limit_s: float, **sent: Any) -> Answer:
        async with self:
            idle, begun = self._clients[asyncio.get_running_loop()].idle, time.monotonic()
            # The one that came back last: its connection is most likely still open.
            client = idle.pop() if idle else self._connect()
            try:
                async with asyncio.timeout(limit_s):
                    response = await client.request(method, _url(f"{self.address}{path}"), **sent)
            except _UNSENT:
                self._since = self._since if self._tries else begun
                self._tries += 1
                raise
            finally:
                idle.append(client)
            _ANSWERED.add(self._origin)
            held = {name.lower(): value for name, value in response.headers.items()}
            # The key is taken out before anything else: where a text is cut later, a part of it is not found.
            return Answer(status=response.status_code, text=self.hide(_text_of(response)), headers=held)

    @property
    def is_dead(self) -> bool:
        """Whether several tries over some seconds found nobody, where nobody has answered in this process.

        A server that has answered once may be back soon; one that never has is most likely not there.
        """
        is_new = self._origin not in _ANSWERED and self._tries >= _TRIES
        return is_new and time.monotonic() - self._since >= _PATIENCE_S

    def limit_of(self, error: Exception) -> str:
        """Say which time-out an error of `send` tells of, such as `limit 120 s`."""
        stages = {httpx2.ConnectTimeout: self._connect_s, httpx2.ReadTimeout: self._read_s}
        return f"limit {stages.get(type(error), self._total_s):g} s"

    def masked(self, reply: Reply) -> Reply:
        """Take the key out of a reply, wherever an endpoint may have repeated it."""
        if not self._key:
            return reply
        failure = reply.failure
        if failure is not None:
            failure = dataclasses.replace(failure, message=self.hide(failure.message))
        texts = {name: getattr(reply, name) for name in _TEXTS}
        hidden = {name: self.hide(text) for name, text in texts.items()}
        if failure is None and hidden == texts:
            return reply
        return dataclasses.replace(reply, failure=failure, **hidden)

    def _connect(self) -> httpx2.AsyncClient:
        timeout = httpx2.Timeout(self._total_s, connect=self._connect_s, read=self._read_s)
        # Read once for all of them: it takes longer than making all of them.
        self._trust = self._trust or httpx2.create_ssl_context()
        # Through https a proxy of the environment sees bytes; through http it would be given the key.
        is_shut = httpx2.URL(self.address).scheme == "https"
        return httpx2.AsyncClient(
            headers=self._headers, timeout=timeout, verify=self._trust, trust_env=is_shut
        )


def _text_of(response: httpx2.Response) -> str:
    """The body as text. JSON is UTF-8 or UTF-16, as its first bytes tell; the header may say otherwise.

    The header counts for a body that is neither. Where it names no other code, and no letter beyond ASCII is
    sound UTF-8, the body is in the code of Windows.
    """
    body = response.content
    with contextlib.suppress(UnicodeDecodeError):
        return body.decode(json.detect_encoding(body)).removeprefix("\ufeff")
    named = (response.charset_encoding or "utf-8").lower()
    with contextlib.suppress(LookupError, UnicodeError):
        if not named.startswith("utf"):
            return body.decode(named, errors="replace")
    is_windows = body.decode(errors="ignore").isascii()
    return body.decode("cp1252" if is_windows else "utf-8", errors="replace")


def cut_off(error: Exception, *, limit: str) -> Failure:
    """Name the fault of a call without a response: unpaid where it never left, else of unknown outcome."""
    is_timeout = isinstance(error, TimeoutError | httpx2.TimeoutException)
    is_unsent = isinstance(error, _UNSENT + _UNSENDABLE)
    when = "before the request was sent" if is_unsent else "after the request was sent"
    what = str(error) or type(error).__name__
    return Failure(
        kind="timeout" if is_timeout else "connection",
        message=f"{what}, {when}, {limit}" if is_timeout else f"{what}, {when}",
        is_retryable=not isinstance(error, _UNSENDABLE),
        is_paid=False if is_unsent else None,
    )


def _address_of(config: TeacherConfig) -> str:
    """Check a teacher's `base_url`, and give it without a slash at its end."""
    try:
        url = httpx2.URL(config.base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise TeacherError(
            f"teacher {config.name!r} has the base_url {config.base_url!r}; "
            "expected an address such as 'http://127.0.0.1:8000/v1'."
        )
    if url.userinfo or url.query:
        raise TeacherError(
            f"the base_url of teacher {config.name!r} holds a user name or password, or a query, which "
            "would be written to files; put the key into an environment variable and name it in api_key_env."
        )
    return config.base_url.rstrip("/")
