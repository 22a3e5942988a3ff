"""Batches in OpenAI's form: a file of lines goes up, and hours later files of answers come down.

A line is read and charged as a single call is. A fault that may pass is a ConnectionError, one that will not
a TeacherError, and what concerns one line alone is its reply. Knows no store and no retry.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from tuition.core.errors import TeacherError
from tuition.core.protocols import BatchState, TeacherAbilities
from tuition.core.records import Failure, Json, Reply, Request
from tuition.teachers.config import TeacherConfig
from tuition.teachers.http.capabilities import Capabilities
from tuition.teachers.http.connections import Answer, Connections, cut_off
from tuition.teachers.http.faults import (
    is_fault,
    is_success,
    json_of,
    malformed,
    refusal,
    unreachable,
)
from tuition.teachers.http.forms import FORMS, read_replies
from tuition.teachers.prices import price_for
from tuition.teachers.usage import count_of, estimate_usage

__all__ = ["BatchedTeacher", "read_line", "rows_of"]

_URL = "/v1/chat/completions"
_MOST_BYTES = 200_000_000
_OVER = ("completed", "failed", "expired", "cancelled")
_PAGE = 100
_NO_BATCHES = (404, 405, 501)
_TOO_LARGE = ("token_limit_exceeded", "request_limit_exceeded")
_KIND = {
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "model_not_found": "not_found",
}
"""Codes of a batch refused whole, for a cause outside its calls."""
_SHOWN = 300
_LOOKS = 4
"""How often a batch that is complete is looked at while a file of it may not be named yet."""
_FILES = ("error_file_id", "output_file_id")
"""A line of the second file goes before a line of the first that has the same id."""
_NAMED = re.compile(r'"custom_id"\s*:\s*"([^"\\]+)"')
_FORM = FORMS["openai"]


class BatchedTeacher:
    """A language model that is asked in batches, and in no other way."""

    def __init__(self, config: TeacherConfig) -> None:
        """Read the key and the price of a batch; nothing is sent."""
        self.name = config.name
        self.model = config.model or config.name
        self.price = price_for(config)
        self.abilities = TeacherAbilities(
            has_temperature=config.has_temperature,
            concurrency=config.concurrency,
            has_json=config.wire.has_json is True,
            in_batches=True,
        )
        self.poll_s = config.wire.batch_poll_s
        """Seconds between two looks at a batch."""
        self._connections = Connections(config)
        self.endpoint = self._connections.address
        self._can = Capabilities(config, hide=self._connections.hide)

    async def __aenter__(self) -> BatchedTeacher:
        await self._connections.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._connections.__aexit__(*exception)

    async def complete(self, request: Request) -> Reply:
        """Refuse a single call: this teacher's price is that of batches."""
        message = f"teacher {self.name!r} is asked in batches alone (wire.in_batches = true)"
        return Reply(failure=Failure(kind="unusable", message=message, is_retryable=True))

    async def submit(self, name: str, requests: Sequence[Request]) -> str:
        """Send the file of lines up, and have it answered; each tag becomes the `custom_id` of its line."""
        content = "".join(json.dumps(self.line(request)) + "\n" for request in requests).encode()
        if len(content) > _MOST_BYTES:
            raise TeacherError(
                f"a batch of {len(requests)} calls has {len(content):,} bytes, more than the "
                f"{_MOST_BYTES:,} that are taken; ask in several."
            )
        file = await self._ask("/files", file=content)
        body: dict[str, Json] = {
            "input_file_id": _id_of(file),
            "endpoint": _URL,
            "completion_window": "24h",
            "metadata": {"tuition": name},
        }
        return _id_of(await self._ask("/batches", body=body))

    async def find(self, name: str) -> str | None:
        """Look through the provider's batches for the one that was submitted under our name."""
        after = ""
        while True:
            page = await self._ask(f"/batches?limit={_PAGE}" + (f"&after={after}" if after else ""))
            rows = page.get("data")
            rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
            for row in rows:
                metadata = row.get("metadata")
                if isinstance(metadata, dict) and metadata.get("tuition") == name:
                    return _id_of(row)
            last = rows[-1].get("id") if rows else None
            # A page that ends as the one before would be asked for without end.
            if not page.get("has_more") or not isinstance(last, str) or last == after:
                return None
            after = last

    async def poll(self, remote: str) -> BatchState:
        """Ask how far a batch is."""
        batch = await self._ask(f"/batches/{remote}")
        counts = batch.get("request_counts")
        completed, failed, total = (count_of(counts, name) for name in ("completed", "failed", "total"))
        said = str(batch.get("status"))
        return BatchState(is_over=said in _OVER, said=said, done=completed + failed, total=total)

    async def collect(self, remote: str, requests: Sequence[Request]) -> list[Reply]:
        """Fetch the answers of a batch that is over: one a request, in order.

        What an expired batch did not get to is `expired`; what a completed one has no line for, even after a
        few more looks, is of unknown outcome.
        """
        batch, rows = await self._rows(remote)
        for _ in range(_LOOKS - 1):
            is_whole = all(request.tag in rows for request in requests) or all(map(batch.get, _FILES))
            if is_whole or batch.get("status") != "completed":
                break
            await asyncio.sleep(self.poll_s)
            batch, rows = await self._rows(remote)
        replies: list[Reply] = []
        for i, request in enumerate(requests):
            if request.tag not in rows:
                replies.append(Reply(failure=_without_line(batch, i, len(requests))))
                continue
            row, text = rows[request.tag]
            reply = read_line(row, text, request)
            status, body = _answer_of(row)
            if reply.failure is not None and isinstance(status, int) and status >= 400:
                answer = Answer(status=status, text=json.dumps(body), headers={})
                if self._can.learn(answer, self._can.fit(request.parameters).keys()):
                    failure = dataclasses.replace(reply.failure, is_retryable=True)
                    reply = dataclasses.replace(reply, failure=failure)
            replies.append(reply)
        return [self._connections.masked(reply) for reply in replies]

    async def _rows(self, remote: str) -> tuple[Mapping[str, Any], dict[str, tuple[Mapping[str, Any], str]]]:
        """A batch, and by `custom_id` the lines of the files that it names by now."""
        batch = await self._ask(f"/batches/{remote}")
        rows: dict[str, tuple[Mapping[str, Any], str]] = {}
        for field in _FILES:
            file = batch.get(field)
            if isinstance(file, str) and file:
                answer = await self._fetch(f"/files/{file}/content", is_file=True)
                rows |= rows_of(answer.text)
        return batch, rows

    def line(self, request: Request) -> dict[str, object]:
        """Write one line of a batch, as JSON values."""
        body = _FORM.body(request, self._can.fit(request.parameters), 1)
        return {"custom_id": request.tag, "method": "POST", "url": _URL, "body": body}

    async def _ask(
        self, path: str, *, body: Mapping[str, Json] | None = None, file: bytes | None = None
    ) -> Mapping[str, Any]:
        answer = await self._fetch(path, body=body, file=file)
        found = json_of(answer.text)
        if not isinstance(found, dict):
            raise ConnectionError(
                self._connections.hide(f"{path}: the body is no JSON object: {answer.text[:120]!r}")
            )
        return found

    async def _fetch(
        self,
        path: str,
        *,
        body: Mapping[str, Json] | None = None,
        file: bytes | None = None,
        is_file: bool = False,
    ) -> Answer:
        connections = self._connections
        try:
            if file is not None or is_file:
                answer = await connections.transfer(path, file)
            else:
                answer = await connections.send(path, body)
        except (httpx2.HTTPError, TimeoutError) as error:
            failure = cut_off(error, limit=connections.limit_of(error))
            if connections.is_dead:
                said = unreachable(failure, self.endpoint).message
                raise TeacherError(f"teacher {self.name!r} cannot be asked: {said}.") from None
            raise ConnectionError(self._connections.hide(f"{path}: {failure.message}")) from None
        if answer.is_success:
            return answer
        failure = refusal(answer.status, answer.text, answer.headers)
        said = self._connections.hide(f"{path}: {failure.message}")
        # A file of answers may be listed before it can be fetched.
        if (failure.is_retryable and failure.kind != "auth") or (is_file and answer.status == 404):
            raise ConnectionError(said)
        hint = "Mend its table, or its key"
        if answer.status in _NO_BATCHES and (body is not None or file is not None):
            hint = (
                "This endpoint seems to have no batches: leave wire.in_batches out, or write a file to be "
                "answered elsewhere with: tuition batch write"
            )
        raise TeacherError(f"teacher {self.name!r} answers no such call: {said}. {hint}.")


