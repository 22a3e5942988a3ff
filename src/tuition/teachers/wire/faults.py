"""From a status and a body, or from a broken connection, to a failure with its kind.

Says what is known of whether the attempt was charged, and what may help. Knows no retry.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from tuition.core.records import Failure
from tuition.teachers.wire.limits import seconds_of

__all__ = ["broken_off", "cut_off", "emptiness", "json_of", "malformed", "refusal", "retry_after", "said_of"]

_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
"""Faults before the request left: nothing can have been charged."""
_UNSENDABLE = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
_PASSING = (200, 408, 409, 425)
_WAITED = (504, 524)
"""A gateway lost patience with the endpoint behind it, which may have finished and charged."""
_SHOWN = 300
_LONGEST_WAIT_S = 1e9
_QUOTA = ("insufficient_quota", "insufficient_balance", "insufficient_credit", "billing")
"""Beginnings of codes of an account that is empty; the words alone stand in passing refusals too."""
_QUOTA_WORDS = ("credit balance is too low", "billing hard limit", "insufficient balance")
_FILTERED = ("content_filter", "content_policy_violation", "responsibleaipolicyviolation")


def json_of(text: str) -> Any:
    """Read JSON that may be anything.

    Args:
        text: A body.

    Returns:
        What it holds; None where it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def cut_off(error: Exception, *, limit: str) -> Failure:
    """Name the fault of a call that brought no response.

    Args:
        error: What was raised.
        limit: The time-outs, for the message.

    Returns:
        A failure: unpaid where the request never left, else of unknown outcome.
    """
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


def refusal(status: int, text: str, headers: Mapping[str, str]) -> Failure:
    """Name the fault that a status, or an error object under status 200, tells of.

    Args:
        status: Of HTTP.
        text: The body.
        headers: Names in lower case.

    Returns:
        A failure: unpaid, but of unknown outcome where a gateway gave up waiting.
    """
    body = json_of(text)
    fault = _fault(body)
    named = [fault.get(name) for name in ("code", "type", "status")]
    codes = [code.lower() for code in named if isinstance(code, str)]
    if status == 200:
        status = _inner_status(fault)
    said = next(iter(said_of(body)), "") or text
    kind, is_retryable = _kind(status, codes, said.lower())
    return Failure(
        kind=kind,
        message=f"HTTP {status}: {said[:_SHOWN]}",
        is_retryable=is_retryable,
        retry_after_s=retry_after(headers, fault),
        is_paid=None if status in _WAITED else False,
    )


def _kind(status: int, codes: list[str], said: str) -> tuple[str, bool]:
    """The kind, and whether the same call may succeed later."""
    is_empty = any(code.startswith(_QUOTA) for code in codes) and status in (400, 403, 429)
    if status == 402 or is_empty or (status == 400 and any(words in said for words in _QUOTA_WORDS)):
        return "quota", False
    if status in (400, 403) and any(code in _FILTERED for code in codes):
        return "filtered", False
    if status == 401:
        # A key can be mended, and the very same call then succeeds.
        return "auth", True
    if status == 403:
        return "refused", False
    if status == 404:
        return "not_found", False
    if status == 429:
        return "rate_limit", True
    if status in _PASSING or status >= 500:
        return "server", True
    return "bad_request", False


def said_of(body: Any) -> Iterator[str]:
    """Go through what an error body says, in the forms of OpenAI, Anthropic, Google, Mistral and FastAPI.

    Args:
        body: The body, read.

    Yields:
        The message first, then the name of the parameter it is about, then places within the request.
    """
    fault = _fault(body)
    yield from _texts(fault.get("message"))
    yield from _texts(fault.get("detail"))
    yield from _texts(fault.get("param"))


