"""What to do about a call that failed, by the kind of its failure. Knows no teacher."""

from __future__ import annotations

import dataclasses

from tuition.core.records import Reply

__all__ = ["ADVICE", "advised"]

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


def advised(reply: Reply) -> Reply:
    """Let a failure say what to do next.

    Args:
        reply: What came of an attempt.

    Returns:
        The same; a failure's message has the advice behind it, once.
    """
    failure = reply.failure
    advice = None if failure is None else ADVICE.get(failure.kind)
    if failure is None or advice is None or advice[1:] in failure.message:
        return reply
    message = f"{failure.message.rstrip('.')}. {advice[0].upper()}{advice[1:]}."
    return dataclasses.replace(reply, failure=dataclasses.replace(failure, message=message))
