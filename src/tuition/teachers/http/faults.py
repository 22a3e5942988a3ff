"""From a status and a body, or the word that ended a text, to a failure with its kind.

Says what is known of whether the attempt was charged. Knows no retry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tuition.core.records import Failure
from tuition.core.texts.thoughts import finish_of
from tuition.teachers.http.limits import seconds_said, seconds_until

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

_PASSING = (200, 408, 409, 425, 498)
"""Groq has no capacity under the last one."""
_WAITED = (504, 524)
"""A gateway lost patience with the endpoint behind it, which may have finished and charged."""
_SHOWN = 300
_QUOTA = re.compile(
    r"insufficient[ _](?:\w+[ _])?(?:quota|balance|credit)|balance is (?:too low|insufficient)"
    r"|billing[ _](?:hard|limit|not)|current_quota|used all [^.]{0,20}credits|spending limit|\barrear"
    r"|account [^.]{0,60}suspended|余额不足|欠费"
)
"""Codes and words of an account that is empty, in lower case; `exceeded your current quota` passes."""
_KEY = re.compile(
    r"(?:incorrect|invalid|expired|wrong|missing)[ _](?:\w+[ _])?api[ _]?key"
    r"|api[ _]?key (?:is )?(?:not valid|invalid|expired|not found|missing)"
)
"""A key that is refused under the status of a bad or a forbidden call."""
_TOO_LONG = re.compile(
    r"(?:maximum|exceed\w*) [^.]{0,40}context[ _](?:length|size|window|limit)|context[ _][^.]{0,20}exceed"
    r"|(?:request|prompt|input) (?:is )?too (?:large|long)"
)
"""The call is too long: waiting does not help, under any status."""
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
    error = body.get("error") or _at(body, "base_resp", "status_code")
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
    """Read JSON that may be anything, also with bare line ends in a text; None where it is no JSON.

    Some servers send a chat completion in events although no stream was asked for: they are put together.
    """
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        lines = [line.removeprefix("data:") for line in text.splitlines()] if "data:" in text else []
        return _joined([event for event in map(json_of, lines) if isinstance(event, dict)])


def _joined(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The completion that events tell piece by piece; without a reason of its end it was broken off."""
    said: dict[str, str] = {}
    choice: dict[str, Any] = {"message": said, "finish_reason": "error"}
    for event in events:
        first = next(iter(event["choices"]), None) if isinstance(event.get("choices"), list) else None
        piece = _at(first, "delta") or _at(first, "message") or {}
        for name, value in piece.items():
            if isinstance(value, str) and name != "role":
                said[name] = said.get(name, "") + value
        choice["finish_reason"] = _at(first, "finish_reason") or choice["finish_reason"]
    told = {name: value for event in events for name, value in event.items() if value and name != "choices"}
    return {**told, "choices": [choice]} if said or told else None


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
    if 300 <= status < 400 and "location" in headers:
        said = f"it answers at {headers['location']}; put that address into base_url"
    within = [json.dumps(fault[name]) for name in _WITHIN if name in fault]
    kind, is_retryable = _kind(status, " ".join((said, *codes, *within)).lower())
    return Failure(
        kind=kind,
        message=f"HTTP {status}: {' '.join((said, *within))[:_SHOWN]}",
        is_retryable=is_retryable,
        retry_after_s=retry_after(headers, fault),
        is_paid=None if status in _WAITED else False,
    )


def _kind(status: int, said: str) -> tuple[str, bool]:
    """The kind, and whether the same call may succeed later."""
    if status == 402 or _QUOTA.search(said):
        return "quota", False
    if status in _FILTERING and _FILTERS.search(said):
        return "filtered", False
    if status == 401 or (status in (400, 403) and _KEY.search(said)):
        # A key can be mended, and the very same call then succeeds.
        return "auth", True
    if status == 403:
        return "refused", False
    if status == 404:
        return "not_found", False
    if _TOO_LONG.search(said):
        return "bad_request", False
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
    for value in map(fault.get, ("message", "msg", "status_msg", "detail", "param")):
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
    found = found or body.get("base_resp")
    if isinstance(found, dict):
        return found
    return {"message": found} if isinstance(found, str) else body


def retry_after(headers: Mapping[str, str], fault: Mapping[str, Any] | None = None) -> float | None:
    """Read for how many seconds the endpoint wants no call; None where nothing readable is said.

    `retry-after` holds seconds or a moment, `retry-after-ms` milliseconds, `x-ratelimit-reset` the moment at
    which there is something left. Else the error object says it: in headers that a router passes on, in
    a field, in Google's details, or in its sentence.
    """
    fault = fault or {}
    passed = _at(fault.get("metadata"), "headers")
    passed = passed if isinstance(passed, dict) else {}
    headers = {**{str(name).lower(): str(value) for name, value in passed.items()}, **headers}
    exact = headers.get("retry-after-ms") or headers.get("x-ms-retry-after-ms", "")
    is_over = headers.get("x-ratelimit-remaining") == "0"
    value = headers.get("retry-after") or (headers.get("x-ratelimit-reset", "") if is_over else "")
    # Proxies join two of the same header with a comma; a date has one behind its day.
    details = fault.get("details")
    said = [f"{exact}ms", value.partition(",")[0], value, str(fault.get("retry_after", ""))]
    said += [str(_at(item, "retryDelay")) for item in (details[:10] if isinstance(details, list) else ())]
    waits = (seconds_until(text) for text in said)
    first = next((wait for wait in waits if wait is not None), None)
    return seconds_said(str(fault.get("message", ""))) if first is None else first


def malformed(text: str, *, wanted: str, is_paid: bool | None) -> Failure:
    """Name the fault of a body that is not what it should be; it may pass."""
    hint = "; a page: is base_url the address of the API?" if text.lstrip()[:1] == "<" else ""
    message = f"the body is not {wanted}: {text[:120]!r}{hint}"
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


def _at(table: Any, *names: str) -> Any:
    """Look up what lies within objects; None where one of them is none."""
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table


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
