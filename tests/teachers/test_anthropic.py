import asyncio
import json

import pytest
from endpoints import SECRET, ask, ask_all, fault, request
from starlette.responses import JSONResponse, Response

from tuition.core.config import parse
from tuition.core.errors import ConfigError
from tuition.core.records import Message, RateLimits, Usage
from tuition.teachers import TeacherConfig, make_teacher

COUNTS = {
    "input_tokens": 10,
    "cache_read_input_tokens": 30,
    "cache_creation_input_tokens": 2,
    "output_tokens": 9,
}


def message(*parts, reason="end_turn", usage=COUNTS):
    content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"type": "message", "model": "claude-x", "content": content, "stop_reason": reason, "usage": usage}


def native(server, **wire):
    table = {"name": "a", "model": "claude-x", "base_url": server.url, "api_key_env": "TEACHER_KEY"}
    return make_teacher(TeacherConfig(**table, timeout_s=5, wire={"form": "anthropic", **wire}))


@pytest.fixture
def teacher(server, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    server.answer = JSONResponse(message("Because."))
    return native(server)


def test_one_call_there_and_back(server, teacher):
    turns = (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Why?"),
        Message(role="system", content="In English."),
    )
    reply = asyncio.run(teacher.complete(request(teacher, messages=turns, tag="t1")))
    [(body, headers)] = server.asked
    assert body == {
        "model": "claude-x",
        "system": "Be brief.\n\nIn English.",
        "messages": [{"role": "user", "content": "Why?"}],
        "max_tokens": 50,
    }
    assert (headers["x-api-key"], headers["anthropic-version"]) == (SECRET, "2023-06-01")
    assert headers["x-client-request-id"] == "t1"
    assert "authorization" not in headers
    assert (reply.text, reply.finish, reply.model, reply.failure) == ("Because.", "stop", "claude-x", None)
    assert reply.usage == Usage(prompt_tokens=42, cached_tokens=30, completion_tokens=9)
    assert json.loads(reply.raw) == message("Because.")


def test_thinking_is_kept_apart(server, teacher):
    thought = {"type": "thinking", "thinking": "2 and 2", "signature": "x"}
    server.answer = JSONResponse(message(thought, {"type": "redacted_thinking", "data": "x"}, "So ", "4."))
    reply = ask(teacher)
    assert (reply.text, reply.reasoning) == ("So 4.", "2 and 2")
    server.answer = JSONResponse({**message("x"), "content": "So 4."})
    assert ask(teacher).text == "So 4.", "some gateways send a plain text"


@pytest.mark.parametrize(
    ("answer", "kind", "is_retryable", "is_paid"),
    [
        (JSONResponse(message(reason="max_tokens")), "truncated", False, True),
        (JSONResponse(message("I ca", reason="refusal")), "refused", False, True),
        (JSONResponse(message()), "empty", True, True),
        (JSONResponse({"type": "message", "content": 3}), "malformed", True, None),
        (JSONResponse({"usage": COUNTS}), "malformed", True, True),
        (fault("Overloaded", 529, type="overloaded_error"), "server", True, False),
        (fault("slow down", 429, type="rate_limit_error"), "rate_limit", True, False),
        (fault("pay", 402, type="billing_error"), "quota", False, False),
        (fault("Your credit balance is too low", type="invalid_request_error"), "quota", False, False),
        (fault("bad key", 401, type="authentication_error"), "auth", True, False),
        (fault("not yours", 403, type="permission_error"), "refused", False, False),
        (fault("max_tokens: field required", type="invalid_request_error"), "bad_request", False, False),
        (fault("api", 500, type="api_error"), "server", True, False),
        (Response("", 504), "server", True, None),
    ],
)
def test_failures_by_kind(server, teacher, answer, kind, is_retryable, is_paid):
    server.answer = answer
    reply = ask(teacher)
    failure = reply.failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == (kind, is_retryable, is_paid)
    assert reply.text == ""


def test_limits_are_moments_in_its_headers(server, teacher):
    headers = {
        "anthropic-ratelimit-requests-limit": "1000",
        "anthropic-ratelimit-requests-remaining": "999",
        "anthropic-ratelimit-requests-reset": "2001-08-21T12:40:59Z",
        "anthropic-ratelimit-tokens-limit": "96000",
        "anthropic-ratelimit-tokens-remaining": "95000",
    }
    server.answer = JSONResponse(message("x"), headers=headers)
    assert ask(teacher).limits == RateLimits(
        requests=1000, requests_left=999, requests_reset_s=0.0, tokens=96000, tokens_left=95000
    )


def test_a_temperature_goes_only_where_it_is_declared(server, teacher, caplog):
    assert not teacher.abilities.has_temperature
    ask(teacher, temperature=0.5, seed=1)
    assert server.bodies[0].keys() == {"model", "messages", "max_tokens"}
    assert teacher.lacks == ("temperature", "seed")
    assert "takes no temperature" in caplog.text
    ask(native(server, has_temperature=True), temperature=0.5)
    assert server.bodies[1]["temperature"] == 0.5


def test_a_table_with_a_temperature_must_declare_it():
    table = {"name": "a", "temperature": 0.5, "wire": {"form": "anthropic"}}
    with pytest.raises(ConfigError, match=r"its endpoint takes none.*set wire.has_temperature = true"):
        parse(TeacherConfig, table, where="x.toml")
    table["wire"]["has_temperature"] = True
    assert parse(TeacherConfig, table, where="x.toml").parameters()["temperature"] == 0.5


def test_a_schema_goes_where_this_form_has_it(server, teacher):
    schema = {"type": "object", "properties": {}}
    wanted = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    ask(native(server, has_json=True), response_format=wanted)
    ask(teacher, response_format=wanted)
    assert server.bodies[0]["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert "response_format" not in server.bodies[0]
    assert server.bodies[1].keys() == {"model", "messages", "max_tokens"}
    assert teacher.lacks == ("response_format",)


def test_further_fields_go_into_the_body(server, teacher):
    thinking = {"type": "enabled", "budget_tokens": 2000}
    config = TeacherConfig(
        name="a", base_url=server.url, wire={"form": "anthropic", "extra": {"thinking": thinking}}
    )
    ask(make_teacher(config), **config.parameters())
    assert server.bodies[0]["thinking"] == thinking


def test_samples_come_one_by_one(server, teacher):
    assert teacher.abilities.samples_per_call == 1
    first, second = ask_all(teacher, 2)
    assert (first.text, second.failure.kind, len(server.asked)) == ("Because.", "unpaid", 1)
