"""The server before a writer without a model: answers, streams, and who is in whose way."""

import asyncio
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from asked import CHAT, Parrot, body, content, streaming, until

from tuition.serving import Limits, app


def test_an_answer_has_openais_form(serve):
    said = serve(Parrot()).post(CHAT, json=body("seven")).json()
    assert said.pop("id").startswith("chatcmpl-")
    assert said.pop("created") > 1_700_000_000
    message = {"role": "assistant", "content": "seven", "refusal": None}
    assert said == {
        "object": "chat.completion",
        "model": "pupil",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11},
    }


@pytest.mark.parametrize(
    ("more", "text", "finish", "written"),
    [
        ({}, "one two three", "stop", 14),
        ({"max_tokens": 5}, "one t", "length", 5),
        ({"max_completion_tokens": 4}, "one", "length", 4),
        ({"max_tokens": 9, "max_completion_tokens": 3}, "one", "length", 3),
        ({"stop": " t"}, "one", "stop", 5),
        ({"stop": ["zzz", "hre"]}, "one two t", "stop", 12),
        ({"stop": ["three and more"]}, "one two three", "stop", 14),
        (
            {"temperature": 1.5, "seed": 3, "n": 1, "tools": [], "tool_choice": "none"},
            "one two three",
            "stop",
            14,
        ),
        ({"top_p": None, "logprobs": None, "user": "me", "store": False}, "one two three", "stop", 14),
        ({"response_format": {"type": "text"}, "logit_bias": {}, "top_p": 1}, "one two three", "stop", 14),
    ],
)
def test_bounds_and_stop_sequences_are_kept_streamed_or_not(serve, more, text, finish, written):
    client = serve(Parrot())
    said = client.post(CHAT, json=body("one two three", **more)).json()
    assert said["choices"][0]["message"]["content"] == text
    assert said["choices"][0]["finish_reason"] == finish
    assert said["usage"]["completion_tokens"] == written
    with streaming(client, text="one two three", **more) as events:
        *chunks, last = events
    assert last == "[DONE]"
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == text
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + [finish]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert not any("usage" in chunk for chunk in chunks)


def test_a_stream_ends_in_the_counts_where_they_are_asked_for(serve):
    with streaming(serve(Parrot()), text="seven", stream_options={"include_usage": True}) as events:
        *chunks, counts, _ = events
    assert counts["choices"] == []
    assert counts["usage"] == {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}
    assert all(chunk["usage"] is None for chunk in chunks)


def test_a_piece_is_sent_when_it_is_written(serve):
    writer = Parrot(delay_s=0.05)
    with streaming(serve(writer), text="abcdefghij") as events:
        assert next(events)["choices"][0]["delta"]["content"] == ""
        assert next(events)["choices"][0]["delta"]["content"] == "a"
        assert writer.written["abcdefghij"] < 9
        assert sum(1 for _ in events) >= 8


def test_parts_of_text_are_joined_and_turns_of_a_client_are_read(serve):
    turns = [
        {
            "role": "user",
            "name": "me",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        }
    ]
    assert content(serve(Parrot()).post(CHAT, json={"model": "pupil", "messages": turns})) == "ab"


def test_log_probabilities_are_told_where_they_are_asked_for(serve):
    client = serve(Parrot())
    said = client.post(CHAT, json=body("aé", logprobs=True, top_logprobs=2)).json()
    likeliest = [{"token": "x", "logprob": -1.0, "bytes": [120]}]
    a = {"token": "a", "logprob": -0.5, "bytes": [97]}
    e = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
    wanted = [{**a, "top_logprobs": [a, *likeliest]}, {**e, "top_logprobs": [e, *likeliest]}]
    assert said["choices"][0]["logprobs"] == {"content": wanted, "refusal": None}
    said = client.post(CHAT, json=body("a", logprobs=True)).json()
    assert said["choices"][0]["logprobs"]["content"] == [{**a, "top_logprobs": []}]
    with streaming(client, text="aé", logprobs=True, top_logprobs=2) as events:
        told = [one["choices"][0]["logprobs"]["content"] for one in events if one != "[DONE]"]
    assert [entry for entries in told for entry in entries] == wanted


def test_fifty_at_once_are_decoded_together_and_each_gets_its_own(serve):
    writer = Parrot(delay_s=0.002)
    client = serve(writer, batch=32, collect_ms=200)

    def ask(i):
        if i % 2:
            return content(client.post(CHAT, json=body(f"question {i}")))
        with streaming(client, text=f"question {i}") as events:
            return "".join(one["choices"][0]["delta"].get("content", "") for one in events if one != "[DONE]")

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(ask, range(50))) == [f"question {i}" for i in range(50)]
    assert sum(map(len, writer.batches)) == 50
    assert len(writer.batches) <= 4
    assert max(map(len, writer.batches)) <= 32