def _texts(value: Any) -> Iterator[str]:
    """A text, or the messages and places of FastAPI's list of faults."""
    if isinstance(value, str) and value:
        yield value
    if isinstance(value, dict):
        value = value.get("detail")
    for item in value[:10] if isinstance(value, list) else ():
        if not isinstance(item, dict):
            continue
        place = item.get("loc")
        names = [part for part in place if isinstance(part, str)] if isinstance(place, list) else []
        message = item.get("msg")
        yield f"{'.'.join(names)}: {message if isinstance(message, str) else ''}"
        yield from names[-1:]


def _fault(body: Any) -> Mapping[str, Any]:
    """The object that describes the fault, wherever it stands."""
    if isinstance(body, list) and len(body) == 1:
        # Google sends a list of one.
        body = body[0]
    if not isinstance(body, dict):
        return {}
    found = body.get("error")
    if isinstance(found, dict):
        return found
    return {"message": found} if isinstance(found, str) else body


def _inner_status(fault: Mapping[str, Any]) -> int:
    """Status 200 with an error inside: some routers put the status of whom they asked into the code."""
    code = fault.get("code")
    return code if isinstance(code, int) and 400 <= code <= 599 else 200


def retry_after(headers: Mapping[str, str], fault: Mapping[str, Any] | None = None) -> float | None:
    """Read how long the endpoint asks to be left alone.

    Args:
        headers: Names in lower case; `retry-after` holds seconds or a date, `retry-after-ms` milliseconds.
        fault: An error object, in which Google names a delay.

    Returns:
        Seconds; None where nothing readable is said.
    """
    exact = seconds_of(headers.get("retry-after-ms", ""))
    if exact is not None:
        return _bounded(exact / 1000)
    value = headers.get("retry-after", "").strip()
    wanted = seconds_of(value) if value else None
    if wanted is not None:
        return _bounded(wanted)
    try:
        return _bounded(parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        pass
    details = (fault or {}).get("details")
    for item in details[:10] if isinstance(details, list) else ():
        delay = item.get("retryDelay") if isinstance(item, dict) else None
        if isinstance(delay, str):
            return _bounded(seconds_of(delay))
    return None


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None or math.isnan(seconds) else min(max(0.0, seconds), _LONGEST_WAIT_S)


def malformed(text: str, *, wanted: str, is_paid: bool | None) -> Failure:
    """Name the fault of a body that is not what it should be.

    Args:
        text: The body.
        wanted: What it should be.
        is_paid: True where the provider counted tokens; None: nobody can tell.

    Returns:
        A failure that may pass.
    """
    message = f"the body is not {wanted}: {text[:120]!r}"
    return Failure(kind="malformed", message=message, is_retryable=True, is_paid=is_paid)


def broken_off(said: str, *, has_text: bool) -> Failure:
    """Name the fault of an answer whose writing ended by an error; what was written until then is charged.

    Args:
        said: What the endpoint says of it, if anything.
        has_text: Whether it had written some.

    Returns:
        A failure that may pass.
    """
    where = "in the middle of the text" if has_text else "before any text"
    message = f"the endpoint broke off {where}" + (f": {said[:_SHOWN]}" if said else "")
    return Failure(kind="server", message=message, is_retryable=True, is_paid=True)


def emptiness(finish: str, *, refused: str = "") -> Failure:
    """Say why a reply that was paid for has no text.

    Args:
        finish: Why the writing ended.
        refused: The model's own words where it refuses.

    Returns:
        The failure.
    """
    if refused or finish == "refusal":
        said = f": {refused[:_SHOWN]}" if refused else ""
        return Failure(kind="refused", message=f"the model refused to answer{said}", is_paid=True)
    if finish in ("content_filter", "safety"):
        return Failure(
            kind="filtered", message="the provider's content filter withheld the text", is_paid=True
        )
    if finish == "length":
        message = "no text: max_tokens ran out before the answer began; raise the teacher's max_tokens"
        return Failure(kind="truncated", message=message, is_paid=True)
    return Failure(kind="empty", message="the text is empty", is_retryable=True, is_paid=True)