def rows_of(text: str) -> dict[str, tuple[Mapping[str, Any], str]]:
    """Read a file of answers by `custom_id`: each line as JSON, and its text.

    Lines come in any order. Of two with one id the first counts; one that names no id is left out, and one
    that is no JSON is an empty table.
    """
    found: dict[str, tuple[Mapping[str, Any], str]] = {}
    for line in text.split("\n"):
        row = json_of(line) if line.strip() else None
        named = row.get("custom_id") if isinstance(row, dict) else None
        if row is None and (broken := _NAMED.search(line)):
            row, named = {}, broken[1]
        if isinstance(row, dict) and isinstance(named, str):
            found.setdefault(named, (row, line))
    return found


def read_line(row: Mapping[str, Any], text: str, request: Request) -> Reply:
    """Read the answer to one line, as providers and `vllm run-batch` write it."""
    status, body = _answer_of(row)
    if status is not None and is_success(status) and not is_fault(body):
        return read_replies(_FORM, body, [request], text=text)[0]
    # A line without a status was never put to the model.
    error = row.get("error")
    code, said = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, error)
    if status:
        failure = refusal(status, json.dumps(body), {})
    elif code in ("batch_expired", "batch_cancelled"):
        failure = Failure(kind="expired", message=str(said)[:_SHOWN], is_retryable=True)
    elif not said:
        failure = malformed(text, wanted="a line with an answer or an error", is_paid=None)
    else:
        failure = Failure(kind="server", message=str(said)[:_SHOWN], is_retryable=True)
    return Reply(failure=failure, usage=estimate_usage(request, ""), raw=text)


