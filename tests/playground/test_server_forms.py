"""What the server heeds of a client's parameters, its own limits, and Anthropic's form beside OpenAI's."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import BODY, running

from tuition.playground.serving import ServerConfig, app

ASKED = {key: BODY[key] for key in ("model", "messages", "max_tokens")}
VERSION = {"anthropic-version": "2023-06-01"}
SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "sure": {"type": "boolean"},
        "steps": {"type": "array", "items": {"type": "string"}},
        "day": {"type": ["integer", "null"]},
        "month": {"enum": ["May", "March"]},
        "nothing": {"type": "null"},
    },
}


def chat(client, **changes):
    return client.post("/v1/chat/completions", json=BODY | changes)


def text(client, **changes):
    return chat(client, **changes).json()["choices"][0]["message"]["content"]


def messages(client, **changes):
    return client.post("/v1/messages", json=ASKED | changes, headers=VERSION)


def test_both_forms_say_the_same_and_count_the_same(tmp_path):
    ledger = tmp_path / "server.jsonl"
    with running(app(ledger=ledger)) as client:
        openai = chat(client).json()
        anthropic = messages(client, temperature=0).json()
    assert anthropic["content"] == [{"type": "text", "text": openai["choices"][0]["message"]["content"]}]
    assert (anthropic["type"], anthropic["stop_reason"]) == ("message", "end_turn")
    assert anthropic["usage"]["input_tokens"] == openai["usage"]["prompt_tokens"]
    assert anthropic["usage"]["output_tokens"] == openai["usage"]["completion_tokens"]
    paid = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [row["id"] for row in paid] == [openai["id"], anthropic["id"]]
    assert paid[0]["time"] <= paid[1]["time"]


def test_contents_in_parts_and_a_system_text_beside_the_turns():
    parts = [
        {"type": "text", "text": "Question: Today is March 14. "},
        {"type": "text", "text": "Which date is it?"},
    ]
    turns = [{"role": "user", "content": parts}]
    joined = [{"role": "user", "content": parts[0]["text"] + parts[1]["text"]}]
    with running(app()) as client:
        assert text(client, messages=turns) == text(client, messages=joined)
        plain = messages(client).json()["usage"]["input_tokens"]
        with_system = messages(client, system=[{"type": "text", "text": "Be short."}]).json()
    assert with_system["usage"]["input_tokens"] > plain


def test_what_a_body_of_the_native_form_must_hold():
    with running(app()) as client:
        without = client.post("/v1/messages", json={"model": "program-ada-1"}, headers=VERSION)
        system = messages(client, messages=[{"role": "system", "content": "x"}])
        unknown = messages(client, model="program-ada")
        broken = client.post("/v1/messages", content=b"[", headers=VERSION)
        no_version = client.post("/v1/messages", json=ASKED)
    statuses = [reply.status_code for reply in (without, system, unknown, broken, no_version)]
    assert statuses == [400, 400, 404, 400, 400]
    assert "anthropic-version" in no_version.json()["error"]["message"]
    assert "max_tokens: Field required" in without.json()["error"]["message"]
    assert without.json()["error"]["type"] == "invalid_request_error"
    assert unknown.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("form", ["json_object", "json_schema"])
def test_a_text_that_is_to_be_json_is(form):
    wanted = (
        {"type": form, "json_schema": {"name": "x", "schema": SCHEMA}}
        if form == "json_schema"
        else {"type": form}
    )
    with running(app()) as client:
        plain, held = text(client), json.loads(text(client, response_format=wanted))
        cut = chat(client, response_format=wanted, max_tokens=3).json()["choices"][0]
    assert cut["finish_reason"] == "length"
    if form == "json_object":
        assert held == {"text": plain}
    else:
        assert held == {
            "answer": plain,
            "sure": True,
            "steps": [plain],
            "day": 24,
            "month": "March",
            "nothing": None,
        }


def test_parameters_refused_and_ignored():
    config = ServerConfig(refuses=("temperature", "max_tokens"), ignores=("n",))
    with running(app(config=config)) as client:
        hot = chat(client)
        bounded = client.post("/v1/chat/completions", json=ASKED)
        rest = {key: BODY[key] for key in ("model", "messages")}
        good = client.post("/v1/chat/completions", json=rest | {"max_completion_tokens": 50, "n": 4})
    assert (hot.status_code, bounded.status_code, good.status_code) == (400, 400, 200)
    assert hot.json()["error"] | {"message": ""} == {
        "message": "",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "unsupported_parameter",
    }
    assert "'max_tokens' is not supported" in bounded.json()["error"]["message"]
    assert len(good.json()["choices"]) == 1


def test_requests_a_minute_and_its_headers():
    with running(app(config=ServerConfig(requests_per_minute=60, burst_s=2))) as client:
        replies = [chat(client) for _ in range(3)]
        native = messages(client)
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[0].headers["x-ratelimit-limit-requests"] == "60"
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["1", "0", "0"]
    assert replies[1].headers["x-ratelimit-reset-requests"].endswith("s")
    assert 0 < float(replies[2].headers["retry-after"]) <= 1
    assert native.status_code == 429
    assert native.headers["anthropic-ratelimit-requests-limit"] == "60"
    assert native.headers["anthropic-ratelimit-requests-reset"].endswith("Z")


def test_tokens_a_minute():
    with running(app(config=ServerConfig(tokens_per_minute=150))) as client:
        replies = [chat(client) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 429]
    assert "limit of 150 tokens a minute" in replies[1].json()["error"]["message"]
    assert replies[0].headers["x-ratelimit-limit-tokens"] == "150"


def test_calls_at_once():
    with (
        running(app(config=ServerConfig(concurrency=2, latency_s=0.5))) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        codes = sorted(pool.map(lambda _: chat(client).status_code, range(4)))
    assert codes == [200, 200, 429, 429]


def test_no_limits_no_headers():
    with running(app()) as client:
        assert not [name for name in chat(client).headers if "ratelimit" in name]
