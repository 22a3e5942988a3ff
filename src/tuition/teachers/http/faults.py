"""From a status and a body, or the word that ended a text, to a failure with its kind.

Says what is known of whether the attempt was charged. Knows no retry.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from tuition.core.records import Failure
from tuition.core.texts.thoughts import finish_of
from tuition.teachers.http.limits import seconds_of

__all__ = [
    "ending_of",
    "is_fault",
    "is_success",
    "json_of",
    "malformed",
    "refusal",
    "retry_after",
    "said_of",
    "unfinished",
    "unreachable",
]

_PASSING = (200, 408, 409, 425)
_WAITED = (504, 524)
"""A gateway lost patience with the endpoint behind it, which may have finished and charged."""
_SHOWN = 300
_LONGEST_WAIT_S = 1e9
_MILLISECONDS = 1e11
"""A moment since 1970 beyond this is counted in milliseconds."""
_QUOTA = ("insufficient_quota", "insufficient_balance", "insufficient_credit", "billing")
"""Beginnings of codes of an account that is empty; the words alone stand in passing refusals too."""
_QUOTA_WORDS = ("credit balance is too low", "billing hard limit", "insufficient balance")
_KEY_WORDS = re.compile(r"api key (?:not valid|expired|not found)")
"""Google refuses a key under status 400."""
_FILTERS = re.compile(
    r"content[ _-]?filter|content(?: management)?[ _-]?policy|filtering policy|responsible ?ai ?policy"
    r"|prohibited[ _]content|inappropriate content|unsafe|harmful"
    r"|sensitive[ _]?(?:content|word|information)|data_?inspection_?failed"
    r"|\bspii\b|blocklist|safety (?:system|filter|setting)|moderation"
    r"|guardrail|content exists risk|risk[ _]control|violat\w* [^.]{0,40}polic"
    r"|censor|(?:content|prompt|output|response) [^.]{0,60}blocked|敏感|违规|不安全"
    r"|(?:input|prompt|request|text) (?:was |is )?flagged"
)
"""Codes and words of providers that withhold a text, in lower case."""
_STATUS = (
    ("rate_?limit|too_?many|throttl|quota|balance|billing", 429),
    ("auth|api_?key", 401),
    ("permission|forbidden", 403),
    ("not_?found", 404),
    ("over_?load|unavailable|internal|server", 503),
    ("bad_?request|invalid|context_length", 400),
)
"""What the code of a fault under status 200 stands for, by a part of it; the first that fits."""
_FILTERING = (200, 400, 403, 422, 451)
_WITHIN = ("innererror", "provider_specific_fields", "metadata")
"""Where a gateway keeps what the provider behind it said."""
_WRONG = ("refusal", "content_filter", "length", "error")


def is_fault(body: Any) -> bool:
    """Whether a body tells of a fault; an error object that holds nothing tells of none."""
    body = _alone(body)
    if not isinstance(body, dict):
        return False
    error = body.get("error")
    is_named = "error" in (body.get("object"), body.get("type"), body.get("status"))
    return (
        is_named
        or body.get("success") is False
        or any(error.values() if isinstance(error, dict) else [error])
    )


def _alone(body: Any) -> Any:
    """What a list of one holds, as which Google sends its faults; else the body itself."""
    return body[0] if isinstance(body, list) and len(body) == 1 else body


def json_of(text: str) -> Any:
    """Read JSON that may be anything; None where the text is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_success(status: int) -> bool:
    """Whether a status is any of success; some gateways answer 201 in the place of 200."""
    return 200 <= status < 300


def unreachable(failure: Failure, address: str) -> Failure:
    """Make of the last failure one that ends the asking: nobody at the address has answered yet."""
    message = (
        f"{failure.message}; nobody at {address} has answered yet. See that its base_url answers, then start "
        "again: what was answered is kept"
    )
    return Failure(kind="unusable", message=message, is_retryable=True)


def refusal(status: int, text: str, headers: Mapping[str, str]) -> Failure:
    """Name the fault that a status, or an error object under status 200, tells of.

    It is unpaid, but of unknown outcome where a gateway gave up waiting. The names of headers are in lower
    case.
    """
    body = json_of(text)
    fault = _fault(body)
    named = [fault.get(name) for name in ("code", "type", "status")]
    codes = [code.lower() for code in named if isinstance(code, str)]
    if is_success(status):
        # Some routers put the provider's status into the code.
        inner = fault.get("code")
        inner = int(inner) if isinstance(inner, str) and inner.isdecimal() and len(inner) == 3 else inner
        fits = (known for part, known in _STATUS if any(re.search(part, code) for code in codes))
        status = inner if isinstance(inner, int) and 400 <= inner <= 599 else next(fits, 200)
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
    if status == 401 or (status == 400 and _KEY_WORDS.search(said)):
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
    """Yield what an error body says, in the forms of OpenAI, Anthropic, Google, Mistral and FastAPI.

    The message comes first, then the name of the parameter it is about, then places within the request.
    """
    fault = _fault(body)
    for value in map(fault.get, ("message", "msg", "detail", "param")):
        if isinstance(value, str) and value:
            yield value
        # A list is FastAPI's, of faults with their messages and places.
        listed = value.get("detail") if isinstance(value, dict) else value
        for item in listed[:10] if isinstance(listed, list) else ():
            if not isinstance(item, dict):
                continue
            place, message = item.get("loc"), item.get("msg")
            names = [part for part in place if isinstance(part, str)] if isinstance(place, list) else []
            yield f"{'.'.join(names)}: {message if isinstance(message, str) else ''}"
            yield from names[-1:]


