"""The form of OpenAI's Chat Completions, which most endpoints speak: the body, and what comes back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tuition.core.records import Failure, Json, Reply, Request, Usage
from tuition.core.texts.replies import finish_of, reasoning_of, text_and_thought
from tuition.teachers.http.faults import ending_of, malformed, said_of, unfinished
from tuition.teachers.http.keys import Secret
from tuition.teachers.usage import completed_usage, estimate_usage, read_usage, split_usage

__all__ = ["OpenAIForm"]


class OpenAIForm:
    """How a request is written and a reply read, Chat Completions."""

    path = "/chat/completions"

    def headers(self, key: Secret) -> dict[str, str]:
        """Give the headers of every request.

        Args:
            key: Empty: the endpoint needs none.

        Returns:
            One entry a header.
        """
        return {"Authorization": f"Bearer {key.show()}"} if key else {}

    def body(self, request: Request, sent: Mapping[str, Json], *, n: int = 1) -> dict[str, object]:
        """Write the body of one call.

        Args:
            request: What is asked.
            sent: Its parameters, as this endpoint takes them.
            n: How many answers the call is to bring.

        Returns:
            The body.
        """
        messages = [message.to_json() for message in request.messages]
        body = {"model": request.model, "messages": messages, **sent}
        return body if n == 1 else {**body, "n": n}

    def read(self, body: Any, text: str, requests: Sequence[Request]) -> list[Reply]:
        """Read the body of a call that succeeded.

        Args:
            body: As JSON; None where it is none.
            text: As it came.
            requests: What was asked in this call: at least one.

        Returns:
            One reply a request. Their usages add up to the call's; an answer that is missing is a failure.
        """
        table: Mapping[str, Any] = body if isinstance(body, dict) else {}
        usage = read_usage(table.get("usage"))
        found = _choices(table.get("choices"), len(requests))
        read = [None if choice is None else _Choice(choice, table) for choice in found]
        usages = _usages(usage, requests, read)
        model = table.get("model")
        replies = []
        for i, (request, choice) in enumerate(zip(requests, read, strict=True)):
            if choice is None:
                # Without the provider's count nobody can tell what a broken answer cost; what others of the
                # same call were charged stands with them.
                is_paid = None if usage is None else not any(read)
                wanted = "a chat completion" if not any(read) else f"{len(requests)} answers"
                failure: Failure | None = malformed(text, wanted=wanted, is_paid=is_paid)
                word = ending_of({}, table, has_text=False)
                if not any(read) and finish_of(word) == "content_filter":
                    withheld = unfinished(word, has_text=False)
                    failure = withheld and dataclasses.replace(withheld, is_paid=is_paid)
            else:
                failure = choice.failure
            replies.append(
                Reply(
                    text=choice.text if choice and choice.failure is None else "",
                    reasoning=choice.reasoning if choice else "",
                    finish=choice.finish if choice else "stop",
                    usage=usages[i],
                    model=model if isinstance(model, str) and model else request.model,
                    raw=text if i == 0 else _dumped(found[i]),
                    failure=failure,
                )
            )
        return replies


class _Choice:
    """One answer of a completion."""

    def __init__(self, choice: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        message = choice["message"]
        kept = reasoning_of(message)
        self.text, self.reasoning, refused = text_and_thought(message.get("content"), kept)
        has_text = bool(self.text.strip())
        word = ending_of(choice, body, has_text=has_text)
        self.finish = finish_of(word)
        words = message.get("refusal")
        self.failure: Failure | None = unfinished(
            word,
            has_text=has_text,
            refused=words if isinstance(words, str) and words else refused,
            said=next(said_of(choice), ""),
        )


def _choices(value: Any, n: int) -> list[Mapping[str, Any] | None]:
    """The first n answers, None for each that is not there or is none."""
    entries = value[:n] if isinstance(value, list) else []
    checked = [
        entry if isinstance(entry, dict) and isinstance(entry.get("message"), dict) else None
        for entry in entries
    ]
    return checked + [None] * (n - len(checked))


def _usages(usage: Usage | None, requests: Sequence[Request], read: Sequence[_Choice | None]) -> list[Usage]:
    there = [i for i, choice in enumerate(read) if choice is not None]
    usages = [Usage()] * len(requests)
    if not there:
        # What was written, if anything, is not to be had: without a count of it nobody can tell what it cost.
        counted = usage or Usage()
        usages[0] = dataclasses.replace(counted, is_estimated=not counted.completion_tokens)
        return usages
    texts = {i: choice.text + choice.reasoning for i, choice in enumerate(read) if choice is not None}
    guesses = [estimate_usage(requests[i], texts[i]) for i in there]
    written = sum(guess.completion_tokens for guess in guesses)
    # The prompt is read once for all the answers.
    whole = completed_usage(usage, dataclasses.replace(guesses[0], completion_tokens=written))
    shares = split_usage(whole, [len(texts[i]) for i in there])
    if usage is None or not usage.completion_tokens:
        # No answer's guess exceeds what was set aside for it; a share of the sum might.
        shares = [
            dataclasses.replace(share, completion_tokens=guess.completion_tokens)
            for share, guess in zip(shares, guesses, strict=True)
        ]
    for i, share in zip(there, shares, strict=True):
        usages[i] = share
    return usages


def _dumped(choice: Mapping[str, Any] | None) -> str:
    """An answer by itself; the whole body stands with the first."""
    try:
        return "" if choice is None else json.dumps(choice)
    except (ValueError, RecursionError):
        return ""
