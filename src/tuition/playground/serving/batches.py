"""The server's side of batches, in OpenAI's form: files, batches, and faults of both.

Each line is put to the very application that answers single calls, so that its answer, its faults and its
payment are those of a single call. Knows no teacher.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

import httpx2
from pydantic import Field

from tuition.core.config import Section

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import ASGIApp

__all__ = ["BatchFaults", "batch_routes"]

Share = Annotated[float, Field(ge=0, le=1)]

_AT_ONCE = 64
"""Lines of a batch that are answered side by side."""
_OVER = ("completed", "failed", "expired", "cancelled")


class BatchFaults(Section):
    """How long batches take, and which share of them, of their lines and of polls goes wrong."""

    seed: int = 0
    """Equal seeds give the same batches and lines a fault, counted in order of arrival."""
    batch_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds before a batch is begun."""
    invalid: Share = 0.0
    """Batches that fail validation for their first line; not paid."""
    too_large: Share = 0.0
    """Batches that are refused as more tokens than may wait in line; not paid."""
    expired: Share = 0.0
    """Batches whose time runs out when half of the lines are done; those alone are paid."""
    missing: Share = 0.0
    """Lines that are answered and paid, and stand in no file."""
    broken_line: Share = 0.0
    """Lines that are answered and paid, and are no JSON."""
    unordered: Share = 0.0
    """Batches whose answers come in another order."""
    upload_error: Share = 0.0
    """Uploads that end in 500."""
    lost_answer: Share = 0.0
    """Batches that are taken, and whose taking is answered with 500."""
    poll_error: Share = 0.0
    """Questions after a batch that end in 500."""
    gone_once: Share = 0.0
    """Files of answers that are not found when they are asked for the first time."""

    def strikes(self, kind: str, number: int) -> bool:
        """Whether the batch, line, upload, poll or file of this number goes wrong."""
        return Random(f"{self.seed}/{kind}/{number}").random() < getattr(self, kind)


@dataclass
class _Batch:
    id: str
    number: int
    input_file: str
    endpoint: str
    metadata: Mapping[str, str]
    created_at: int = field(default_factory=lambda: int(time.time()))
    status: str = "validating"
    total: int = 0
    answered: int = 0
    refused: int = 0
    output_file: str | None = None
    error_file: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file,
            "error_file_id": self.error_file,
            "created_at": self.created_at,
            "request_counts": {"total": self.total, "completed": self.answered, "failed": self.refused},
            "metadata": dict(self.metadata),
        }


