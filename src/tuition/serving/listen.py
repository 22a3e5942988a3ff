"""Run an application as a server until it is interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuition.core.errors import MissingExtra

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["listen", "url_of"]


def listen(application: ASGIApp, *, host: str, port: int, connections: int) -> None:
    """Serve until interrupted; what is being answered then has five seconds.

    Args:
        application: What answers.
        host: The address to bind.
        port: 0: a free one.
        connections: How many there may be, most of which may wait for their next request.

    Raises:
        MissingExtra: Uvicorn is not installed.
    """
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("uvicorn", "serve") from None
    uvicorn.run(
        application,
        host=host,
        port=port,
        ws="none",
        server_header=False,
        access_log=False,
        timeout_graceful_shutdown=5,
        limit_concurrency=connections,
    )


def url_of(host: str, port: int) -> str:
    """Write the address that clients call.

    Args:
        host: The address that is bound.
        port: 0: a free one.

    Returns:
        The base URL; empty: the port is not known before the server has it.
    """
    return "" if port == 0 else f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"
