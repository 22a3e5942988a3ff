"""Serve the teachers, which are programs, not language models, over HTTP, with faults and a list of payments.

In the form of OpenAI's Chat Completions, of its batches, and of Anthropic's Messages, so that the real client
path can be tested without a key. Knows no store and no client.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuition.core.errors import MissingExtra
from tuition.playground.serving.batches import batch_routes
from tuition.playground.serving.calls import Payments
from tuition.playground.serving.faults import FAULTS, Fault, Faults
from tuition.playground.serving.gate import ServerConfig
from tuition.playground.serving.host import Host
from tuition.playground.serving.inject import reachable

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["FAULTS", "Fault", "Faults", "ServerConfig", "app", "serve"]


def app(
    faults: Faults | None = None, ledger: Path | None = None, config: ServerConfig | None = None
) -> ASGIApp:
    """Make the server, to be run by uvicorn or by a test.

    Args:
        faults: None: nothing goes wrong.
        ledger: A file that gets one JSON line a payment; None: no file.
        config: Limits and peculiarities; None: it has none.

    Returns:
        `POST /v1/chat/completions`, `POST /v1/messages`, `GET /v1/models`, and the files and batches.

    Raises:
        MissingExtra: Starlette is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError:
        raise MissingExtra("starlette", "serve") from None
    host = Host(faults or Faults(), config or ServerConfig(), Payments(ledger))
    routes = [
        Route("/v1/models", host.models, methods=["GET"]),
        Route("/v1/chat/completions", host.chat, methods=["POST"]),
        Route("/v1/messages", host.messages, methods=["POST"]),
    ]
    batches = batch_routes(Starlette(routes=routes), host.faults.batch)
    return reachable(Starlette(routes=[*routes, *batches]))


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    faults: Faults | None = None,
    ledger: Path | None = Path("server.jsonl"),
    config: ServerConfig | None = None,
) -> None:
    """Serve what `app` makes until interrupted, on a free port (0: any); needs uvicorn besides."""
    application = app(faults, ledger, config)
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("uvicorn", "serve") from None
    uvicorn.run(application, host=host, port=port, log_level="info", access_log=False)