def test_a_client_that_hangs_up_stops_its_row_and_no_other(serve):
    writer = Parrot(delay_s=0.02)
    client = serve(writer, collect_ms=100)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(client.post, CHAT, json=body("x" * 60))
        with streaming(client, text="y" * 60) as events:
            next(events)
        assert content(other.result()) == "x" * 60
    assert writer.batches in ([["x" * 60, "y" * 60]], [["y" * 60, "x" * 60]])
    assert writer.written["y" * 60] < 50


def hanging_up(client, text, **more):
    """Send a request and close its connection by `close`."""
    sent = json.dumps(body(text, **more)).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    raw = socket.create_connection(("127.0.0.1", client.base_url.port))
    raw.sendall(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
    return raw


@pytest.mark.parametrize("is_streamed", [False, True])
def test_one_that_hangs_up_before_its_answer_stops_too(serve, is_streamed):
    writer = Parrot(delay_s=0.02)
    client = serve(writer)
    raw = hanging_up(client, "y" * 90, stream=is_streamed)
    until(lambda: writer.written["y" * 90] > 2)
    raw.close()
    assert content(client.post(CHAT, json=body("next"))) == "next"
    assert writer.written["y" * 90] < 60


def test_one_that_hangs_up_in_the_line_is_never_decoded(serve):
    writer = Parrot(delay_s=0.02)
    client = serve(writer, batch=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, CHAT, json=body("x" * 40))
        until(lambda: writer.batches)
        hanging_up(client, "never").close()
        assert content(first.result()) == "x" * 40
    assert content(client.post(CHAT, json=body("next"))) == "next"
    assert writer.batches == [["x" * 40], ["next"]]


def test_more_than_the_line_holds_are_refused(serve):
    writer = Parrot(delay_s=0.02)
    client = serve(writer, batch=1, queue=2)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(client.post, CHAT, json=body("x" * 60))
        until(lambda: writer.batches)
        answers = list(pool.map(lambda i: client.post(CHAT, json=body(f"{i}")), range(8)))
        assert content(first.result()) == "x" * 60
    kept = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(kept) == 3
    assert len(refused) == 5
    assert refused[0].json()["error"] == {
        "message": "as many requests are waiting as may; try again later",
        "type": "overloaded_error",
        "param": None,
        "code": "queue_full",
    }
    assert refused[0].headers["retry-after"] == "1"


def test_a_request_that_takes_too_long_is_told_so(serve):
    writer = Parrot(delay_s=0.03)
    client = serve(writer, timeout_s=0.4)
    late = client.post(CHAT, json=body("x" * 90))
    assert late.status_code == 503
    assert late.headers["x-should-retry"] == "false"
    assert late.json()["error"]["code"] == "timeout"
    assert late.json()["error"]["message"].startswith(
        "the request took more than 0.4 s, waiting included; ask for"
    )
    with streaming(client, text="y" * 90) as events:
        *chunks, error = events
    assert len(chunks) > 2
    assert error["error"]["code"] == "timeout"
    assert content(client.post(CHAT, json=body("next"))) == "next"
    assert writer.written["x" * 90] < 60


def test_a_body_that_does_not_come_ends_by_the_same_time(serve):
    client = serve(Parrot(), timeout_s=0.3)
    raw = socket.create_connection(("127.0.0.1", client.base_url.port))
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    raw.sendall(f"{head}Content-Length: 9\r\n\r\n{{".encode())
    raw.settimeout(20)
    assert b"503" in raw.recv(100)
    raw.close()


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_writer_that_fails_costs_its_batch_and_no_more(serve, is_streamed, caplog):
    client = serve(Parrot())
    failed = client.post(CHAT, json=body("fail", stream=is_streamed))
    assert failed.status_code == 500
    assert failed.json()["error"]["message"] == "the student failed; the server's log says why"
    assert "out of memory" in caplog.text
    assert content(client.post(CHAT, json=body("next"))) == "next"


def test_a_client_that_reads_nothing_is_left_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr(sys.modules[app.__module__], "_TO_READ_S", 0.1)
    writer = Parrot(delay_s=0.02)
    sent = [{"type": "http.request", "body": json.dumps(body("y" * 90, stream=True)).encode()}]
    scope = {"type": "http", "method": "POST", "path": CHAT, "query_string": b"", "root_path": ""}
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]

    async def receive():
        return sent.pop() if sent else await asyncio.Event().wait()

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def ask():
        await app(writer, Limits(timeout_s=0.3))({**scope, "headers": headers}, receive, send)

    asyncio.run(asyncio.wait_for(ask(), timeout=20))
    until(lambda: writer.written["y" * 90] > 0)
    assert writer.written["y" * 90] < 80