def _answer_of(row: Mapping[str, Any]) -> tuple[int | None, Any]:
    """The status and body of a line's answer; None: it has none."""
    response = row.get("response")
    if not isinstance(response, dict):
        return None, None
    if "choices" in response:
        # Some write the body itself where the response belongs.
        return 200, response
    body = response.get("body")
    status = response.get("status_code", 200)
    if not isinstance(status, int) or (body is None and is_success(status)):
        return None, None
    return status, {"error": row.get("error")} if body is None else body


def _without_line(batch: Mapping[str, Any], i: int, n: int) -> Failure:
    """Name the fault of a request that no line answers."""
    status = str(batch.get("status"))
    if status in ("expired", "cancelled"):
        return Failure(kind="expired", message=f"the batch is {status}", is_retryable=True)
    if status != "failed":
        message = (
            f"the batch of {n} calls is {status} and has no line for this one, which may have been charged; "
            "`tuition store reconcile` settles it by the provider's list"
        )
        return Failure(kind="unknown_outcome", message=message, is_retryable=True, is_paid=None)
    # It was refused whole: for what was wrong with this line, or with others.
    errors = batch.get("errors")
    data = errors.get("data") if isinstance(errors, dict) else None
    faults = [fault for fault in data if isinstance(fault, dict)] if isinstance(data, list) else []
    lines = [fault.get("line") for fault in faults if isinstance(fault.get("line"), int)]
    # Lines are counted from 1.
    mine = [fault for fault in faults if fault.get("line") == i + 1]
    said = next((str(fault.get("message")) for fault in [*mine, *faults]), "no reason was given")[:_SHOWN]
    codes = [fault.get("code") for fault in faults]
    if mine or not lines:
        if any(code in _TOO_LARGE for code in codes):
            return Failure(kind="rate_limit", message=f"the batch was refused: {said}", is_retryable=True)
        known = (_KIND[code] for code in codes if isinstance(code, str) and code in _KIND)
        kind = next(known, "bad_request")
        return Failure(kind=kind, message=f"the batch was refused: {said}")
    message = f"the batch was refused for other lines of it, the first is {min(lines)}: {said}"
    return Failure(kind="server", message=message, is_retryable=True)


def _id_of(row: Mapping[str, Any]) -> str:
    found = row.get("id")
    if not isinstance(found, str) or not found:
        raise ConnectionError(f"what came back has no id: {str(dict(row))[:120]}")
    return found
