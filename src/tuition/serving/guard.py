"""Who may ask: the name by which the server is called, and the token. Refusals, in OpenAI's form."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Guard", "Refusal", "is_loopback"]

_KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 500: "server_error"}
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:@/]+))(?::\d*)?", re.I)
"""An IPv6 address in brackets, or a name or another address; a port."""
OPEN = "/health"
"""The path that needs no token."""


class Refusal(Exception):
    """A request that is not answered, with the sentence that says why."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """Write it as OpenAI does."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "overloaded_error")
        said = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": said}

    def response(self) -> Response:
        """Write it as an answer."""
        from starlette.responses import JSONResponse

        return JSONResponse(self.body(), self.status, headers=self.headers)


def is_loopback(host: str) -> bool:
    """Say whether an address can be reached from this machine alone.

    Args:
        host: A name or an address to bind; a name other than `localhost` is not resolved.

    Returns:
        False where other machines may reach it.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Lets a request through to the application if it calls the server by its name and shows the token."""

    def __init__(self, inner: ASGIApp, *, hosts: Iterable[str], token: str | None) -> None:
        """An empty token would let everybody in; None: none is needed."""
        self._inner = inner
        self._hosts = {"localhost", *(host.lower().rstrip(".") for host in hosts)}
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        try:
            if scope["type"] == "http":
                self._check_host([value for name, value in scope["headers"] if name == b"host"])
                self._check_token(dict(scope["headers"]), scope["path"])
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    def _check_host(self, given: list[bytes]) -> None:
        """A page whose name was pointed at this machine (DNS rebinding) calls the server by its own name."""
        if len(given) == 1 and self._is_ours(given[0].decode("latin-1")):
            return
        raise Refusal(
            403,
            f"the Host header is {b', '.join(given).decode('latin-1')!r}, which is no name of this server; "
            "call it by its address, or start it with --set hosts",
            code="host_not_allowed",
        )

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1] or found[2]
        try:
            # An address was looked up in no DNS, so nobody can have pointed it elsewhere.
            ipaddress.ip_address(name)
        except ValueError:
            return name.lower().rstrip(".") in self._hosts
        return True

    def _check_token(self, headers: Mapping[bytes, bytes], path: str) -> None:
        if self._token is None or path == OPEN:
            return
        kind, _, given = headers.get(b"authorization", b"").partition(b" ")
        is_right = hmac.compare_digest(given.strip(), self._token)
        if kind.lower() != b"bearer" or not is_right:
            message = "the token is missing or wrong; send it as the header 'Authorization: Bearer TOKEN'"
            raise Refusal(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
