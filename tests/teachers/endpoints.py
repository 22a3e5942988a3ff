"""A real HTTP server on loopback that answers as a test tells it, and bodies to answer with."""

import asyncio
import json
from contextlib import contextmanager

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from loopback import served
from tuition.core.records import Message, Request

SECRET = "sk-very-secret-1"
USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


def choice(content="Because. ", finish="stop", **message):
    return {"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}


def completion(content="Because. ", finish="stop", usage=USAGE, **message):
    return {"model": "m-2026", "choices": [choice(content, finish, **message)], "usage": usage}


def fault(message, status=400, **fields):
    return JSONResponse({"error": {"message": message, **fields}}, status)


class Script:
    """Answers with what the test put into it, a response or a function of the body; keeps what was asked."""

    def __init__(self):
        self.asked = []
        self.paths = []
        self.ports = set()
        self.answer = JSONResponse(completion())
        self.models = JSONResponse({"error": {"message": "no such page"}}, 404)
        self.wait_s = 0.0
        self.under_way = self.most_under_way = 0

    @property
    def bodies(self):
        return [body for body, _ in self.asked]

    async def respond(self, request):
        body = await request.json()
        self.asked.append((body, dict(request.headers)))
        self.paths.append(request.scope["path"])
        self.ports.add(request.client.port)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(self.wait_s)
        self.under_way -= 1
        return self.answer(body) if not hasattr(self.answer, "status_code") else self.answer

    async def list_models(self, request):
        return self.models


@contextmanager
def serving(script):
    routes = [
        Route("/v1/models", script.list_models, methods=["GET"]),
        Route("/{path:path}", script.respond, methods=["POST"]),
    ]
    with served(Starlette(routes=routes)) as url:
        yield url


def request(teacher=None, *, sample=0, tag="", messages=None, **parameters):
    return Request(
        endpoint=teacher.endpoint if teacher else "e",
        model=teacher.model if teacher else "m",
        messages=messages or (Message(role="user", content="Why?"),),
        parameters={"max_tokens": 50, **parameters},
        sample=sample,
        tag=tag,
    )


def ask(teacher, **parameters):
    return asyncio.run(teacher.complete(request(teacher, **parameters)))


def ask_all(teacher, n, **parameters):
    requests = [request(teacher, sample=i, tag=f"t{i}", **parameters) for i in range(n)]
    return asyncio.run(teacher.complete_all(requests))


def everything_kept(reply):
    return json.dumps(reply.to_json())