class _Fault(Exception):
    """An error answer to a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Counter:
    """Batches, their files, and what of them goes wrong."""

    def __init__(self, lines: ASGIApp, faults: BatchFaults) -> None:
        transport = httpx2.ASGITransport(lines, client=("batch", 0))
        self._client = httpx2.AsyncClient(transport=transport, base_url="http://batch", trust_env=False)
        self._faults = faults
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, _Batch] = {}
        self._numbers = itertools.count()
        self._seen: dict[str, itertools.count[int]] = {}
        self._fetched: set[str] = set()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        # asyncio keeps weak references alone: without this one a task may be collected before it is done
        self._work: set[asyncio.Task[None]] = set()

    async def upload(self, http: HttpRequest) -> dict[str, Any]:
        parts = _parts(http.headers.get("content-type", ""), await http.body())
        self._inject("upload_error")
        if parts.get("purpose") != b"batch" or "file" not in parts:
            raise _Fault(400, "expected a form with purpose 'batch' and a file")
        name = self._keep(parts["file"])
        return {"id": name, "object": "file", "bytes": len(parts["file"]), "purpose": "batch"}

    async def content(self, http: HttpRequest) -> bytes:
        name = http.path_params["id"]
        if name not in self._files:
            raise _Fault(404, f"No such File object: {name}")
        if name not in self._fetched:
            self._fetched.add(name)
            self._inject("gone_once", status=404)
        return self._files[name]

    async def create(self, http: HttpRequest) -> dict[str, Any]:
        try:
            body = json.loads(await http.body())
            metadata = {str(key): str(value) for key, value in (body.get("metadata") or {}).items()}
            source, endpoint = body["input_file_id"], body["endpoint"]
        except (ValueError, KeyError, AttributeError):
            raise _Fault(400, "expected input_file_id, endpoint and completion_window") from None
        if source not in self._files or endpoint != "/v1/chat/completions":
            raise _Fault(400, f"no file {source!r} for the endpoint {endpoint!r}")
        number = len(self._batches)
        batch = _Batch(
            id=f"batch_{number}", number=number, input_file=source, endpoint=endpoint, metadata=metadata
        )
        self._batches[batch.id] = batch
        task = asyncio.create_task(self._carry_out(batch))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        self._inject("lost_answer")
        return batch.shown()

    async def show(self, http: HttpRequest) -> dict[str, Any]:
        self._inject("poll_error")
        return self._named(http).shown()

    async def list_all(self, http: HttpRequest) -> dict[str, Any]:
        self._inject("poll_error")
        newest = list(reversed(self._batches.values()))
        after, limit = http.query_params.get("after"), int(http.query_params.get("limit", "20"))
        ids = [batch.id for batch in newest]
        begin = ids.index(after) + 1 if after in ids else 0
        page = newest[begin : begin + limit]
        return {
            "object": "list",
            "data": [batch.shown() for batch in page],
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
            "has_more": begin + limit < len(newest),
        }

    async def cancel(self, http: HttpRequest) -> dict[str, Any]:
        batch = self._named(http)
        if batch.status not in _OVER:
            batch.status = "cancelling"
        return batch.shown()

    def _named(self, http: HttpRequest) -> _Batch:
        name = http.path_params["id"]
        if name not in self._batches:
            raise _Fault(404, f"No such Batch object: {name}")
        return self._batches[name]

    def _inject(self, kind: str, *, status: int = 500) -> None:
        """Fail the declared share of requests of a kind."""
        if self._faults.strikes(kind, next(self._seen.setdefault(kind, itertools.count()))):
            raise _Fault(status, "the server failed" if status == 500 else "not found")

    def _keep(self, content: bytes) -> str:
        name = f"file-{next(self._numbers)}"
        self._files[name] = content
        return name

    async def _carry_out(self, batch: _Batch) -> None:
        await asyncio.sleep(self._faults.batch_s)
        lines = [line for line in self._files[batch.input_file].split(b"\n") if line.strip()]
        batch.total = len(lines)
        batch.errors = self._validate(batch, lines)
        if batch.errors:
            batch.status = "failed"
            return
        if batch.status != "cancelling":
            batch.status = "in_progress"
        expires = self._faults.strikes("expired", batch.number)
        begun = lines[: len(lines) // 2] if expires else lines
        spoken = await asyncio.gather(*(self._answer(batch, json.loads(line)) for line in begun))
        spoken += [_line(json.loads(line), error="batch_expired") for line in lines[len(begun) :]]
        is_cancelled = batch.status == "cancelling"
        batch.status = "finalizing"
        said = [line for line in spoken if line is not None]
        if self._faults.strikes("unordered", batch.number):
            Random(f"{self._faults.seed}/order/{batch.number}").shuffle(said)
        # Good answers stand in one file and the others in another, as with the real ones.
        good = [line for line in said if isinstance(line, str) or _is_good(line)]
        bad = [line for line in said if not isinstance(line, str) and not _is_good(line)]
        batch.answered, batch.refused = len(good), len(bad)
        batch.output_file = self._keep(_jsonl(good)) if good else None
        batch.error_file = self._keep(_jsonl(bad)) if bad else None
        ended = "expired" if expires else "completed"
        batch.status = "cancelled" if is_cancelled else ended

    def _validate(self, batch: _Batch, lines: list[bytes]) -> list[dict[str, Any]]:
        if self._faults.strikes("too_large", batch.number):
            said = "Enqueued token limit reached for this model."
            return [{"code": "token_limit_exceeded", "message": said, "line": None}]
        found = [] if lines else [_invalid(None, "the file is empty")]
        ids: set[str] = set()
        for i, line in enumerate(lines):
            try:
                row = json.loads(line)
                name = str(row["custom_id"])
                is_whole = row["url"] == batch.endpoint and isinstance(row["body"], dict)
            except (ValueError, KeyError, TypeError):
                name, is_whole = "", False
            if not is_whole or name in ids:
                found.append(_invalid(i + 1, "custom_id, url or body is wrong, or named twice"))
            ids.add(name)
        if not found and self._faults.strikes("invalid", batch.number):
            found.append(_invalid(1, "this line is not liked"))
        return found

    async def _answer(self, batch: _Batch, row: Mapping[str, Any]) -> dict[str, Any] | str | None:
        """Answer one line; a text is a line that is no JSON, None one that stands nowhere."""
        async with self._gate:
            if batch.status == "cancelling":
                return _line(row, error="batch_cancelled")
            headers = {"x-client-request-id": str(row["custom_id"])}
            said = await self._client.post(row["url"], json=row["body"], headers=headers)
        status, body = said.status_code, said.content
        number = next(self._seen.setdefault("line", itertools.count()))
        if self._faults.strikes("missing", number):
            return None
        try:
            answer = json.loads(body)
        except ValueError:
            if status == 200:
                return body.decode(errors="replace")
            answer = body.decode(errors="replace")
        line = _line(row, response={"status_code": status, "request_id": f"req_{number}", "body": answer})
        return json.dumps(line)[:-9] if self._faults.strikes("broken_line", number) else line


def _invalid(line: int | None, message: str) -> dict[str, Any]:
    return {"code": "invalid_request", "message": message, "param": None, "line": line}


def _line(
    row: Mapping[str, Any], *, response: Mapping[str, Any] | None = None, error: str = ""
) -> dict[str, Any]:
    said = {"code": error, "message": f"This request could not be executed: {error}."} if error else None
    name = row["custom_id"]
    return {"id": f"batch_req_{name}", "custom_id": name, "response": response, "error": said}


def _is_good(line: Mapping[str, Any]) -> bool:
    return line["error"] is None and line["response"]["status_code"] == 200


def _jsonl(lines: list[Any]) -> bytes:
    return b"".join((line if isinstance(line, str) else json.dumps(line)).encode() + b"\n" for line in lines)


def _parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """The fields of a form with files, by name."""
    whole = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = whole.iter_parts() if whole.is_multipart() else ()
    found: dict[str, bytes] = {}
    for part in parts:
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            found[str(part.get_param("name", header="content-disposition"))] = content
    return found


def batch_routes(lines: ASGIApp, faults: BatchFaults | None = None) -> list[Route]:
    """Make the routes of files and batches; each line of a batch is put to `lines` as a call of its own."""
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    counter = _Counter(lines, faults or BatchFaults())

    def answering(act: Any) -> Any:
        async def endpoint(http: HttpRequest) -> Response:
            try:
                said = await act(http)
            except _Fault as fault:
                error = {"message": str(fault), "type": "invalid_request_error", "code": None}
                return JSONResponse({"error": error}, fault.status)
            return Response(said) if isinstance(said, bytes) else JSONResponse(said)

        return endpoint

    return [
        Route("/v1/files", answering(counter.upload), methods=["POST"]),
        Route("/v1/files/{id}/content", answering(counter.content), methods=["GET"]),
        Route("/v1/batches", answering(counter.create), methods=["POST"]),
        Route("/v1/batches", answering(counter.list_all), methods=["GET"]),
        Route("/v1/batches/{id}", answering(counter.show), methods=["GET"]),
        Route("/v1/batches/{id}/cancel", answering(counter.cancel), methods=["POST"]),
    ]
