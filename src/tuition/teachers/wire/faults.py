"""From a status and a body, a broken connection, or the word that ended a text, to a failure with its kind.

Says what is known of whether the attempt was charged, and what may help. Knows no retry.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from tuition.core.records import Failure
from tuition.teachers.wire.limits import seconds_of

__all__ = [
    "UNSENT",
    "cut_off",
    "finish_of",
    "is_success",
    "json_of",
    "malformed",
    "refusal",
    "retry_after",
    "said_of",
    "unfinished",
    "unreachable",
]

UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
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
_FILTERS = re.compile(
    r"content[ _-]?filter|content(?: management)?[ _-]?policy|filtering policy|responsible ?ai ?policy"
    r"|prohibited[ _]content|inappropriate content|sensitive (?:content|word)|data_?inspection_?failed"
    r"|\bspii\b|blocklist|safety (?:system|filter|setting)|moderation"
    r"|(?:input|prompt|request|text) (?:was |is )?flagged"
)
"""Codes and words of providers that withhold a text, in lower case."""
_FILTERING = (200, 400, 403, 422, 451)
_WITHIN = ("innererror", "provider_specific_fields", "metadata")
"""Where a gateway keeps what the provider behind it said."""

_ENDS = (
    ("refusal", "refus"),
    (
        "content_filter",
        "filter|safety|prohibit|block|spii|recitation|sensitive|toxic|guardrail|armor|moderat|policy",
    ),
    ("length", "length|max_?(?:token|new|output|len)|context_window|token_limit|error_limit|truncat"),
    (
        "error",
        "error|fail|abort|cancel|interrupt|insufficient|malformed|invalid|time|unknown|unspecified|other"
        "|network|overload|unavailable|unexpected|incomplete|partial|disconnect|clos|drop|lost|terminat|kill"
        "|crash|exception|preempt|evict|missing|language|pause|repetit|too_many|quota|rate_limit|no_image",
    ),
    ("stop", r"\A(?:stop|stop_sequence|end_turn|end|eos|eos_token|completed?|finished|done|success)\Z"),
)
"""What the word means by which a writing ended, and its parts by which it is known, in lower case; the first
that fits. A word that no part fits is a whole text's, as long as there is one."""


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


def is_success(status: int) -> bool:
    """Say whether a status is any of success; some gateways answer 201 in the place of 200."""
    return 200 <= status < 300


def cut_off(error: Exception, *, limit: str) -> Failure:
    """Name the fault of a call that brought no response.

    Args:
        error: What was raised.
        limit: The time-outs, for the message.

    Returns:
        A failure: unpaid where the request never left, else of unknown outcome.
    """
    is_timeout = isinstance(error, TimeoutError | httpx2.TimeoutException)
    is_unsent = isinstance(error, UNSENT + _UNSENDABLE)
    when = "before the request was sent" if is_unsent else "after the request was sent"
    what = str(error) or type(error).__name__
    return Failure(
        kind="timeout" if is_timeout else "connection",
        message=f"{what}, {when}, {limit}" if is_timeout else f"{what}, {when}",
        is_retryable=not isinstance(error, _UNSENDABLE),
        is_paid=False if is_unsent else None,
    )


def unreachable(failure: Failure, address: str) -> Failure:
    """Name the fault of an endpoint at which nobody has answered yet, after several tries.

    Args:
        failure: Of the last try.
        address: Of the endpoint.

    Returns:
        A failure after which no call can succeed: this endpoint is asked no more.
    """
    message = (
        f"{failure.message}; nobody at {address} has answered yet. See that its base_url answers, then start "
        "again: what was answered is kept"
    )
    return Failure(kind="unusable", message=message, is_retryable=True)


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
    if is_success(status):
        status = _inner_status(fault)
    said = next(iter(said_of(body)), "") or text
    within = [json.dumps(fault[name]) for name in _WITHIN if name in fault]
    kind, is_retryable = _kind(status, codes, " ".join((said, *codes, *within)).lower())
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
    if status in _FILTERING and _FILTERS.search(said):
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
    code = int(code) if isinstance(code, str) and code.isdecimal() and len(code) == 3 else code
    return code if isinstance(code, int) and 400 <= code <= 599 else 200


def retry_after(headers: Mapping[str, str], fault: Mapping[str, Any] | None = None) -> float | None:
    """Read how long the endpoint asks to be left alone.

    Args:
        headers: Names in lower case; `retry-after` holds seconds, a date or a moment in seconds since 1970,
            `retry-after-ms` milliseconds.
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
        return _bounded(wanted if wanted < _LONGEST_WAIT_S else wanted - time.time())
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


def finish_of(word: object) -> str:
    """Read why the writing ended, in the words of whatever endpoint.

    Args:
        word: Of the body, such as `stop`, `PROHIBITED_CONTENT` or `content_filter: SPII`; anything but a text
            says nothing.

    Returns:
        stop, length, content_filter, refusal or error; or the word itself, where it means none of these.
    """
    plain = re.sub(r"[\s-]+", "_", word.strip().lower()) if isinstance(word, str) else ""
    return next((meant for meant, parts in _ENDS if re.search(parts, plain)), plain and str(word)) or "stop"


def unfinished(word: object, *, has_text: bool, refused: str = "", said: str = "") -> Failure | None:
    """Say why an answer that was paid for is no whole one.

    Args:
        word: By which the writing ended.
        has_text: Whether it has a text beside its thought.
        refused: The model's own words where it refuses.
        said: What the endpoint says of a fault, if anything.

    Returns:
        The failure; None: the text is an answer, whole or cut off by `max_tokens`.
    """
    finish, where = finish_of(word), "in the middle of the text" if has_text else "before any text"
    if finish == "error":
        # Some routers give what there was until then; it is charged, and is no answer.
        message = f"the endpoint broke off {where}, finish reason {word!r}" + (
            f": {said[:_SHOWN]}" if said else ""
        )
        return Failure(kind="server", message=message, is_retryable=True, is_paid=True)
    if finish == "refusal" or (refused and not has_text):
        said = f": {refused[:_SHOWN]}" if refused else ""
        return Failure(kind="refused", message=f"the model refused to answer{said}", is_paid=True)
    if finish == "content_filter":
        message = f"the provider's content filter withheld the text, finish reason {word!r}"
        return Failure(kind="filtered", message=message, is_paid=True)
    if has_text:
        return None
    if finish == "length":
        message = "no text: max_tokens ran out before the answer began; raise the teacher's max_tokens"
        return Failure(kind="truncated", message=message, is_paid=True)
    return Failure(kind="empty", message="the text is empty", is_retryable=True, is_paid=True)
