"""Requests passed on to one upstream, byte by byte, while a copy of question and answer is collected."""

from __future__ import annotations

import asyncio
import contextlib
import re
import zlib
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx2

from tuition.core.errors import ConfigError
from tuition.core.texts.personal import mask
from tuition.serving.capture import CaptureConfig, Captured
from tuition.serving.guard import Guard, Refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["check_upstream", "proxy"]

_BELOW = b"/v1/"
_CHAT = "/v1/chat/completions"
_CONNECT_S = 10.0
_LONG = 50_000
"""Bytes of question and answer, from which on it is worth a thread to read them."""
_OF_ONE_CONNECTION = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
    *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
}
"""Headers that are not for the other side."""
_OURS = {b"host", b"content-length", b"accept-encoding", b"expect"}
"""Headers of a request that are written anew."""
_SECRETS = (b"authorization", b"cookie", b"key", b"token")
"""Endings of the names of headers that give access."""
_SECRET = re.compile(r"[^\s;,=]{12,}")
_END = re.compile(rb"^data: ?\[DONE\]", re.M)
_Headers = list[tuple[bytes, bytes]]


def check_upstream(address: str) -> str:
    """Check the address that requests go to, and give it without a slash at its end."""
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(
            f"--upstream is {address!r}; expected the base URL of an endpoint, such as "
            "'https://api.openai.com/v1'"
        )
    if url.userinfo or url.query or url.fragment:
        raise ConfigError(
            "--upstream holds a user name, a password, a query or a fragment; leave them out: the key of the "
            "application is passed on"
        )
    return address.rstrip("/")


def proxy(upstream: str, captured: Captured, config: CaptureConfig) -> ASGIApp:
    """Make the server that passes on what lies below `/v1/`, to an upstream of `check_upstream`."""
    return Guard(_Proxy(upstream, captured, config), hosts=[], token=None)


