"""What the server refuses, with which status and which words."""

import json
import socket

import pytest
from asked import CHAT, REFUSED, Parrot, body, content

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def client(serve_module):
    return serve_module(Parrot(), max_tokens=90)


def turns(*contents):
    return [{"role": "user", "content": one} for one in contents]


PICTURE = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": "x"}}]
TOOL = {"type": "function", "function": {"name": "add"}}
CANNOT = [
    (
        {"n": 2},
        "n",
        "n is 2, and this server takes only 1: it writes one answer a request; send",
    ),
    ({"tools": [TOOL]}, "tools", "it calls no tools"),
    ({"functions": [{"name": "add"}]}, "functions", "it calls no functions"),
    ({"tool_choice": "required"}, "tool_choice", "takes only 'none' or 'auto': it calls no tools"),
    ({"response_format": {"type": "json_object"}}, "response_format", "text in the form it was taught"),
    ({"modalities": ["text", "audio"]}, "modalities", "it writes text alone"),
    ({"top_p": 0.5}, "top_p", "top_p is 0.5, and this server takes only 1: it draws from all tokens"),
    ({"frequency_penalty": 1.0}, "frequency_penalty", "takes only 0"),
    ({"logit_bias": {"5": 10}}, "logit_bias", "takes only {}"),
    ({"x" * 900_000: 5}, "x" * 60, f"unknown parameter '{'x' * 60}'"),
    ({"model": "x" * 900_000}, "model", "at most 256 characters"),
    ({"messages": turns("a") * 1001}, "messages", "at most 1000 items"),
    ({"max_token": 5}, "max_token", "unknown parameter 'max_token'; did you mean 'max_tokens'?"),
    ({"best_of": 5}, "best_of", "unknown parameter 'best_of'"),
    (
        {"messages": turns(PICTURE)},
        "messages.0.content",
        "type 'image_url'; this student reads text",
    ),
    ({"messages": turns([{"type": "text"}])}, "messages.0.content", "a part of type 'text'"),
    ({"messages": turns([["text"]])}, "messages.0.content", "a part of type None"),
    ({"messages": turns(5)}, "messages.0.content", "Input should be a valid string"),
    ({"messages": []}, "messages", "at least 1 item"),
    ({"messages": "hello"}, "messages", "Input should be a valid list"),
    ({"messages": [{"role": "tool", "content": "5"}]}, "messages.0.role", "Input should be 'system'"),
    ({"messages": turns("a", "b")}, "messages", REFUSED),
    ({"messages": turns("")}, "messages", "the messages are empty"),
    ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
    ({"max_tokens": "5"}, "max_tokens", "valid integer"),
    ({"max_tokens": 91}, "max_tokens", "max_tokens is 91; this server writes at most 90 tokens a request"),
    ({"max_completion_tokens": 10**30}, "max_completion_tokens", "at most 90 tokens a request"),
    ({"temperature": 2.5}, "temperature", "less than or equal to 2"),
    ({"seed": 2**63}, "seed", "less than"),
    ({"stop": ["a"] * 5}, "stop", "at most 4 items"),
    ({"stop": [""]}, "stop.0", "at least 1 character"),
    ({"top_logprobs": 3}, "top_logprobs", "top_logprobs is given without logprobs; set logprobs to true"),
    ({"top_logprobs": 21, "logprobs": True}, "top_logprobs", "less than or equal to 20"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "without stream; set stream to true"),
    ({"stream": "yes"}, "stream", "valid boolean"),
    (
        {"messages": turns("x" * 201)},
        "messages",
        "have 201 tokens and 1 are wanted; the student reads at",
    ),
    (
        {"messages": turns("x" * 190), "max_tokens": 61},
        "messages",
        "most 200, and 250 with what is written",
    ),
]


@pytest.mark.parametrize(("more", "param", "words"), CANNOT, ids=range(len(CANNOT)))
def test_what_a_student_cannot_do_is_a_400_that_says_so(client, more, param, words):
    refused = client.post(CHAT, json={**body(), **more})
    said = refused.json()["error"]
    assert refused.status_code == 400, said
    assert said["type"] == "invalid_request_error"
    assert said["param"] == param
    assert words in said["message"]


def test_several_faults_are_told_and_not_all_of_many(client):
    wrong = {"temperature": 9, "max_tokens": 0, "stream": 5, "logprobs": 7}
    said = client.post(CHAT, json={**body(), **wrong}).json()
    assert said["error"]["message"].count(": ") == 3
    assert said["error"]["message"].endswith("; and 1 more")


