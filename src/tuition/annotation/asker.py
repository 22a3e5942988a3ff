"""One teacher, how it is asked and who pays: every call of a run goes through `Asker.ask`.

Within a budget: pace, reserve, attempt, settle, retry. Every attempt is on disk before it starts and again
when it ends. Knows no wording of a prompt.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tuition.annotation.ask.account import Account, check_price
from tuition.annotation.ask.caller import Caller
from tuition.annotation.batches import BatchCaller, refuse_batched
from tuition.annotation.config import AnnotationConfig
from tuition.annotation.own_words import OwnWords
from tuition.core.budget import Cost, guess_cost
from tuition.core.errors import TeacherError
from tuition.core.protocols import BatchTeacher, FixedForm, Task, Teacher
from tuition.core.records import Example, Json, Message, Reply, Request
from tuition.core.store import Refused

__all__ = ["Asked", "Asker", "ask", "ask_all", "longer_of"]

_CONFIG = AnnotationConfig()
_NO_WORDS = OwnWords()
_PARAMETERS: Mapping[str, Json] = {"max_tokens": 512}
_ANSWERS = ("solve/", "answer/", "receipt/")
"""Prompts whose reply is reasoning, if any, and an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The replies to a list of requests."""

    replies: tuple[Reply, ...]
    """One a request, in order; a failure stands inside."""
    keys: tuple[str, ...]
    """Of the request that each reply answers: the one asked for, or the same with a larger `max_tokens`."""
    refused: Refused | None = None
    """The refusal that ended the asking; None: the budget lasted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """One teacher, how it is asked, and the account that pays for it."""

    teacher: Teacher
    task: Task
    """Reads answers."""
    account: Account | None = None
    """None: requests can be made and priced, and nothing asked."""
    train: Sequence[Example] = ()
    """Where demonstrations are drawn from."""
    config: AnnotationConfig = _CONFIG
    """Forced or not, prompts, demonstrations, filters, retries."""
    parameters: Mapping[str, Json] = field(default_factory=lambda: _PARAMETERS)
    """Sampling parameters; `max_tokens` must be among them."""
    samples: int = 1
    """Rationales that are wanted of it for one example."""
    seed: int = 0
    """Of the demonstrations."""
    words: OwnWords = _NO_WORDS
    """What the user adds to every prompt."""

    @property
    def name(self) -> str:
        """The teacher's."""
        return self.teacher.name

    def how(self, **changed: object) -> Asker:
        """Ask the same teacher with another `AnnotationConfig`, given by what is changed in it."""
        return dataclasses.replace(self, config=self.config.model_copy(update=changed))

    def request(
        self,
        messages: tuple[Message, ...],
        *,
        role: str = "",
        prompt: str = "",
        example_id: str = "",
        blanks: Mapping[str, object] | None = None,
        **parameters: Json,
    ) -> Request:
        """Make the request that puts messages to the teacher; it may have parameters of its own.

        `blanks` are what a user's own prompt is filled with (`blanks_of`); None: it cannot take the place.
        """
        messages, prompt = self.words.around(messages, prompt=prompt, blanks=blanks)
        sent = {**self.parameters, **parameters}
        # looked at first, for a protocol takes as long to compare as the prompt to render
        if getattr(self.task, "told", "") and isinstance(self.task, FixedForm):
            *earlier, asked = messages
            messages = (*earlier, dataclasses.replace(asked, content=f"{self.task.told}\n\n{asked.content}"))
            if self.task.schema and self.teacher.abilities.has_json and prompt.startswith(_ANSWERS):
                sent["response_format"] = _response_format(self.task.schema)
        if not self.teacher.abilities.has_temperature:
            sent.pop("temperature", None)
        return Request(
            endpoint=self.teacher.endpoint,
            model=self.teacher.model,
            messages=messages,
            parameters=sent,
            teacher=self.name,
            role=role,
            prompt=prompt,
            example_id=example_id,
        )

    def ask(self, requests: Sequence[Request], *, part: str = "", is_short: bool = False) -> Asked:
        """Ask, and wait for everything; a reply that `is_short` by design is not asked for longer."""
        account = self._account.telling(f"{self.name}, {part}" if part else self.name)
        config = self.config.model_copy(update={"longer": 1.0}) if is_short else self.config
        found = ask_all(requests, self.teacher, account=account, config=config)
        return dataclasses.replace(found, replies=tuple(map(_opened, requests, found.replies)))

    def kept(self, requests: Sequence[Request]) -> Mapping[str, Reply]:
        """Find the replies that the store has to some of these requests, by key."""
        found = self._account.store.kept([request.key for request in requests])
        asked = {request.key: request for request in requests}
        return {key: _opened(asked[key], reply) for key, reply in found.items()}

    @property
    def _account(self) -> Account:
        assert self.account is not None, "an asker without an account makes and prices requests alone"
        return self.account

    def price(self, request: Request) -> Cost:
        """Guess what a call costs."""
        cost = guess_cost(request, self.teacher.price)
        return cost if self.teacher.abilities.is_paid else dataclasses.replace(cost, nano=0)

    def read(self, reply: Reply, example: Example) -> str | None:
        """Read the answer out of a reply, in the form of labels; None: a failure, or unreadable."""
        if reply.failure is not None:
            return None
        return reply.answer if reply.answer is not None else self.task.read(reply.text, example)


