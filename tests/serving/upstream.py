"""An endpoint that answers as its questions tell it to, and notes what it was sent."""

import asyncio
import gzip
import json

from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "sk-proj-A1b2C3d4E5f6G7h8I9j0"
COOKIE = "session=Zm9vYmFyYmF6cXV4"


def answer_to(question):
    """The words of the answer."""
    return f"Answer to {question}"


def _usage(question):
    return {"prompt_tokens": len(question), "completion_tokens": 7, "total_tokens": len(question) + 7}


class Upstream:
    """Everything is below `/v1`."""

    def __init__(self, delay_s=0.0):
        self.delay_s = delay_s
        self.requests = []
        self.cancelled = 0
        paths = [
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/models", self.models),
            Route("/v1/moved", lambda _: RedirectResponse("http://127.0.0.1:1/elsewhere")),
            Route("/secret", lambda _: JSONResponse({"secret": True})),
        ]
        self.app = Starlette(routes=paths)

    async def models(self, request):
        self.requests.append(request)
        return JSONResponse({"object": "list", "data": [{"id": "gpt", "object": "model"}]})

    async def chat(self, request):
        self.requests.append(request)
        asked = json.loads(await request.body())
        content = asked["messages"][-1]["content"]
        question = content if isinstance(content, str) else ""
        if question.startswith("error "):
            status = int(question.split()[1])
            return JSONResponse(
                {"error": {"message": f"no {KEY}", "code": "its"}}, status, {"retry-after": "7"}
            )
        if asked.get("stream"):
            return StreamingResponse(self.chunks(question), media_type="text/event-stream")
        await asyncio.sleep(self.delay_s)
        message = {"role": "assistant", "content": answer_to(question)}
        if question == "tool":
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
        if question == "big":
            message["content"] = "many words " * 500_000
        choices = [
            {"index": i, "message": message, "finish_reason": "length" if question == "cut" else "stop"}
            for i in range(asked.get("n") or 1)
        ]
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-2026", "choices": choices}
        body = json.dumps({**body, "usage": _usage(question)}).encode()
        if question == "packed":
            return Response(
                gzip.compress(body, mtime=0),
                headers={"content-encoding": "gzip"},
                media_type="application/json",
            )
        return Response(
            body, media_type="application/json", headers={"x-request-id": "r1", "set-cookie": "a=b"}
        )

    async def chunks(self, question):
        def event(**more):
            head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-2026"}
            return f"data: {json.dumps({**head, **more})}\n\n"

        def choice(delta, finish=None):
            return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])

        try:
            yield choice({"role": "assistant", "content": ""})
            for word in answer_to(question).split(" "):
                await asyncio.sleep(self.delay_s)
                yield choice({"content": f"{word} "})
                if question == "breaks" and word == "to":
                    yield event(error={"message": "overloaded"})
            yield choice({}, "stop")
            yield event(choices=[], usage=_usage(question))
            yield "data: [DONE]\n\n"
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
