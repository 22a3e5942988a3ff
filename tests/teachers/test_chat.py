import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tuition.core.errors import TeacherError
from tuition.core.records import Message, Request, Usage
from tuition.teachers import TeacherConfig, make_teacher

SECRET = "sk-very-secret-1"
USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


def completion(content="Because. ", finish="stop", usage=USAGE, **message):
    return {
        "model": "m-2026",
        "choices": [
            {"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
        ],
        "usage": usage,
    }


class Script:
    """A server that answers with what the test put into it, and remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.ports = set()
        self.answer = JSONResponse(completion())
        self.wait_s = 0.0

    async def respond(self, request):
        self.asked.append((await request.json(), dict(request.headers)))
        self.ports.add(request.client.port)
        await asyncio.sleep(self.wait_s)
        return self.answer


@contextmanager
def served(application):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server():
    script = Script()
    application = Starlette(routes=[Route("/v1/chat/completions", script.respond, methods=["POST"])])
    with served(application) as url:
        script.url = url
        yield script


@pytest.fixture
def teacher(server, monkeypatch):
    server.__init__()
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    return make_teacher(
        TeacherConfig(name="a", model="m", base_url=server.url, api_key_env="TEACHER_KEY", timeout_s=5)
    )


def ask(teacher, **parameters):
    request = Request(
        endpoint=teacher.endpoint,
        model=teacher.model,
        messages=(Message(role="user", content="Why?"),),
        parameters={"max_tokens": 50, **parameters},
    )
    return asyncio.run(teacher.complete(request))


def test_one_call_there_and_back(server, teacher):
    reply = ask(teacher, temperature=0.5)
    [(body, headers)] = server.asked
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Why?"}],
        "max_tokens": 50,
        "temperature": 0.5,
    }
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert reply.failure is None
    assert (reply.text, reply.finish, reply.model) == ("Because. ", "stop", "m-2026")
    assert reply.usage == Usage(prompt_tokens=12, cached_tokens=4, completion_tokens=7, reasoning_tokens=5)
    assert json.loads(reply.raw) == completion()
    assert json.loads(reply.headers)["content-type"] == "application/json"
    assert reply.latency_s > 0


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_kept_apart(server, teacher, name):
    server.answer = JSONResponse(completion("So 4.", **{name: "2 and 2"}))
    reply = ask(teacher)
    assert (reply.text, reply.reasoning) == ("So 4.", "2 and 2")


def test_text_in_parts_is_joined(server, teacher):
    server.answer = JSONResponse(
        completion([{"type": "text", "text": "So "}, {"type": "text", "text": "4."}])
    )
    assert ask(teacher).text == "So 4."


def test_cut_text_is_data(server, teacher):
    server.answer = JSONResponse(completion("Because it", finish="length"))
    reply = ask(teacher)
    assert (reply.text, reply.finish, reply.failure) == ("Because it", "length", None)


def test_uncounted_usage_is_estimated(server, teacher):
    server.answer = JSONResponse(completion("x" * 41, usage=None))
    assert ask(teacher).usage == Usage(prompt_tokens=1, completion_tokens=11, is_estimated=True)


@pytest.mark.parametrize(
    ("answer", "kind", "is_retryable", "is_paid"),
    [
        (JSONResponse({"error": {"message": "slow down"}}, 429), "rate_limit", True, False),
        (JSONResponse({"error": {"code": "insufficient_quota"}}, 429), "rate_limit", False, False),
        (JSONResponse({"error": "down"}, 500), "server", True, False),
        (Response("<html>bad gateway</html>", 502), "server", True, False),
        (Response("", 503), "server", True, False),
        (Response("", 408), "server", True, False),
        (JSONResponse({"error": {"message": "no such field"}}, 400), "bad_request", False, False),
        (JSONResponse({"error": {"message": "no such model"}}, 404), "bad_request", False, False),
        (Response("", 302, headers={"location": "/v2"}), "bad_request", False, False),
        (JSONResponse({"error": {"message": "bad key"}}, 401), "auth", True, False),
        (JSONResponse({"error": {"message": "flagged"}}, 403), "refused", False, False),
        (JSONResponse({"error": {"message": "upstream"}}, 200), "server", True, False),
        (Response('{"choices": [{"mess', 200), "malformed", True, None),
        (JSONResponse({"choices": []}), "malformed", True, None),
        (JSONResponse({"choices": [{}], "usage": USAGE}), "malformed", True, True),
        (JSONResponse([1, 2]), "malformed", True, None),
        (Response("[" * 100_000, 200), "malformed", True, None),
        (JSONResponse(completion(" ")), "empty", True, True),
        (JSONResponse(completion(None)), "empty", True, True),
        (JSONResponse(completion(None, finish="length")), "empty", False, True),
        (JSONResponse(completion("", finish="content_filter")), "refused", False, True),
    ],
)
def test_failures_by_kind(server, teacher, answer, kind, is_retryable, is_paid):
    server.answer = answer
    failure = ask(teacher).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == (kind, is_retryable, is_paid)
    assert len(server.asked) == 1, "one attempt, whatever comes"


def test_message_of_the_server_is_kept(server, teacher):
    server.answer = JSONResponse({"error": {"message": "no such field"}}, 400)
    assert ask(teacher).failure.message == "HTTP 400: no such field"
    server.answer = JSONResponse(completion(None, finish="length"))
    assert "raise the teacher's max_tokens" in ask(teacher).failure.message
    server.answer = Response("oops", 200)
    assert ask(teacher).failure.message == "the body is not a chat completion: 'oops'"


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0.25", 0.25), ("-3", 0.0), ("soon", None), (None, None)]
)
def test_retry_after_in_seconds(server, teacher, value, seconds):
    server.answer = Response("", 429, headers={} if value is None else {"retry-after": value})
    assert ask(teacher).failure.retry_after_s == seconds


def test_retry_after_as_a_date(server, teacher):
    server.answer = Response("", 503, headers={"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert 25 < ask(teacher).failure.retry_after_s <= 30
    server.answer = Response("", 503, headers={"retry-after": formatdate(time.time() - 30, usegmt=True)})
    assert ask(teacher).failure.retry_after_s == 0


def test_silence_after_sending_is_an_unknown_outcome(server, teacher):
    server.wait_s = 1.0
    slow = make_teacher(TeacherConfig(name="a", base_url=server.url, timeout_s=0.2))
    failure = ask(slow).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("timeout", True, None)
    assert "after the request was sent, limit 0.2 s" in failure.message


def test_nobody_listening_costs_nothing():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        failure = ask(make_teacher(TeacherConfig(name="a", base_url=url))).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("connection", True, False)
    assert "before the request was sent" in failure.message


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{", b"no HTTP at all\r\n\r\n"]
)
def test_cut_connection_is_an_unknown_outcome(said):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        thread = threading.Thread(target=cut)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        failure = ask(make_teacher(TeacherConfig(name="a", base_url=url, timeout_s=5))).failure
        thread.join()
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("connection", True, None)


def test_key_appears_nowhere_in_what_is_kept(server, teacher):
    headers = {"set-cookie": "session=1", "x-echo": SECRET}
    server.answer = JSONResponse(completion(f"your key is {SECRET}", reasoning=SECRET), headers=headers)
    reply = ask(teacher)
    assert SECRET not in json.dumps(reply.to_json())
    assert json.loads(reply.headers)["set-cookie"] == "***"
    assert reply.text == "your key is ***"
    server.answer = JSONResponse({"error": {"message": f"bad key {SECRET}"}}, 401)
    assert ask(teacher).failure.message == "HTTP 401: bad key ***"
    assert SECRET not in repr(vars(teacher)["abilities"]) + teacher.endpoint


def test_connections_are_kept_inside_and_closed_after(server, teacher):
    async def many():
        async with teacher, teacher:
            request = Request(endpoint="e", model="m", messages=(Message(role="user", content="Why?"),))
            return [await teacher.complete(request) for _ in range(3)]

    replies = asyncio.run(many())
    assert [reply.failure for reply in replies] == [None] * 3
    assert (len(server.asked), len(server.ports)) == (3, 1)
    assert ask(teacher).failure is None, "another event loop opens connections of its own"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_absent_key_is_told_by_its_name(monkeypatch, value):
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("TEACHER_KEY", value)
    with pytest.raises(
        TeacherError, match=r"environment variable 'TEACHER_KEY', which is not set. Set it, such as"
    ):
        make_teacher(TeacherConfig(name="a", base_url="http://127.0.0.1:1", api_key_env="TEACHER_KEY"))


def test_impossible_key_is_told_without_showing_it(monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", "schlüssel")
    with pytest.raises(TeacherError, match="holds characters that no key has") as caught:
        make_teacher(TeacherConfig(name="a", base_url="http://127.0.0.1:1", api_key_env="TEACHER_KEY"))
    assert "schl" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x/v1", "http://"])
def test_address_that_is_none(url):
    with pytest.raises(
        TeacherError, match=f"teacher 'a' has the base_url '{url}'; expected an address such as"
    ):
        make_teacher(TeacherConfig(name="a", base_url=url))


def test_password_in_the_address_is_refused_unshown():
    with pytest.raises(TeacherError, match="holds a user name or password") as caught:
        make_teacher(TeacherConfig(name="a", base_url="http://me:hidden@127.0.0.1/v1"))
    assert "hidden" not in str(caught.value)


def test_price_of_the_table_in_the_config_goes_first():
    url = "https://api.openai.com/v1"
    known = make_teacher(TeacherConfig(name="a", model="gpt-4o-mini", base_url=url))
    set_here = make_teacher(
        TeacherConfig(name="a", model="gpt-4o-mini", base_url=url, price_prompt=1, price_completion=2)
    )
    assert known.price.prompt == 150_000_000
    assert set_here.price.prompt == 1_000_000_000
    assert make_teacher(TeacherConfig(name="a", base_url="http://127.0.0.1:1")).price is None
