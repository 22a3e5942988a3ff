"""Failures: what a teacher gave that is no reply, what to do about it, and which may pass. Knows no store."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tuition.core.records import Failure, RateLimits, Reply, Usage

__all__ = ["ADVICE", "FATAL", "advised", "checked", "mendable", "raised", "storable"]

FATAL = {
    "auth": " Its key may be wrong or expired.",
    "quota": " Its account has nothing left; add to it and start again: what was answered is kept.",
    "unusable": "",
}
"""Kinds of failure after which no call to this teacher can succeed, and what may help."""
_MENDABLE = {*FATAL, "not_found"}
"""Kinds of failure whose cause lies outside the call, and may be gone the next time."""
_LATER = "start again later: what was answered is kept"

ADVICE = {
    "timeout": f"raise the teacher's timeout_s, or {_LATER}",
    "connection": f"see that its base_url answers, then {_LATER}",
    "rate_limit": f"lower the teacher's concurrency or set its wire.requests_per_minute, and {_LATER}",
    "server": _LATER,
    "bad_request": "mend the teacher's table or the question: the endpoint does not take the call as it is",
    "not_found": "see that base_url and the model's name are right and the endpoint has it, then start again",
    "refused": "ask another teacher, or see what the key may do",
    "filtered": "ask another teacher, or word the question otherwise",
    "truncated": "raise the teacher's max_tokens",
    "malformed": "see that base_url and wire.form are the endpoint's; the body stands in the store",
    "empty": "ask another teacher, or raise the teacher's max_tokens",
    "expired": _LATER,
    "exception": "mend the teacher's code, then start again: what was answered is kept",
}
"""What may help, by kind; the others say it in their own words."""


def checked(given: object, n: int) -> list[Reply]:
    """Take what a teacher gave for replies, and what is none for a failure."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        return [raised(f"the teacher gave {_named(given)} in the place of a list of replies")] * n
    if len(given) != n:
        return [raised(f"the teacher gave {len(given)} replies to {n} requests")] * n
    return [_checked(reply) for reply in given]


def _checked(reply: object) -> Reply:
    if not isinstance(reply, Reply):
        return raised(f"the teacher gave {_named(reply)} in the place of a Reply")
    usage, failure = reply.usage, reply.failure
    if not isinstance(usage, Usage):
        return raised(f"the teacher gave a Reply with {_named(usage)} in the place of its Usage")
    if not (isinstance(usage.prompt_tokens, int) and isinstance(usage.completion_tokens, int)):
        return raised("the teacher gave a Usage whose tokens are no whole numbers")
    if not isinstance(reply.text, str):
        return raised(f"the teacher gave a Reply with {_named(reply.text)} in the place of its text")
    if not isinstance(failure, Failure | None) or not isinstance(reply.limits, RateLimits | None):
        return raised("the teacher gave a Reply whose failure or limits are of another type")
    return reply


def _named(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def raised(message: str) -> Reply:
    """Give the reply to a call that a teacher's code broke."""
    return advised(Reply(failure=Failure(kind="exception", message=message, is_paid=None)))


def mendable(reply: Reply) -> Reply:
    """Let a later asking make a call again that succeeds once its endpoint, key or account is mended."""
    failure = reply.failure
    if failure is None or failure.is_retryable:
        return reply
    # What the model itself refuses is paid, and stays.
    is_refused = failure.kind == "refused" and failure.is_paid is False
    if failure.kind not in _MENDABLE and not is_refused:
        return reply
    return dataclasses.replace(reply, failure=dataclasses.replace(failure, is_retryable=True))


def storable(reply: Reply) -> Reply:
    """Replace halves of surrogate pairs, which JSON may bring and no file holds: a paid answer is kept."""
    texts = ("text", "reasoning", "finish", "model", "raw", "headers", "answer")
    found = {name: value for name in texts if isinstance(value := getattr(reply, name), str)}
    failure = reply.failure
    if all(map(str.isascii, found.values())) and (failure is None or failure.message.isascii()):
        return reply
    if failure is not None:
        failure = dataclasses.replace(failure, message=_whole(failure.message))
    return dataclasses.replace(
        reply, failure=failure, **{name: _whole(value) for name, value in found.items()}
    )


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def advised(reply: Reply) -> Reply:
    """Let a failure say what to do next."""
    failure = reply.failure
    advice = None if failure is None else ADVICE.get(failure.kind)
    if failure is None or advice is None or advice[1:] in failure.message:
        return reply
    message = f"{failure.message.rstrip('.')}. {advice[0].upper()}{advice[1:]}."
    return dataclasses.replace(reply, failure=dataclasses.replace(failure, message=message))