def _response_format(schema: Mapping[str, Json]) -> Json:
    """Ask for reasoning and an answer of this schema in one object."""
    properties: Json = {"reasoning": {"type": "string"}, "answer": schema}
    whole = {"type": "object", "properties": properties, "required": ["reasoning", "answer"]}
    form = {"name": "answer", "strict": True, "schema": {**whole, "additionalProperties": False}}
    return {"type": "json_schema", "json_schema": form}


def _opened(request: Request, reply: Reply) -> Reply:
    """Write the object of `response_format` as the text that is asked for where there is none."""
    if request.prompt.startswith(_ANSWERS) and "response_format" in request.parameters:
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            said = json.loads(reply.text)
            answer = json.dumps(said["answer"], ensure_ascii=False)
            return dataclasses.replace(reply, text=f"{said['reasoning']}\nThe answer is {answer}.".strip())
    return reply


def ask_all(
    requests: Sequence[Request], teacher: Teacher, *, account: Account, config: AnnotationConfig = _CONFIG
) -> Asked:
    """Ask, and wait for everything: `ask` for callers that are not asynchronous.

    Args:
        requests: What to ask.
        teacher: Whom.
        account: Where it is paid and kept, within which limits.
        config: How often and with what pauses to retry.

    Returns:
        One reply a request, in order.
    """
    found: list[Asked] = []

    async def put() -> None:
        found.append(await ask(requests, teacher, account=account, config=config))

    def run() -> Asked:
        # Of what a coroutine returns asyncio.run writes out the text, for nothing: 0.2 s for 5,000 replies.
        asyncio.run(put())
        return found[0]

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    # A notebook has a loop of its own running, and a second one needs a thread of its own.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()


async def ask(
    requests: Sequence[Request], teacher: Teacher, *, account: Account, config: AnnotationConfig = _CONFIG
) -> Asked:
    """Ask a teacher everything, as many calls at once as it allows, and pay for nothing twice.

    A refused reservation waits while calls in flight may free money; where none can, asking ends, what is in
    flight finishes and is kept, and what is kept from earlier still comes free. Replies that `max_tokens` cut
    off are asked for once more with a larger one, when everything else is answered; where that brings
    nothing, the first stands.

    Args:
        requests: What to ask; each names `max_tokens`.
        teacher: Whom.
        account: Where it is paid and kept, within which limits.
        config: How often and with what pauses to retry, and whether to ask for longer replies.

    Returns:
        One reply a request, in order.

    Raises:
        TeacherError: The price is unknown under a limit in dollars, or the endpoint does not accept the key.
    """
    if account.stand_in is not None:
        teacher = account.stand_in(teacher, account.place, requests)
    check_price(teacher, account)
    caller: Caller | BatchCaller
    if teacher.abilities.in_batches and isinstance(teacher, BatchTeacher):
        caller = BatchCaller(teacher, account=account, config=config)
    else:
        refuse_batched(requests, account.store)
        caller = Caller(teacher, account=account, config=config)
    longer: dict[int, Request] = {}
    again: list[Reply] = []
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(teacher, contextlib.AbstractAsyncContextManager):
            await stack.enter_async_context(teacher)
        replies = await caller.answer_all(requests)
        if not caller.fault:
            cut_off = [
                i
                for i, reply in enumerate(replies)
                if (reply.finish == "length" if reply.failure is None else reply.failure.kind == "truncated")
            ]
            again_of = {i: longer_of(requests[i], teacher, times=config.longer) for i in cut_off}
            longer = {i: request for i, request in again_of.items() if request is not None}
            caller.ends_on_refusal = False
            again = await caller.answer_all(list(longer.values()), more=", longer")
    if caller.fault:
        if isinstance(caller, Caller) and caller.is_batched:
            refuse_batched([*requests, *longer.values()], account.store)
        raise TeacherError(f"teacher {teacher.name!r} accepts no call: {caller.fault}")
    came = {i: reply for i, reply in zip(longer, again, strict=True) if reply.failure is None}
    return Asked(
        replies=tuple(came.get(i, reply) for i, reply in enumerate(replies)),
        keys=tuple((longer[i] if i in came else request).key for i, request in enumerate(requests)),
        refused=caller.refused,
    )


def longer_of(request: Request, teacher: Teacher, *, times: float) -> Request | None:
    """Make the request that is asked once more where `max_tokens` cuts its reply off.

    None: it is not asked once more, for that is not wanted, or the teacher is not paid or has one text
    only.
    """
    if times <= 1 or not teacher.abilities.reads_prompt or not teacher.abilities.is_paid:
        return None
    bound = request.parameters["max_tokens"]
    assert isinstance(bound, int)
    return dataclasses.replace(
        request, parameters={**request.parameters, "max_tokens": math.ceil(bound * times)}
    )
