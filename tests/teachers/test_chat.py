import asyncio
import contextlib
import json
import socket
import threading
import time
from email.utils import formatdate

import pytest
from endpoints import SECRET, USAGE, ask, ask_all, choice, completion, everything_kept, fault, request
from starlette.responses import JSONResponse, Response

from tuition.core.errors import TeacherError
from tuition.core.records import Message, RateLimits, Request, Usage
from tuition.teachers import TeacherConfig, make_teacher


@pytest.fixture
def teacher(server, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    return make_teacher(
        TeacherConfig(name="a", model="m", base_url=server.url, api_key_env="TEACHER_KEY", timeout_s=5)
    )


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


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ("<think>\n2 and 2\n</think>\n\nSo 4.", "So 4.", "2 and 2"),
        ("2 and 2 </think> So 4.", "So 4.", "2 and 2"),
        ("So <think>4</think>.", "So <think>4</think>.", ""),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "2 and 2"}]}, {"text": "So 4."}],
            "So 4.",
            "2 and 2",
        ),
        (["So ", "4."], "So 4.", ""),
    ],
)
def test_reasoning_within_the_content_is_kept_apart(server, teacher, content, text, reasoning):
    server.answer = JSONResponse(completion(content))
    reply = ask(teacher)
    assert (reply.text, reply.reasoning) == (text, reasoning)


def test_text_in_parts_is_joined(server, teacher):
    server.answer = JSONResponse(
        completion([{"type": "text", "text": "So "}, {"type": "text", "text": "4."}])
    )
    assert ask(teacher).text == "So 4."


def test_cut_text_is_data(server, teacher):
    server.answer = JSONResponse(completion("Because it", finish="length"))
    reply = ask(teacher)
    assert (reply.text, reply.finish, reply.failure) == ("Because it", "length", None)