class _Proxy:
    """Passes requests on."""

    def __init__(self, upstream: str, captured: Captured, config: CaptureConfig) -> None:
        self._upstream, self._captured, self._config = upstream, captured, config
        self._inside = 0
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(config.timeout_s, connect=min(_CONNECT_S, config.timeout_s)),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=config.concurrency),
            # Through https a proxy of the environment sees bytes; through http it would be given the key.
            trust_env=upstream.startswith("https:"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or stop asking when its client has gone."""
        if scope["type"] != "http":
            return await self._live(receive, send)
        self._inside += 1
        try:
            if self._inside > self._config.concurrency:
                message = f"{self._config.concurrency} requests are being passed on; send it again later"
                raise Refusal(503, message, code="too_many_requests")
            url = self._url(scope)
            body = await self._body(receive)
            if body is not None:
                await _unless_gone(self._pass(scope, url, body=body, send=send), receive)
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)
        finally:
            self._inside -= 1

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin with the server, and close the connections when it ends."""
        for word in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{word}"
            if word == "shutdown":
                await self._client.aclose()
            await send({"type": f"lifespan.{word}.complete"})

    def _url(self, scope: Scope) -> str:
        path = scope["raw_path"].partition(b"?")[0]
        steps = re.split(r"[/\\]", unquote(unquote(path.decode("latin-1"))))
        if not path.startswith(_BELOW) or {".", ".."} & {*steps}:
            message = f"{scope['path']!r} is not passed on; only what is below /v1/ is"
            raise Refusal(404, message, code="not_passed_on")
        query = scope["query_string"]
        return self._upstream + (b"/" + path[len(_BELOW) :] + (query and b"?" + query)).decode("latin-1")

    async def _body(self, receive: Receive) -> bytes | None:
        """Read the body of a request. None: the client hung up."""
        most, body = self._config.body_bytes, bytearray()
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if len(body) > most:
                raise Refusal(413, f"the body has more than {most} bytes", code="body_too_large")
            if not message.get("more_body"):
                return bytes(body)
        return None

    async def _pass(self, scope: Scope, url: str, *, body: bytes, send: Send) -> None:
        """Send a request on, and its answer back as it comes."""
        headers = [*_passed(scope["headers"], without=_OURS), (b"accept-encoding", b"identity")]
        try:
            request = httpx2.Request(scope["method"], url, headers=headers, content=body)
            response = await self._client.send(request, stream=True)
        except httpx2.TimeoutException as error:
            message = f"the upstream {self._upstream} did not answer in time ({type(error).__name__})"
            raise Refusal(504, message, code="upstream_timeout") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            message = f"the upstream {self._upstream} cannot be asked: {str(error) or type(error).__name__}"
            raise Refusal(502, message, code="upstream_unreachable") from None
        async with contextlib.aclosing(response):
            if response.has_redirect_location:
                raise Refusal(
                    502,
                    f"the upstream answers with a redirect ({response.status_code}), which is not followed; "
                    "start 'tuition capture' with the address that it has now as --upstream",
                    code="upstream_redirects",
                )
            copy = None
            if scope["method"] == "POST" and scope["path"].rstrip("/") == _CHAT:
                copy = _Copy(body, response, scope["headers"], captured=self._captured, config=self._config)
            try:
                await _forward(response, copy, send)
            finally:
                # A client may hang up once it has the last word.
                if copy is not None:
                    copy.store()


async def _forward(response: httpx2.Response, copy: _Copy | None, send: Send) -> None:
    start = {"type": "http.response.start", "status": response.status_code}
    # The server writes a date of its own.
    await send({**start, "headers": _passed(response.headers.raw, without=[b"date"])})
    # What breaks off is not ended here either, so that the client sees it.
    with contextlib.suppress(httpx2.HTTPError):
        async for part in response.aiter_raw():
            if copy is not None and copy.add(part):
                await _store(copy)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if copy is not None:
            await _store(copy)
        await send({"type": "http.response.body", "body": b""})


async def _store(copy: _Copy) -> None:
    """Store an answer; a long one must not hold the others up."""
    if copy.size < _LONG:
        copy.store()
    else:
        await asyncio.to_thread(copy.store)


class _Copy:
    """A question, and its answer as it is collected."""

    def __init__(
        self,
        asked: bytes,
        response: httpx2.Response,
        given: Iterable[tuple[bytes, bytes]],
        *,
        captured: Captured,
        config: CaptureConfig,
    ) -> None:
        headers = response.headers
        self._asked, self._captured, self._config = asked, captured, config
        self._is_streamed = headers.get("content-type", "").startswith("text/event-stream")
        self._said, self._raw, self._length = bytearray(), 0, int(headers.get("content-length", -1))
        self._is_stored = False
        self._fault = "" if response.status_code == 200 else "an error of the upstream"
        self._unpack = None
        packed = headers.get("content-encoding", "identity")
        if packed in ("gzip", "x-gzip", "deflate"):
            self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
        elif packed != "identity":
            self._fault = self._fault or f"packed as {packed}"
        # An upstream may repeat a key in what it says.
        values = [value.decode("latin-1") for name, value in given if name.endswith(_SECRETS)]
        self._secrets = {piece for value in values for piece in _SECRET.findall(value)}

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self._asked) + len(self._said)

    def add(self, part: bytes) -> bool:
        """Take a part; True where the answer is whole with it."""
        self._raw += len(part)
        most = self._config.answer_bytes
        if self._unpack is not None and not self._fault:
            try:
                part = self._unpack.decompress(part, most + 1)
            except zlib.error:
                self._fault = "packed otherwise than its header says"
        if len(self._said) + len(part) > most:
            self._fault = self._fault or f"of more than {most} bytes"
        start = max(0, self._said.rfind(b"\n"))
        if self._fault:
            self._said.clear()
        else:
            self._said += part
        return self._raw == self._length or (self._is_streamed and _END.search(self._said, start) is not None)

    def store(self) -> None:
        """Store the answer, once; one that broke off is seen as such by its form."""
        if self._is_stored:
            return
        self._is_stored = True
        if self._fault:
            self._captured.passed_over[self._fault] += 1
        else:
            said = bytes(self._said)
            self._captured.note(self._asked, said, is_streamed=self._is_streamed, clean=self._clean)

    def _clean(self, text: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "[key]")
        return mask(text, self._config.mask)


def _passed(headers: Iterable[tuple[bytes, bytes]], without: Iterable[bytes] = ()) -> _Headers:
    """The headers that are for the other side."""
    given = [(name.lower(), value) for name, value in headers]
    named = [value.lower() for name, value in given if name == b"connection"]
    dropped = {
        *_OF_ONE_CONNECTION,
        *without,
        *(word.strip() for value in named for word in value.split(b",")),
    }
    return [(name, value) for name, value in given if name not in dropped]


async def _unless_gone(passing: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Pass a request on until that ends, or its client hangs up."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.create_task(passing), asyncio.create_task(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
