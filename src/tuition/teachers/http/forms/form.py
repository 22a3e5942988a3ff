"""What a provider form says of itself, and the reading that all forms share."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuition.core.records import Json, Reply, Request, Usage
from tuition.core.texts.steps import without_marks, without_template
from tuition.core.texts.thoughts import finish_of, text_and_thought
from tuition.teachers.http.faults import ending_of, malformed, said_of, unfinished
from tuition.teachers.usage import completed_usage, estimate_usage, split_usage

__all__ = ["Form", "Table", "Written", "read_replies", "schema_of"]

Table = Mapping[str, Any]
"""A JSON object of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one kind of endpoint is spoken to. Knows no network, no retry and no budget.

    Parameters go by OpenAI's names: max_tokens, temperature, n, logprobs, response_format, seed.
    """

    path: Callable[[str], str]
    """The address of a call to a model, behind `base_url`."""
    headers: Callable[[str], dict[str, str]]
    """The headers of every request with a key; an empty key means that the endpoint needs none."""
    body: Callable[[Request, Mapping[str, Json], int], dict[str, object]]
    """The body of a call, with the parameters that the endpoint takes, for so many answers."""
    answers: Callable[[Table], list[Written | None]]
    """The answers in a body, in order; None for one that cannot be read."""
    counted: Callable[[Table], Usage | None]
    """The tokens that a body counts; None where it counts none."""
    model_field: str = "model"
    """Where a body names the model that answered."""
    whole: str
    """What a good body is, for the message about another one."""
    reserved: frozenset[str]
    """Fields of the body that `wire.extra` may not hold."""
    absent: frozenset[str] = frozenset()
    """Parameters that the form has no field for; they are left out with a warning."""
    declared: frozenset[str] = frozenset()
    """Parameters that are sent only where `[teacher.wire]` says that the endpoint takes them."""
    bounds: tuple[str, ...] = ("max_tokens",)
    """Names of the bound of an answer; a second one is tried once the first is refused."""
    spelled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other names by which a refusal may speak of a parameter."""
    has_batches: bool = False
    """Whether the lines of a batch are written in this form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One answer of a body."""

    content: Any
    """A text or a list of parts; a part that is marked as a thought is kept apart."""
    reasoning: str = ""
    """A thought that stands beside the content."""
    refusal: object = None
    """The model's own words where it refuses, if they are a text."""
    source: Table
    """The answer as it came; the word by which the writing ended stands in it."""


def read_replies(form: Form, body: Any, requests: Sequence[Request], *, text: str) -> list[Reply]:
    """Read the body of a call that succeeded: one reply a request, whose usages add up to the call's."""
    table = body if isinstance(body, dict) else {}
    n, counted, model = len(requests), form.counted(table), table.get(form.model_field)
    answers = [*form.answers(table)[:n], *[None] * n][:n]
    replies = [None if answer is None else _read(answer, table) for answer in answers]
    failure = None
    if None in replies:
        is_alone = not any(replies)
        # Without a count nobody can tell what a broken answer cost. Those that came carry what is counted.
        is_paid = None if counted is None else is_alone
        withheld = unfinished(ending_of({}, table, has_text=False))
        if is_alone and withheld is not None and withheld.kind == "filtered":
            failure = dataclasses.replace(withheld, is_paid=is_paid)
        else:
            wanted = form.whole if is_alone else f"{n} answers"
            failure = malformed(text, wanted=wanted, is_paid=is_paid)
    usages = _usages(counted, requests, replies)
    return [
        dataclasses.replace(
            reply or Reply(failure=failure),
            text="" if reply is None or reply.failure else reply.text,
            usage=usages[i],
            model=model if isinstance(model, str) and model else requests[i].model,
            raw=_dumped(answers[i]) if i else text,
        )
        for i, reply in enumerate(replies)
    ]


def _read(answer: Written, table: Table) -> Reply:
    """Read one answer. A text that failed still stands in it: it was paid, so its length counts."""
    text, reasoning, refused = text_and_thought(answer.content, answer.reasoning)
    has_text = bool(without_marks(text))
    text = without_template(text)
    word = ending_of(answer.source, table, has_text=has_text)
    if isinstance(answer.refusal, str) and answer.refusal:
        refused = answer.refusal
    said, whole = next(said_of(answer.source), ""), text if has_text else ""
    failure = unfinished(word, text=whole, refused=refused, said=said)
    return Reply(text=text, reasoning=reasoning, finish=finish_of(word, whole), failure=failure)


def _dumped(answer: Written | None) -> str:
    """An answer by itself; the whole body stands with the first one."""
    try:
        return "" if answer is None else json.dumps(answer.source)
    except (ValueError, RecursionError):
        return ""


def _usages(
    counted: Usage | None, requests: Sequence[Request], replies: Sequence[Reply | None]
) -> list[Usage]:
    """Share the tokens of a call out over the answers that came."""
    usages = [Usage()] * len(requests)
    came = {i: reply.text + reply.reasoning for i, reply in enumerate(replies) if reply is not None}
    if not came:
        # Nobody can tell what was written: without a count of it the call is charged at its worst.
        whole = counted or Usage()
        return [dataclasses.replace(whole, is_estimated=not whole.completion_tokens), *usages[1:]]
    guesses = [estimate_usage(requests[i], written) for i, written in came.items()]
    total = sum(guess.completion_tokens for guess in guesses)
    # The prompt is read once for all the answers.
    whole = completed_usage(counted, dataclasses.replace(guesses[0], completion_tokens=total))
    shares = split_usage(whole, [len(written) for written in came.values()])
    for i, share, guess in zip(came, shares, guesses, strict=True):
        if counted is None or not counted.completion_tokens:
            # No answer's guess exceeds what was reserved for it; a share of their sum might.
            share = dataclasses.replace(share, completion_tokens=guess.completion_tokens)
        usages[i] = share
    return usages


def schema_of(sent: Mapping[str, Json]) -> Json:
    """Give the JSON schema in the parameter `response_format`; None where there is none."""
    wanted = sent.get("response_format")
    inner = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    return inner.get("schema") if isinstance(inner, Mapping) else None