CHUNK = {"model": "m", "choices": [{"delta": {"content": "So "}, "finish_reason": None}]}
LAST = {
    "choices": [{"delta": {"content": "4.", "reasoning": "2+2"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
WHOLE = completion("So 4.", reasoning="2+2")


@pytest.mark.parametrize(
    ("lines", "text", "kind"),
    [
        ([f"data: {json.dumps(CHUNK)}", ": wait", f"data:{json.dumps(LAST)}", "data: [DONE]"], "So 4.", None),
        ([json.dumps(WHOLE), "data: [DONE]"], "So 4.", None),
        ([json.dumps(WHOLE).replace("So 4.", "So\n4.")], "So\n4.", None),
        ([f"data: {json.dumps(CHUNK)}", 'data: {"usage": {"prompt_tokens": 12}}'], "", "server"),
        (['data: {"error": {"message": "slow", "code": 429}}'], "", "rate_limit"),
        (["data: [DONE]"], "", "malformed"),
    ],
)
def test_a_completion_in_events_or_with_bare_line_ends_is_read(server, teacher, lines, text, kind):
    server.answer = Response("\n\n".join(lines), headers={"content-type": "text/event-stream"})
    reply = ask(teacher)
    assert (reply.text, reply.failure and reply.failure.kind) == (text, kind)
    if text:
        assert (reply.reasoning, reply.usage.completion_tokens) == ("2+2", USAGE["completion_tokens"])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Response("", 308, headers={"location": "https://b/v1"}), "it answers at https://b/v1; put that"),
        (Response("<!doctype html>"), "a page: is base_url the address of the API"),
    ],
)
def test_a_wrong_address_is_said(server, teacher, answer, words):
    server.answer = answer
    assert words in ask(teacher).failure.message


def test_uncounted_usage_is_estimated(server, teacher):
    server.answer = JSONResponse(completion("x" * 41, usage=None))
    assert ask(teacher).usage == Usage(prompt_tokens=1, completion_tokens=11, is_estimated=True)


@pytest.mark.parametrize(
    ("answer", "kind", "is_retryable", "is_paid"),
    [
        (JSONResponse({"error": {"message": "slow down"}}, 429), "rate_limit", True, False),
        (JSONResponse({"error": {"code": "insufficient_quota"}}, 429), "quota", False, False),
        (fault("You exceeded your current quota, see billing", 429), "rate_limit", True, False),
        (fault("no money", 402), "quota", False, False),
        (fault("limit", 400, code="billing_hard_limit_reached"), "quota", False, False),
        (fault("Your credit balance is too low to go on"), "quota", False, False),
        (fault("insufficient balance (1008)", 500), "quota", False, False),
        (fault("Insufficient balance. Manage your billing", 401), "quota", False, False),
        (fault("suspended", 429, type="exceeded_current_quota_error"), "quota", False, False),
        (fault("You have used all available credits", 429), "quota", False, False),
        (fault("Account x is suspended", 412), "quota", False, False),
        (fault("No.", 400, code="Arrearage"), "quota", False, False),
        (fault("余额不足", 429, code="1113"), "quota", False, False),
        (
            JSONResponse({"code": 30001, "message": "your balance is insufficient"}, 403),
            "quota",
            False,
            False,
        ),
        (
            JSONResponse({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
            "quota",
            False,
            False,
        ),
        (JSONResponse({"base_resp": {"status_code": 1002, "status_msg": "too fast"}}), "server", True, False),
        (fault("Incorrect API key provided: sk***", 400), "auth", True, False),
        (fault("Invalid API key", 403, code="invalid_api_key"), "auth", True, False),
        (fault("it exceeds the model's maximum context length of 9", 500), "bad_request", False, False),
        (fault("the request exceeds the available context size", 500), "bad_request", False, False),
        (fault("Request too large: Limit 30000, Requested 40000", 429), "bad_request", False, False),
        (fault("no capacity", 498), "server", True, False),
        (fault("flagged", 400, code="content_filter"), "filtered", False, False),
        (JSONResponse({"error": "down"}, 500), "server", True, False),
        (Response("", 504), "server", True, None),
        (fault("overloaded", 529), "server", True, False),
        (fault("router: slow down", 200, code=429), "rate_limit", True, False),
        (JSONResponse([{"error": {"message": "slow", "code": 429}}], 429), "rate_limit", True, False),
        (JSONResponse({"error": {"message": "broke off"}, "usage": USAGE}), "server", True, True),
        (fault("too long", 413), "bad_request", False, False),
        (Response("<html>bad gateway</html>", 502), "server", True, False),
        (Response("", 503), "server", True, False),
        (Response("", 408), "server", True, False),
        (JSONResponse({"error": {"message": "no such field"}}, 400), "bad_request", False, False),
        (JSONResponse({"error": {"message": "no such model"}}, 404), "not_found", False, False),
        (Response("", 302, headers={"location": "/v2"}), "bad_request", False, False),
        (JSONResponse({"error": {"message": "bad key"}}, 401), "auth", True, False),
        (fault("API key not valid. Please pass a valid API key.", 400), "auth", True, False),
        (JSONResponse({"error": {"message": "flagged"}}, 403), "refused", False, False),
        (JSONResponse({"error": {"message": "upstream"}}, 200), "server", True, False),
        (Response('{"choices": [{"mess', 200), "malformed", True, None),
        (JSONResponse({"choices": []}), "malformed", True, None),
        (JSONResponse({"choices": [{}], "usage": USAGE}), "malformed", True, True),
        (JSONResponse([1, 2]), "malformed", True, None),
        (Response("[" * 100_000, 200), "malformed", True, None),
        (JSONResponse(completion(" ")), "empty", True, True),
        (JSONResponse(completion("", finish="error")), "server", True, True),
        (JSONResponse(completion("Because the", finish="error")), "server", True, True),
        (JSONResponse(completion(None)), "empty", True, True),
        (JSONResponse(completion(None, finish="length")), "truncated", False, True),
        (JSONResponse(completion("", finish="content_filter")), "filtered", False, True),
        (JSONResponse(completion("", finish="SAFETY")), "filtered", False, True),
        (JSONResponse(completion("<think>hm", finish="length")), "truncated", False, True),
        (JSONResponse(completion(None, refusal="I will not.")), "refused", False, True),
        (JSONResponse(completion([{"type": "refusal", "refusal": "No."}])), "refused", False, True),
        (JSONResponse(completion("", finish="error")), "server", True, True),
    ],
)
def test_failures_by_kind(server, teacher, answer, kind, is_retryable, is_paid):
    server.answer = answer
    failure = ask(teacher).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == (kind, is_retryable, is_paid)
    assert len(server.asked) == 1, "one attempt, whatever comes"


def test_a_refusal_is_told_in_the_models_words(server, teacher):
    server.answer = JSONResponse(completion(None, refusal="I will not."))
    assert ask(teacher).failure.message == "the model refused to answer: I will not."


def test_name_of_the_attempt_goes_along(server, teacher):
    asyncio.run(teacher.complete(request(teacher, tag="run-7/3")))
    ask(teacher)
    [(_, tagged), (_, plain)] = server.asked
    assert tagged["x-client-request-id"] == "run-7/3"
    assert "x-client-request-id" not in plain


def test_further_fields_go_into_the_body_and_the_key(server):
    wire = {"extra": {"reasoning_effort": "low", "top_k": 20}, "max_tokens_name": "max_completion_tokens"}
    config = TeacherConfig(name="a", base_url=server.url, max_tokens=9, wire=wire)
    teacher = make_teacher(config)
    asked = Request(endpoint="e", model="a", messages=(), parameters=config.parameters())
    plain = Request(endpoint="e", model="a", messages=(), parameters={"max_tokens": 9})
    asyncio.run(teacher.complete(asked))
    [body] = server.bodies
    assert body == {
        "model": "a",
        "messages": [],
        "reasoning_effort": "low",
        "top_k": 20,
        "max_completion_tokens": 9,
    }
    assert asked.key != plain.key


def test_limits_in_the_headers_come_with_the_reply_and_are_not_kept(server, teacher):
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}
    server.answer = JSONResponse(completion(), headers={**headers, "x-ratelimit-reset-requests": "6m0s"})
    limits = RateLimits(requests=60, requests_left=0, requests_reset_s=360.0)
    assert ask(teacher).limits == limits
    server.answer = fault("slow down", 429)
    server.answer.headers.update(headers)
    assert ask(teacher).limits == RateLimits(requests=60, requests_left=0)


def declared(server, **wire):
    return make_teacher(TeacherConfig(name="a", model="m", base_url=server.url, timeout_s=5, wire=wire))


def test_several_samples_in_one_call_share_its_usage(server):
    teacher = declared(server, has_n=True)
    texts = ["x" * 10, "", "y" * 20]
    server.answer = JSONResponse({**completion(), "choices": [choice(text) for text in texts]})
    replies = ask_all(teacher, 3, temperature=1.0)
    [(body, headers)] = server.asked
    assert teacher.abilities.samples_per_call == 8
    assert (body["n"], headers["x-client-request-id"]) == (3, "t0")
    assert [reply.text for reply in replies] == texts
    assert [reply.failure and reply.failure.kind for reply in replies] == [None, "empty", None]
    assert [reply.usage.prompt_tokens for reply in replies] == [12, 0, 0]
    assert [reply.usage.cached_tokens for reply in replies] == [4, 0, 0]
    assert [reply.usage.completion_tokens for reply in replies] == [3, 0, 4]
    assert sum(reply.usage.reasoning_tokens for reply in replies) == 5
    assert len(json.loads(replies[0].raw)["choices"]) == 3
    assert json.loads(replies[2].raw) == choice("y" * 20)


@pytest.mark.parametrize(("usage", "is_paid"), [(USAGE, False), (None, None)])
def test_samples_that_did_not_come_are_failures_and_the_next_are_asked_one_by_one(
    server, usage, is_paid, caplog
):
    teacher = declared(server, has_n=True)
    server.answer = JSONResponse(completion("x", usage=usage))
    first, second = ask_all(teacher, 2)
    assert (first.failure, second.failure.kind) == (None, "malformed")
    assert (second.failure.is_retryable, second.failure.is_paid) == (True, is_paid)
    assert (first.usage.completion_tokens, second.usage) == (7 if usage else 1, Usage())
    assert (teacher.lacks, teacher.abilities.samples_per_call) == (("n",), 1)
    assert "takes no n, and brought 1 of 2 samples" in caplog.text
    first, second = ask_all(teacher, 2)
    assert (first.text, second.failure.kind) == ("x", "unpaid")
    assert [headers["x-client-request-id"] for _, headers in server.asked] == ["t0", "t0"]


def test_once_one_sample_comes_a_call_one_call_makes_no_more_than_one(server):
    teacher = declared(server, has_n=True)
    server.answer = JSONResponse(completion("x"))
    ask_all(teacher, 3)
    first, *others = ask_all(teacher, 4)
    assert (first.text, len(server.asked)) == ("x", 2)
    for reply in others:
        failure = reply.failure
        assert (failure.kind, failure.is_retryable, failure.is_paid) == ("unpaid", True, False)
        assert "each is asked in a call of its own" in failure.message
        assert (reply.usage, reply.raw) == (Usage(), "")


def test_failure_of_a_call_for_several_stands_in_each_and_is_charged_once(server):
    teacher = declared(server, has_n=True)
    server.answer = JSONResponse({"choices": [], "usage": USAGE})
    replies = ask_all(teacher, 2)
    assert [(reply.failure.kind, reply.failure.is_paid) for reply in replies] == [("malformed", True)] * 2
    assert [reply.usage.prompt_tokens for reply in replies] == [12, 0]
    server.answer = Response("", 500)
    assert [reply.failure.kind for reply in ask_all(teacher, 2)] == ["server"] * 2
    assert teacher.abilities.samples_per_call == 8, "a passing fault says nothing of abilities"


def test_uncounted_samples_are_estimated_with_one_prompt(server):
    teacher = declared(server, has_n=True)
    server.answer = JSONResponse({"choices": [choice("x" * 8), choice("y" * 4)]})
    usages = [reply.usage for reply in ask_all(teacher, 2)]
    assert usages == [
        Usage(prompt_tokens=1, completion_tokens=2, is_estimated=True),
        Usage(completion_tokens=1, is_estimated=True),
    ]


def test_message_of_the_server_is_kept(server, teacher):
    server.answer = JSONResponse({"error": {"message": "no such field"}}, 400)
    assert ask(teacher).failure.message == "HTTP 400: no such field"
    upstream = {"message": "Provider returned error", "metadata": {"raw": "m is busy"}}
    server.answer = JSONResponse({"error": upstream}, 429)
    assert ask(teacher).failure.message == 'HTTP 429: Provider returned error {"raw": "m is busy"}'
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


def test_silence_has_a_limit_of_its_own(server):
    server.wait_s = 1.0
    teacher = make_teacher(
        TeacherConfig(name="a", base_url=server.url, timeout_s=5, wire={"read_s": 0.2, "connect_s": 3})
    )
    failure = ask(teacher).failure
    assert (failure.kind, failure.is_paid) == ("timeout", None)
    assert "after the request was sent, limit 0.2 s" in failure.message


def test_no_connection_in_time_costs_nothing(monkeypatch):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        # A queue of waiting connections that is full lets nobody in.
        waiting = [socket.socket() for _ in range(2)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        url = f"http://127.0.0.1:{port}/v1"
        config = TeacherConfig(name="a", base_url=url, timeout_s=5, wire={"connect_s": 0.2})
        failure = ask(make_teacher(config)).failure
        for one in waiting:
            one.close()
    assert (failure.kind, failure.is_paid) == ("timeout", False)
    assert "before the request was sent, limit 0.2 s" in failure.message


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
    assert SECRET not in everything_kept(reply)
    assert json.loads(reply.headers)["set-cookie"] == "***"
    assert reply.text == "your key is ***"
    server.answer = JSONResponse({"error": {"message": f"bad key {SECRET}"}}, 401)
    assert ask(teacher).failure.message == "HTTP 401: bad key ***"
    assert SECRET not in repr(vars(teacher)["abilities"]) + teacher.endpoint


@pytest.mark.parametrize("room", [250, 287, 290, 293, 299])
def test_a_part_of_the_key_is_in_no_message_that_is_cut(server, teacher, room):
    server.answer = fault("x" * room + SECRET, 400)
    message = ask(teacher).failure.message
    assert SECRET[:6] not in message
    server.answer = Response("<html>" + "x" * (room - 190) + SECRET)
    failure = ask(teacher).failure
    assert (failure.kind, SECRET[:6] in failure.message) == ("malformed", False)


def test_an_answer_that_broke_off_is_paid_and_is_no_answer(server, teacher):
    broken = choice("Because the", finish="error") | {"error": {"code": 502, "message": "upstream died"}}
    server.answer = JSONResponse({"choices": [broken], "usage": USAGE})
    reply = ask(teacher)
    wanted = "the endpoint broke off in the middle of the text, finish reason 'error': upstream died"
    assert reply.failure.message == wanted
    assert (reply.text, reply.finish, reply.usage.completion_tokens) == ("", "error", 7)
    assert "Because the" in reply.raw
    server.answer = JSONResponse({"choices": [broken]})
    assert ask(teacher).usage == Usage(prompt_tokens=1, completion_tokens=3, is_estimated=True)


def test_a_key_of_a_few_letters_shreds_no_text(server, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", "x")
    short = make_teacher(TeacherConfig(name="a", base_url=server.url, api_key_env="TEACHER_KEY"))
    server.answer = JSONResponse(completion("Six boxes, exactly."))
    assert ask(short).text == "Six boxes, exactly."
    assert server.asked[0][1]["authorization"] == "Bearer x"


@contextlib.contextmanager
def a_proxy():
    """A proxy that refuses, and what it was told."""
    told = []

    def serve():
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                told.append(line.recv(65536).decode())
                line.sendall(b"HTTP/1.1 502 no\r\ncontent-length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", told
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_proxy_of_the_environment_is_not_given_the_key_of_a_plain_address(server, teacher, monkeypatch):
    with a_proxy() as (url, told):
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, url)
        assert ask(teacher).text == "Because. "
    assert (len(server.asked), told) == (1, [])


def test_a_proxy_of_the_environment_tunnels_to_a_shut_address(monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    config = TeacherConfig(name="a", base_url="https://127.0.0.1:9/v1", api_key_env="TEACHER_KEY")
    with a_proxy() as (url, told):
        monkeypatch.setenv("https_proxy", url)
        failure = ask(make_teacher(config)).failure
    [said] = told
    assert said.startswith("CONNECT 127.0.0.1:9 ")
    assert SECRET not in said
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("connection", True, False)


def test_connections_are_kept_inside_and_closed_after(server, teacher):
    async def many():
        async with teacher, teacher:
            request = Request(endpoint="e", model="m", messages=(Message(role="user", content="Why?"),))
            return [await teacher.complete(request) for _ in range(3)]

    replies = asyncio.run(many())
    assert [reply.failure for reply in replies] == [None] * 3
    assert (len(server.asked), len(server.ports)) == (3, 1)
    assert ask(teacher).failure is None, "another event loop opens connections of its own"


def test_as_many_connections_as_calls_at_once_and_all_are_used_again(server, teacher):
    server.wait_s = 0.2

    async def rounds():
        async with teacher:
            for n in (4, 4, 2):
                replies = await asyncio.gather(*(teacher.complete(request(teacher)) for _ in range(n)))
                assert [reply.failure for reply in replies] == [None] * n

    asyncio.run(rounds())
    assert (len(server.asked), len(server.ports)) == (10, 4)


def test_a_connection_that_broke_is_replaced(server):
    teacher = make_teacher(TeacherConfig(name="a", base_url=server.url, timeout_s=0.5))

    async def twice():
        async with teacher:
            server.wait_s = 1.0
            broken = await teacher.complete(request(teacher))
            server.wait_s = 0.0
            return broken, await teacher.complete(request(teacher))

    broken, whole = asyncio.run(twice())
    assert (broken.failure.kind, whole.failure) == ("timeout", None)
    assert len(server.ports) == 2


def test_a_connection_that_the_endpoint_closed_while_idle_costs_no_call(server, teacher):
    server.answer = JSONResponse(completion(), headers={"connection": "close"})

    async def twice():
        async with teacher:
            return [await teacher.complete(request(teacher)) for _ in range(2)]

    assert [reply.failure for reply in asyncio.run(twice())] == [None, None]
    assert (len(server.asked), len(server.ports)) == (2, 2)


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


def test_a_query_in_the_address_is_refused_unshown():
    with pytest.raises(TeacherError, match="or a query") as caught:
        make_teacher(TeacherConfig(name="a", base_url="http://127.0.0.1/v1?key=hidden"))
    assert "hidden" not in str(caught.value)


def test_a_redirect_is_not_followed_with_the_key(server, teacher):
    server.answer = Response("", 307, headers={"location": server.url + "/messages"})
    assert ask(teacher).failure.kind == "bad_request"
    assert len(server.asked) == 1


def test_price_of_the_table_in_the_config_goes_first():
    url = "https://api.openai.com/v1"
    known = make_teacher(TeacherConfig(name="a", model="gpt-4o-mini", base_url=url))
    set_here = make_teacher(
        TeacherConfig(name="a", model="gpt-4o-mini", base_url=url, price_prompt=1, price_completion=2)
    )
    assert known.price.prompt == 150_000_000
    assert set_here.price.prompt == 1_000_000_000
    assert make_teacher(TeacherConfig(name="a", base_url="http://127.0.0.1:1")).price is None