def _fault(body: Any) -> Mapping[str, Any]:
    """The object that describes the fault, wherever it stands."""
    body = _alone(body)
    if not isinstance(body, dict):
        return {}
    listed = body.get("errors")
    found = body.get("error") or (listed[0] if isinstance(listed, list) and listed else None)
    if isinstance(found, dict):
        return found
    return {"message": found} if isinstance(found, str) else body


def retry_after(headers: Mapping[str, str], fault: Mapping[str, Any] | None = None) -> float | None:
    """Read for how many seconds the endpoint wants no call; None where nothing readable is said.

    `retry-after` holds seconds, a date or a moment in seconds since 1970, `retry-after-ms` milliseconds;
    Google names a delay in its error object.
    """
    exact = seconds_of(headers.get("retry-after-ms", ""))
    if exact is not None:
        return _bounded(exact / 1000)
    value = headers.get("retry-after", "").strip()
    # Proxies join two of the same header with a comma.
    wanted = seconds_of(value.partition(",")[0]) if value else None
    if wanted is not None:
        wanted = wanted / 1000 if wanted > _MILLISECONDS else wanted
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
    """Name the fault of a body that is not what it should be; it may pass."""
    message = f"the body is not {wanted}: {text[:120]!r}"
    return Failure(kind="malformed", message=message, is_retryable=True, is_paid=is_paid)


def ending_of(choice: Mapping[str, Any], body: Mapping[str, Any], *, has_text: bool) -> object:
    """Find the word by which a writing ended: routers keep the model's own beside one of theirs.

    Where the `finish_reason` tells of nothing wrong, what another place says counts. Without a text a filter
    may be named at further places. An empty answer: the body has none.
    """
    # The names of OpenAI, Google and Anthropic. vLLM has the last one too, beside a `finish_reason`: there it
    # is the text at which the writing stopped.
    named = (choice.get(name) for name in ("finish_reason", "finishReason", "stop_reason"))
    first = next((word for word in named if word is not None), None)
    words = [first, choice.get("native_finish_reason"), _at(choice, "finish_details", "type")]
    words += [_at(body, "incomplete_details", "reason"), "error" if is_fault(choice) else None]
    if not has_text:
        blocked = _at(body, "prompt_feedback", "block_reason") or _at(body, "promptFeedback", "blockReason")
        words += [f"blocked: {blocked}"] if blocked else []
        words += ["content_filter"] if _is_filtered(choice) or _is_filtered(body) else []
    return next((word for word in words if finish_of(word) in _WRONG), first)


def _at(table: Mapping[str, Any], name: str, part: str) -> Any:
    inner = table.get(name)
    return inner.get(part) if isinstance(inner, dict) else None


def _is_filtered(table: Mapping[str, Any]) -> bool:
    """Whether a filter of Azure names what it found."""
    listed = table.get("prompt_filter_results")
    for place in (table, *(listed if isinstance(listed, list) else ())):
        results = place.get("content_filter_results") if isinstance(place, Mapping) else None
        found = results.values() if isinstance(results, dict) else ()
        if any(isinstance(result, dict) and result.get("filtered") is True for result in found):
            return True
    return False


def unfinished(word: object, *, text: str = "", refused: str = "", said: str = "") -> Failure | None:
    """Say why what was paid for is no answer; None: it is one, whole or cut off by `max_tokens`."""
    finish, where = finish_of(word, text), "in the middle of the text" if text else "before any text"
    if finish == "error":
        # Some routers give what there was until then; it is charged, and is no answer.
        message = f"the endpoint broke off {where}, finish reason {word!r}" + (
            f": {said[:_SHOWN]}" if said else ""
        )
        return Failure(kind="server", message=message, is_retryable=True, is_paid=True)
    if finish == "refusal" or (refused and not text):
        said = f": {refused[:_SHOWN]}" if refused else ""
        return Failure(kind="refused", message=f"the model refused to answer{said}", is_paid=True)
    if finish == "content_filter":
        message = f"the provider's content filter withheld the text, finish reason {word!r}"
        return Failure(kind="filtered", message=message, is_paid=True)
    if text:
        return None
    if finish == "length":
        message = "no text: max_tokens ran out before the answer began; raise the teacher's max_tokens"
        return Failure(kind="truncated", message=message, is_paid=True)
    return Failure(kind="empty", message="the text is empty", is_retryable=True, is_paid=True)
