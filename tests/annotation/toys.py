"""What the tests of this room play with: a scripted teacher, a task, requests, examples."""

import asyncio
from collections import Counter

from tuition.core.budget import price_of
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Example, Failure, Grade, Message, Reply, Request, Usage
from tuition.core.store import Place
from tuition.core.texts.steps import before_spill

PLACE = Place(run="r1")


class ScriptedTeacher:
    """Answers with `reply(request, attempt)`; counts its calls and how many were in flight at once."""

    def __init__(self, reply=None, *, price=None, wait_s=0.0, **abilities):
        self.name, self.endpoint, self.model = "toy", "toy:", "toy-1"
        self.price = price_of(prompt="1", completion="1") if price is None else price
        self.abilities = TeacherAbilities(**({"concurrency": 4} | abilities))
        self.calls = Counter()
        self.seen = []
        self.in_flight = self.most_in_flight = 0
        self._reply = reply or (lambda request, attempt: said(f"Because of {request.example_id}."))
        self._wait_s = wait_s

    async def complete(self, request):
        self.calls[request.key] += 1
        self.seen.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self._wait_s)
            return self._reply(request, self.calls[request.key])
        finally:
            self.in_flight -= 1


class SamplingTeacher(ScriptedTeacher):
    """Writes several samples in one call, and remembers which were asked for together."""

    def __init__(self, reply=None, *, samples_per_call=8, **more):
        super().__init__(reply, samples_per_call=samples_per_call, **more)
        self.together = []

    async def complete_all(self, requests):
        self.together.append([request.sample for request in requests])
        return [await self.complete(request) for request in requests]


class ToyTask:
    """Reads what follows `The answer is`."""

    name, version = "toy", "1"

    def read(self, text, example):
        _, sign, tail = before_spill(text).rpartition("answer is ")
        return tail.strip().rstrip(".") if sign else None

    def grade(self, answer, example):
        if answer is None:
            return Grade.UNREADABLE
        return Grade.RIGHT if answer == example.answer else Grade.WRONG


def said(text, prompt=10, completion=5, **more):
    return Reply(text=text, usage=Usage(prompt_tokens=prompt, completion_tokens=completion), **more)


def failed(kind="server", is_retryable=True, is_paid=False, **more):
    return Reply(failure=Failure(kind=kind, message="no", is_retryable=is_retryable, is_paid=is_paid, **more))


def requests(n, max_tokens=50):
    return [
        Request(
            endpoint="toy:",
            model="toy-1",
            messages=(Message(role="user", content=f"question {i}"),),
            parameters={"max_tokens": max_tokens},
            teacher="toy",
            role="rationale",
            example_id=f"e{i}",
        )
        for i in range(n)
    ]


def examples(n, **more):
    return [
        Example(id=f"e{i}", question=f"What is {i}?", choices=(f"a{i}", f"b{i}"), answer=f"a{i}", **more)
        for i in range(n)
    ]


def sums(store, scope="r1"):
    with store.read() as connection:
        row = connection.execute("SELECT nano, tokens, calls FROM sums WHERE scope = ?", (scope,)).fetchone()
    return tuple(row) if row else (0, 0, 0)


def states(store):
    with store.read() as connection:
        return [row["state"] for row in connection.execute("SELECT state FROM attempts ORDER BY id")]
