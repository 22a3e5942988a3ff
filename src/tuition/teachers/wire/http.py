"""Connections to one endpoint: kept while someone asks, with time-outs for each stage, and the key masked."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from tuition.core.errors import TeacherError
from tuition.core.records import Reply
from tuition.teachers.config import TeacherConfig
from tuition.teachers.wire.keys import MASK, Secret

__all__ = ["Answer", "Connections", "address_of"]

_SECRET_HEADERS = ("authorization", "cookie", "set-cookie", "x-api-key", "api-key")
_FILE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back over HTTP, whatever it is."""

    status: int
    text: str
    headers: Mapping[str, str]
    """Names in lower case."""

    @property
    def shown(self) -> str:
        """The headers as JSON, without what gives access."""
        kept = {name: MASK if name in _SECRET_HEADERS else value for name, value in self.headers.items()}
        return json.dumps(kept)


class Connections:
    """Connections to one endpoint, one set for each event loop that asks.

    Redirects are not followed: the key goes to the address in the table and nowhere else.
    """

    def __init__(self, config: TeacherConfig, *, headers: Mapping[str, str], key: Secret) -> None:
        """Note where to connect to; nothing is opened.

        Args:
            config: Names the endpoint and its time-outs.
            headers: Sent with every request, the key among them.
            key: Taken out of everything that comes back.
        """
        self.address = address_of(config)
        self._headers = headers
        self._key = key
        self._total_s = config.timeout_s
        self._connect_s = min(config.wire.connect_s, config.timeout_s)
        self._read_s = min(config.wire.read_s or config.timeout_s, config.timeout_s)
        self._kept = config.concurrency
        self._clients: dict[asyncio.AbstractEventLoop, tuple[httpx2.AsyncClient, int]] = {}

    async def __aenter__(self) -> Connections:
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

    async def send(self, path: str, body: Mapping[str, object] | None = None, *, tag: str = "") -> Answer:
        """Make one attempt.

        Args:
            path: Behind the address.
            body: Posted as JSON; None: a GET.
            tag: Name of the attempt, sent along as `X-Client-Request-Id`; empty: none.

        Returns:
            What came back, of whatever status. A call without an answer raises `httpx2.HTTPError` or
            `TimeoutError`; `limit_of` names the time-out.
        """
        headers = {"X-Client-Request-Id": tag} if tag else None
        method = "GET" if body is None else "POST"
        return await self._request(method, path, limit_s=self._total_s, json=body, headers=headers)

    async def transfer(self, path: str, content: bytes | None = None) -> Answer:
        """Send a file up for a batch, or fetch one; it may take ten minutes.

        Args:
            path: Behind the address.
            content: Lines of JSON; None: the file at the path is fetched.

        Returns:
            What came back, of whatever status. Raises as `send` does.
        """
        limit_s = max(self._total_s, _FILE_S)
        if content is None:
            return await self._request("GET", path, limit_s=limit_s)
        files = {"file": ("batch.jsonl", content, "application/jsonl")}
        return await self._request("POST", path, limit_s=limit_s, data={"purpose": "batch"}, files=files)

    async def _request(self, method: str, path: str, *, limit_s: float, **sent: Any) -> Answer:
        async with self:
            client, _ = self._clients[asyncio.get_running_loop()]
            async with asyncio.timeout(limit_s):
                response = await client.request(method, f"{self.address}{path}", **sent)
            held = {name.lower(): value for name, value in response.headers.items()}
            return Answer(status=response.status_code, text=response.text, headers=held)

    def limit_of(self, error: Exception) -> str:
        """Say which time-out an error tells of.

        Args:
            error: What `send` raised.

        Returns:
            Such as `limit 120 s`.
        """
        stages = {httpx2.ConnectTimeout: self._connect_s, httpx2.ReadTimeout: self._read_s}
        return f"limit {stages.get(type(error), self._total_s):g} s"

    def masked(self, reply: Reply) -> Reply:
        """Take the key out of a reply, wherever an endpoint may have repeated it.

        Args:
            reply: As it was read.

        Returns:
            The reply without it.
        """
        if not self._key:
            return reply
        failure, hide = reply.failure, self._key.hide
        if failure is not None:
            failure = dataclasses.replace(failure, message=hide(failure.message))
        texts = ("text", "reasoning", "raw", "headers", "finish", "model")
        changed = {name: hide(getattr(reply, name)) for name in texts}
        return dataclasses.replace(reply, failure=failure, **changed)

    def hide(self, text: str) -> str:
        """Take the key out of a text that is no reply.

        Args:
            text: Such as a message for people.

        Returns:
            The text without it.
        """
        return self._key.hide(text)

    def _connect(self) -> httpx2.AsyncClient:
        # How many calls are in flight is the asker's business; a limit here would only hide their waiting.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=self._kept)
        timeout = httpx2.Timeout(self._total_s, connect=self._connect_s, read=self._read_s)
        return httpx2.AsyncClient(headers=dict(self._headers), limits=limits, timeout=timeout)


def address_of(config: TeacherConfig) -> str:
    """Check where a teacher answers.

    Args:
        config: Its `base_url`.

    Returns:
        The address, without a slash at its end.

    Raises:
        TeacherError: It is no address, or holds a password.
    """
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