ODD = [json.dumps(body("\ud800")).encode(), json.dumps(body()).encode("utf-16")]


@pytest.mark.parametrize(
    "sent",
    [b"", b"{", b"[]", b"5", b"null", b"\xff\xfe", b"[" * 100_000, b'{"temperature": NaN}', *ODD],
    ids=range(10),
)
def test_what_is_no_json_object_is_a_400(client, sent):
    refused = client.post(CHAT, content=sent, headers={"Content-Type": "application/json"})
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["code"] == "invalid_json"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_page_cannot_post_without_asking(client, kind):
    refused = client.post(CHAT, content=json.dumps(body()), headers={"Content-Type": kind})
    assert refused.status_code == 415
    question = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    asked = client.options(CHAT, headers=question)
    assert asked.status_code == 405
    assert not [name for name in asked.headers if name.startswith("access-control")]


def test_a_body_of_more_than_the_limit_is_a_413(client):
    refused = client.post(CHAT, json=body("x" * 1_000_001))
    assert refused.status_code == 413
    assert refused.json()["error"]["message"] == "the body has more than 1000000 bytes"

    def parts():
        for _ in range(50):
            yield b" " * 100_000

    refused = client.post(CHAT, content=parts(), headers={"Content-Type": "application/json"})
    assert refused.status_code == 413


def test_another_model_is_a_404(client):
    refused = client.post(CHAT, json={**body(), "model": "pupils"})
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_found"
    assert refused.json()["error"]["message"].startswith("unknown model 'pupils'; did you mean 'pupil'?")
    assert client.get("/v1/models/pupils").status_code == 404


def test_models_and_health(client):
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    [entry] = listed["data"]
    assert {name: entry[name] for name in ("id", "object", "owned_by")} == {
        "id": "pupil",
        "object": "model",
        "owned_by": "tuition",
    }
    assert client.get("/v1/models/pupil").json() == entry
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", CHAT, 405), ("POST", "/v1/models", 405), ("POST", "/v1/embeddings", 404), ("GET", "/", 404)],
)
def test_other_paths_are_told_what_there_is(client, method, path, status):
    refused = client.request(method, path)
    assert refused.status_code == status
    assert refused.json()["error"]["message"] == (
        f"{method} {path} is not served; there are POST {CHAT}, GET /v1/models and GET /health"
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost:8000",
        "LOCALHOST.",
        "[::1]:80",
        "192.0.2.7:1",
        "pupil.example",
        "Pupil.example:5",
    ],
)
def test_a_name_of_this_server_and_any_address_may_be_called(serve, host):
    client = serve(Parrot(), hosts=("pupil.example",))
    assert content(client.post(CHAT, json=body("a"), headers={"Host": host})) == "a"


NAMES = (
    "evil.example localhost.evil.example 127.0.0.1.evil.example a@127.0.0.1 localhost:x [::1 [::1]x [evil]"
)


@pytest.mark.parametrize("host", ["", *NAMES.split()])
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/health"])
def test_another_name_is_a_403_on_every_path(client, host, path):
    method = "POST" if path == CHAT else "GET"
    refused = client.request(method, path, json=body(), headers={"Host": host})
    assert refused.status_code == 403, refused.text
    assert refused.json()["error"]["code"] == "host_not_allowed"
    assert "is no name of this server" in refused.json()["error"]["message"]


def test_two_names_are_none(client):
    raw = socket.create_connection(("127.0.0.1", client.base_url.port))
    raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")
    assert raw.recv(100).split()[1] in (b"400", b"403")
    raw.close()


@pytest.mark.parametrize(
    "shown",
    [None, "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}"],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/other"])
def test_a_wrong_token_is_a_401(serve, shown, path):
    client = serve(Parrot(), token=TOKEN)
    headers = {} if shown is None else {"Authorization": shown}
    refused = client.post(path, json=body(), headers=headers)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"]["type"] == "authentication_error"
    assert TOKEN not in refused.text


def test_the_right_token_is_let_in_and_health_needs_none(serve):
    client = serve(Parrot(), token=TOKEN)
    for kind in ("Bearer", "bearer"):
        assert content(client.post(CHAT, json=body("a"), headers={"Authorization": f"{kind} {TOKEN}"})) == "a"
    assert client.get("/health").status_code == 200
